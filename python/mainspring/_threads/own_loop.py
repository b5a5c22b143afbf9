"""An event loop for a job's function where there is no scheduler's: in a child process, for one.

A function there finds what it finds in a worker thread: a loop that it may wait with, and that runs what it
starts. This loop is the thread's own and runs in no other thread, so what was started and not waited for runs
when the function has returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring._logs import get_logger
from mainspring._loops.current import current_loop, kept
from mainspring._loops.find import belongs_to_parent, finish_loop
from mainspring._threads.calls import call_function, value_or_exception
from mainspring._threads.futures import log_unretrieved

if TYPE_CHECKING:
    from mainspring.job import Job

T = TypeVar("T")

#: For how many seconds tasks that a function has started may go on after it has returned.
PATIENCE = 10.0

#: What there may be on a loop that has to be run once more to be closed in order. Few functions leave it.
_LEFT = ("_ready", "_scheduled", "_asyncgens", "_default_executor")


def call_with_own_loop(job: Job) -> Any:
    """Call a job's function with a loop of this thread as the current one, and await what it returns.

    A loop that the program has set in this thread, in a module or in the initializer of a pool, stays the
    current one and is left as it is. Else one is made for the call. Tasks that are left on it run to their
    end, for :data:`PATIENCE` seconds at most; then it is closed.

    :param job: the job
    :return: what the function returns, awaited if it can be
    """
    loop = current_loop()
    if loop is not None and not loop.is_closed() and not belongs_to_parent(loop):
        with kept(loop):
            return _awaited(call_function(job), loop)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(partial(_tell, job.id))
    try:
        with kept(loop):
            return _with_loop(loop, job)
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def _with_loop(loop: asyncio.AbstractEventLoop, job: Job) -> Any:
    try:
        result = _awaited(call_function(job), loop)
        _complete(loop, job.id)
        return result
    except Exception:
        _complete(loop, job.id)
        raise
    finally:
        left = any(getattr(loop, name, True) for name in _LEFT) or asyncio.all_tasks(loop)
        if left and not loop.is_closed():
            finish_loop(loop)


def run_aside(awaitable: Awaitable[T]) -> T:
    """Await something on a loop made for that, in a thread whose own loop is hidden."""
    loop = asyncio.new_event_loop()
    try:
        value: T = _awaited(awaitable, loop)
    finally:
        finish_loop(loop)
    return value


def _awaited(result: Any, loop: asyncio.AbstractEventLoop) -> Any:
    if not isawaitable(result):
        return result
    if asyncio.isfuture(result):
        loop = result.get_loop()
    if loop.is_closed():  # by the function
        value, exception = asyncio.run(value_or_exception(result))
    else:
        value, exception = loop.run_until_complete(value_or_exception(result))
    if exception is not None:
        raise exception
    return value


def _complete(loop: asyncio.AbstractEventLoop, job_id: str) -> None:
    """Run what a function has left on the loop made for it."""
    end = loop.time() + PATIENCE
    while not loop.is_closed() and (tasks := asyncio.all_tasks(loop)):
        left = end - loop.time()
        if left <= 0:
            get_logger("executors").warning(
                'Job "%s" has left tasks behind that did not end within %g s, and are cancelled: %r',
                job_id,
                PATIENCE,
                tasks,
            )
            return
        ended, _ = loop.run_until_complete(asyncio.wait(tasks, timeout=left))
        for task in ended:
            # Or it would be told of when the task is dropped, which may be long after this.
            if getattr(task, "_log_traceback", False):
                task.exception()
                log_unretrieved(task, job_id)


def _tell(job_id: str, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong on the loop; with the job's id where it is the exception of a task."""
    if "never retrieved" in context.get("message", "") and "future" in context:
        log_unretrieved(context["future"], job_id)
    else:
        loop.default_exception_handler(context)
