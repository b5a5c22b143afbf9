"""What a plain function may call while a scheduler runs it in a worker thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, cast

from mainspring._loops.find import running_loop
from mainspring._mainspring import current_run

__all__ = ("run",)

T = TypeVar("T")


def run(coro_func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Call a coroutine function on the loop of the scheduler that runs this job, and wait for it.

    The coroutine sees a copy of the caller's context variables. This works with
    ``loop_in_threads=False`` as well.

    :param coro_func: the function; it is called on the loop too
    :param args: its positional arguments
    :return: what the coroutine returns; what it raises is raised
    :raises RuntimeError: if this is not a worker thread in the midst of a job's run; if an event
        loop is running in this thread; if the scheduler's loop is closed or does not respond for
        the scheduler's ``loop_response_timeout``

    >>> import asyncio, threading
    >>> from mainspring import AsyncIOScheduler, from_thread
    >>> async def double(number):
    ...     return 2 * number
    >>> async def main():
    ...     done = asyncio.Event()
    ...     def job():
    ...         print(from_thread.run(double, 21))
    ...         from_thread.run(asyncio.to_thread, lambda: None)
    ...     async with AsyncIOScheduler(timezone="UTC") as scheduler:
    ...         scheduler.add_job(job)
    >>> asyncio.run(main())
    42
    """
    if running_loop() is not None:
        raise RuntimeError(
            "from_thread.run() would block the event loop that is running in this thread: "
            "await the coroutine instead"
        )
    here = current_run()
    if here is None:
        raise RuntimeError(
            "from_thread.run() is for jobs that run in a worker thread of a scheduler; elsewhere "
            "use asyncio.run_coroutine_threadsafe(coroutine, loop).result()"
        )
    scheduler = here[0]
    loops = getattr(scheduler, "_thread_loops", None)
    if loops is None:
        raise RuntimeError(f"{scheduler!r} has no event loop: use asyncio.run() instead")

    async def call() -> T:
        result = coro_func(*args)
        return await result if isawaitable(result) else cast(T, result)

    return loops.loop.run_until_complete(call())  # type: ignore[no-any-return]
