"""Tornado's ``IOLoop.current().run_sync()`` in a worker thread.

``IOLoop.current()`` makes a loop of its own in a thread where ``asyncio.get_event_loop`` raises, else takes
the one that it gives; and ``run_sync`` runs that "for ever", until a callback stops it. So the proxy lets
Tornado, and nobody else, run it and stop it: the worker waits for the stop.

Ground rules: what is kept here is touched on the loop's thread alone.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NoReturn

from mainspring._threads.futures import ThreadFuture

if TYPE_CHECKING:
    from mainspring._threads.loop import ThreadLoop

STANDS_FOR = "the event loop of this thread stands for the application's, which "


def refuse(name: str, why: str) -> NoReturn:
    """Raise an error that says what to do instead of calling a method of the proxy."""
    raise RuntimeError(f"{name}() makes no sense in a worker thread: {why}")


class TornadosLoop(asyncio.AbstractEventLoop):
    """The two methods of the proxy that Tornado may call."""

    #: What a worker waits for that runs the loop.
    _running: ThreadFuture[None] | None = None
    #: Whether the loop was stopped before it was run: asyncio's then returns at once.
    _is_stopped = False

    def run_forever(self: ThreadLoop) -> None:  # type: ignore[misc]
        if not _is_tornado():
            refuse("run_forever", STANDS_FOR + "is running already; use run_until_complete()")
        running: ThreadFuture[None] = ThreadFuture(self)
        self.hand_over(_begin, self, running)
        self._wait(running)

    def stop(self: ThreadLoop) -> None:  # type: ignore[misc]
        if not _is_tornado():
            why = "a job must not stop; return from the job's function instead, or call scheduler.shutdown()"
            refuse("stop", STANDS_FOR + why)
        if self.is_here():
            _end(self)
        else:
            self.hand_over(_end, self)


def _is_tornado() -> bool:
    return sys._getframe(2).f_globals.get("__name__") == "tornado.platform.asyncio"


def _begin(proxy: ThreadLoop, running: ThreadFuture[None]) -> None:
    proxy._running = running
    if proxy._is_stopped:
        _end(proxy)


def _end(proxy: ThreadLoop) -> None:
    running, proxy._running = proxy._running, None
    proxy._is_stopped = running is None
    if running is not None and not running.done():
        running.set_result(None)
