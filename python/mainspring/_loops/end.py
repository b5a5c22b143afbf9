"""The end of the program's loop, which comes after that of the functions in worker threads.

``asyncio.run`` waits for what runs in the loop's default executor, where APScheduler has the functions
of its jobs, before it returns and the program closes what they use. The threads here are no loop's, so
this waits as an asynchronous generator does for what it holds: a loop closes these at its end, too, by
``shutdown_asyncgens``, and still runs meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from types import AsyncGeneratorType
from typing import cast

from mainspring._lazy import asyncio
from mainspring._mainspring import keep_for_ever


class LoopEnd:
    """Calls a coroutine function when a loop ends, unless it is dropped before.

    :param loop: the loop, which need not run yet
    :param wait: the function, whose coroutine the loop awaits then
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, wait: Callable[[], Awaitable[None]]
    ) -> None:
        self._wait: Callable[[], Awaitable[None]] | None = wait
        self._waiting: AsyncGeneratorType[None, None] | None = None
        if asyncio._get_running_loop() is loop:
            self._begin()
        else:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._wait is not None:
            # The loop that runs in this thread is told of it by its first step.
            self._waiting = cast("AsyncGeneratorType[None, None]", self._until_closed())
            _step(self._waiting.asend(None))

    async def _until_closed(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if self._wait is not None:
                await self._wait()

    def drop(self) -> None:
        """Have nothing called any more, and nothing left to the loop."""
        self._wait = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.ag_running:
            with suppress(RuntimeError):  # the loop has begun to close it at this moment
                _step(waiting.aclose())

    def leave_to_parent(self) -> None:
        """Have nothing called in this process, which was forked, and leave its parent's loop alone."""
        self._wait = None
        keep_for_ever(self._waiting)


def _step(awaitable: Awaitable[None]) -> None:
    """Take a step of a generator, which does not wait for anything in it."""
    with suppress(StopIteration):
        awaitable.__await__().__next__()
