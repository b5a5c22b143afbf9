"""What tracers put around the work of thread pools.

Libraries that follow a program from thread to thread (Sentry's, Datadog's, OpenTelemetry's) replace
:meth:`concurrent.futures.ThreadPoolExecutor.submit`, or the code of it, and put something around what is
submitted: a scope of its own, the span of the code that submitted it. The threads of jobs are fed from Rust.
So where that method is not CPython's any more, a run is submitted by it to a pool that has no threads, in
the run's own context, and what comes out of that is called: it has what it would have in a pool of CPython's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

from mainspring._logs import get_logger

T = TypeVar("T")

#: What CPython's own method calls, and nothing that is put in its place.
_CALLS = "_adjust_thread_count"


def submit_is_replaced(pool: type | None = None) -> bool:
    """Tell whether a class of thread pools, by default CPython's, has another ``submit`` than CPython's.

    At the end of the program that takes nothing any more, and is as if it had not been replaced.
    """
    threads = _threads()
    if threads is None or threads._shutdown:
        return False
    submit = getattr(pool or threads.ThreadPoolExecutor, "submit", None)
    return not (
        type(submit) is FunctionType
        and submit.__globals__ is vars(threads)
        and _CALLS in submit.__code__.co_names
    )


def submitted(
    function: Callable[..., T], /, *args: Any, **kwargs: Any
) -> tuple[Future[T], Callable[[], object]]:
    """Submit a call; return its future, and what makes the call with all that is put around it."""
    pool = _threads().ThreadPoolExecutor(1, "mainspring")
    pool._adjust_thread_count = lambda: None
    future = pool.submit(function, *args, **kwargs)
    item = pool._work_queue.get_nowait()
    if hasattr(pool, "_create_worker_context"):  # CPython 3.14
        return future, partial(item.run, pool._create_worker_context())
    return future, item.run


def carry(function: Callable[..., T], *args: Any) -> T:
    """Call a function in this thread, with all that is put around what is submitted to a thread pool."""
    if not submit_is_replaced():
        return function(*args)
    has_begun = False

    def begin() -> T:
        nonlocal has_begun
        has_begun = True
        return function(*args)

    try:
        future, call = submitted(begin)
        call()
        return future.result()
    except Exception:
        if has_begun:
            raise
        get_logger("executors").exception("What has replaced ThreadPoolExecutor.submit has failed")
    return function(*args)


def carries(pool: object) -> bool:
    """Tell whether this is a pool like CPython's whose ``submit`` puts something around what it is given."""
    threads = _threads()
    return (
        threads is not None
        and isinstance(pool, threads.ThreadPoolExecutor)
        and submit_is_replaced(type(pool))
    )


def in_context(context: Context, function: Callable[..., object], *args: Any) -> None:
    """Call a function in a context, with the variables that have been set in this thread."""
    for variable, value in copy_context().items():
        context.run(variable.set, value)
    context.run(function, *args)


def _threads() -> Any:
    return sys.modules.get("concurrent.futures.thread")
