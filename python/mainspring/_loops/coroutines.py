"""Coroutines that the binding needs and only Python can write."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable
from inspect import CORO_CREATED, getcoroutinestate
from threading import current_thread, main_thread
from traceback import walk_tb
from types import CoroutineType, FrameType, TracebackType
from typing import Any, TypeVar

from mainspring._lazy import asyncio
from mainspring._logs import get_logger
from mainspring._mainspring import JobCoroutine

T = TypeVar("T")


class JobExitError(Exception):
    """A ``SystemExit`` or ``KeyboardInterrupt`` on its way out of a task that a job has started.

    A task that raises one of them itself stops the loop that it runs on. This error is raised instead in the
    code that is the first to wait for the task.
    """

    def __init__(self, exit: SystemExit | KeyboardInterrupt) -> None:
        super().__init__(exit)
        self.exit = exit


async def contained(awaitable: Awaitable[T]) -> T:
    """Await what a job's function has started, as the coroutine of a task of the loop."""
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as exc:
        raise JobExitError(exc) from exc


async def awaited(awaitable: Awaitable[T]) -> T:
    """Await what a job's function has returned and is no coroutine, as one."""
    return await awaitable


def bridged(future: asyncio.Future[T]) -> asyncio.Future[T]:
    """Return a future of the running loop that ends as one of another loop does.

    :raises RuntimeError: if the other loop is closed
    """
    outcome = _outcome_of(future)
    try:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(outcome, future.get_loop()))
    except RuntimeError:
        outcome.close()
        raise


async def _outcome_of(future: asyncio.Future[T]) -> T:
    return await future


def explain(exc: BaseException, traceback: TracebackType | None) -> None:
    """Add a note to the error of code that asked a worker thread for its running loop, as `create_task` does.

    The coroutine that it was given is closed, or its author would be told that it was never awaited.
    """
    if type(exc) is not RuntimeError or str(exc) != "no running event loop":
        return
    for frame, _ in walk_tb(traceback):
        if frame.f_globals.get("__name__", "").startswith("asyncio."):
            for value in tuple(frame.f_locals.values()):
                if isinstance(value, CoroutineType) and getcoroutinestate(value) == CORO_CREATED:
                    value.close()
    if sys.version_info >= (3, 11):
        exc.add_note(
            "A plain function runs in a worker thread, where no loop is running. Use "
            "asyncio.ensure_future() or asyncio.get_event_loop(), which stand for the scheduler's loop "
            "there, or make it a coroutine function."
        )


def tell_unawaited(job_id: str, names: list[str]) -> None:
    """Log which coroutines nobody has awaited, of those that a job's function has made.

    :param job_id: the job's id
    :param names: the coroutines' names
    """
    get_logger("executors").warning(
        'Job "%s" made a coroutine that was never awaited: %s', job_id, ", ".join(names)
    )


def is_task_of_run(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task is one that was made for a run, or by one in a worker thread."""
    coroutine = task.get_coro()
    if isinstance(coroutine, JobCoroutine):
        return True
    return getattr(coroutine, "cr_code", None) is contained.__code__


def is_exit_of_program(exc: BaseException, traceback: TracebackType | None = None) -> bool:
    """Tell whether an exception is to end the program, not only the run in which it was raised.

    So is a Ctrl-C, and a ``SystemExit`` that comes from a handler of a signal, which Python calls in
    the midst of whatever the main thread does. Other threads do not get either.

    :param exc: the exception
    :param traceback: its traceback, where it does not carry that itself
    """
    if (
        not isinstance(exc, (KeyboardInterrupt, SystemExit))
        or current_thread() is not main_thread()
    ):
        return False
    if isinstance(exc, KeyboardInterrupt):
        return True
    codes = [frame.f_code for frame, _ in walk_tb(traceback or exc.__traceback__)]
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    return any(getattr(handler, "__code__", None) in codes for handler in handlers)


#: The functions that cancel what is left on a loop that has been stopped, and run it until that has
#: ended: those of asyncio, uvloop and anyio, of aiohttp, and our own.
_LAST_STEPS = frozenset({"_cancel_all_tasks", "_cancel_tasks", "finish_loop"})


def loop_is_ending() -> bool:
    """Tell whether the loop that runs in this thread only does so to end what is left on it.

    Nothing says so but the call stack: for the loop itself it is a run like any other. The answer
    chooses the level of a log record and nothing else.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in _LAST_STEPS:
            return True
        frame = frame.f_back
    return False
