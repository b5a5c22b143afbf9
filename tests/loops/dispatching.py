"""What the tests of dispatch share: a recorder of events, and a scenario on a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mainspring import AsyncIOScheduler

uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheel for this platform")

WAIT = 30


class NoReaderLoop(asyncio.SelectorEventLoop):
    """A loop that cannot watch file descriptors, as Windows' Proactor loop."""

    def __init__(self) -> None:
        self._refuses = False
        super().__init__()
        self._refuses = True

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        if self._refuses:
            raise NotImplementedError
        return super().add_reader(fd, callback, *args)


class Recorder:
    """Collects events and lets the test wait for some."""

    def __init__(
        self, scheduler: AsyncIOScheduler, mask: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.events: list[Any] = []
        self.threads: set[threading.Thread] = set()
        self._loop = loop
        self._changed = asyncio.Event()
        scheduler.add_listener(self._add, mask)

    def _add(self, event: Any) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread())
        self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self, count: int) -> list[Any]:
        while len(self.events) < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), WAIT)
        return self.events


Scenario = Callable[..., Any]


def on(loop: asyncio.AbstractEventLoop, scenario: Scenario, *args: Any) -> Any:
    """Run a scenario on a loop with a scheduler that is shut down at the end."""

    async def main() -> Any:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        try:
            return await asyncio.wait_for(scenario(scheduler, *args), WAIT)
        finally:
            await scheduler.aclose()

    return loop.run_until_complete(main())


async def plain() -> str:
    return f"{threading.current_thread().name}"
