"""The jobs that are run in every place, and the record of where each run was.

A program that hangs is ended by ``faulthandler`` with a traceback of all its threads.
"""

from __future__ import annotations

import asyncio
import faulthandler
import threading
from collections.abc import Coroutine, Iterable
from typing import Any

from mainspring.schedulers.base import BaseScheduler

#: How long a program waits for what must happen, and how long it may take in all, in seconds.
PATIENCE = 40.0
LIMIT = 80.0

faulthandler.dump_traceback_later(LIMIT, exit=True)

#: The three kinds of job: a coroutine function, a lambda that returns a coroutine, a sync function.
KINDS = ("coroutine", "lambda", "sync")


class Jobs:
    """One job of each kind, and where they ran: the running loop, if any, and the thread."""

    def __init__(self) -> None:
        self._runs: dict[str, list[tuple[asyncio.AbstractEventLoop | None, threading.Thread]]] = {}
        self._changed = threading.Condition()
        self.forget()

    def add_to(self, scheduler: BaseScheduler, kinds: Iterable[str] = KINDS) -> None:
        """Add the jobs, to run again and again; nothing that a slow machine does is an error."""
        functions = {
            "coroutine": self.coroutine,
            "lambda": lambda: self.coroutine("lambda"),
            "sync": self.sync,
        }
        for kind in kinds:
            scheduler.add_job(
                functions[kind],
                "interval",
                seconds=0.02,
                misfire_grace_time=None,
                max_instances=1000,
            )

    async def coroutine(self, kind: str = "coroutine") -> None:
        await asyncio.sleep(0.001)
        self._note(kind)

    def sync(self) -> None:
        self._note("sync")

    def wait(self, times: int = 3, kinds: Iterable[str] = KINDS) -> None:
        """Wait until each kind has run so many times more than until now."""
        with self._changed:
            goals = {kind: len(self._runs[kind]) + times for kind in kinds}
            assert self._changed.wait_for(
                lambda: all(len(self._runs[kind]) >= goal for kind, goal in goals.items()),
                PATIENCE,
            ), {kind: len(runs) for kind, runs in self._runs.items()}

    async def ran(self, times: int = 3, kinds: Iterable[str] = KINDS) -> None:
        """Wait on the running loop until each kind has run so many times more."""
        await asyncio.get_running_loop().run_in_executor(None, self.wait, times, tuple(kinds))

    def check(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Check that coroutines ran on one loop (this one, if given), sync functions beside it."""
        awaited = {*self._runs["coroutine"], *self._runs["lambda"]}
        assert len(awaited) == 1, awaited
        its_loop, its_thread = awaited.pop()
        assert its_loop is not None
        assert loop is None or its_loop is loop, (its_loop, loop)
        assert all(run_loop is None for run_loop, _ in self._runs["sync"]), self._runs["sync"]
        assert its_thread not in {thread for _, thread in self._runs["sync"]}, its_thread

    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop on which a coroutine ran the last time."""
        return self._runs["coroutine"][-1][0]

    def forget(self) -> None:
        """Begin a new record."""
        with self._changed:
            self._runs = {kind: [] for kind in KINDS}

    def _note(self, kind: str) -> None:
        with self._changed:
            self._runs[kind].append((asyncio._get_running_loop(), threading.current_thread()))
            self._changed.notify_all()


def run(main: Coroutine[Any, Any, None], loop: str) -> None:
    """Run a coroutine to its end on a loop of this kind, ``asyncio`` or ``uvloop``, in debug mode."""

    async def debugged() -> None:
        assert asyncio.get_running_loop().get_debug()
        await main

    if loop == "uvloop":
        import uvloop

        uvloop.run(debugged(), debug=True)
    else:
        asyncio.run(debugged(), debug=True)
