"""The time of an event loop, for what follows a manual clock.

What runs in a job - its coroutine, and the tasks that this starts - sees the time of the scheduler's
manual clock: ``asyncio.sleep``, timeouts, ``call_later`` and ``loop.time()`` go by it. Everything else
on the same loop, such as the test itself, keeps the loop's own time. Which is which is told by a context
variable that is set in the context of each run, and that tasks inherit.

To that end three methods of the *loop object* (``time``, ``call_at``, ``call_later``) are overlaid while
a scheduler with a manual clock uses it; no class, policy or module of asyncio is changed.

Ground rules: a loop's methods are called on its own thread. The timers of a clock are guarded by its
``_timers_lock``, since a clock may serve several loops; nobody calls out while holding it.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mainspring._scheduler.frozen import frozen_by

if TYPE_CHECKING:
    from mainspring.testing._clock import ManualClock

#: The clock that code follows; ``False`` for the kit's own, which goes by the loop's time in any case.
followed: ContextVar[ManualClock | bool | None] = ContextVar("mainspring clock", default=None)


class Timers:
    """What waits for the time of one clock.

    :param changed: called when there is a new timer
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._lock = Lock()
        self._heap: list[tuple[int, int, asyncio.TimerHandle, AbstractEventLoop, Any]] = []
        self._numbers = count()

    def add(self, when: int, handle: asyncio.TimerHandle, loop: AbstractEventLoop, of: Any) -> None:
        with self._lock:
            heappush(self._heap, (when, next(self._numbers), handle, loop, of))
        self._changed()

    def next(self) -> int | None:
        """Return when the next timer is due, in microseconds of the clock's monotonic time."""
        with self._lock:
            while self._heap and (self._heap[0][2].cancelled() or self._heap[0][3].is_closed()):
                heappop(self._heap)
            return self._heap[0][0] if self._heap else None

    def take_due(self, now: int) -> list[tuple[asyncio.TimerHandle, AbstractEventLoop]]:
        due = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                _, _, handle, loop, _ = heappop(self._heap)
                due.append((handle, loop))
        return [(handle, loop) for handle, loop in due if not handle.cancelled()]

    def waits_until(self, future: asyncio.Future[Any]) -> int | None:
        """Return when the timer that ends a future is due, if there is one."""
        with self._lock:
            return next((e[0] for e in self._heap if e[4] is future and not e[2].cancelled()), None)


class _Timer(asyncio.TimerHandle):
    """A timer that its loop knows nothing of."""

    def cancel(self) -> None:
        asyncio.Handle.cancel(self)


class _Overlay:
    """The overlaid methods of one loop."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self.users = 0
        #: The clock that all of the loop follows, and not only what runs in jobs.
        self.clock: ManualClock | None = None
        self._time = loop.time
        self._call_at = loop.call_at
        self._call_later = loop.call_later

    def put_on(self) -> None:
        for name in ("time", "call_at", "call_later"):
            setattr(self._loop, name, getattr(self, name))

    def take_off(self) -> None:
        for name in ("time", "call_at", "call_later"):
            delattr(self._loop, name)

    def _followed(self) -> ManualClock | None:
        here = followed.get()
        if here is None:
            return self.clock
        return None if isinstance(here, bool) else here

    def time(self) -> float:
        clock = self._followed()
        return self._time() if clock is None else clock._time.monotonic / 1e6

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        if self._followed() is None:  # asyncio makes call_at() of this, uvloop this of call_at()
            return self._call_later(delay, callback, *args, context=context)
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        clock = self._followed()
        if clock is None:
            return self._call_at(when, callback, *args, context=context)
        handle = _Timer(when, callback, args, self._loop, context)
        # asyncio.sleep() has its future as the first argument of the callback.
        clock._timers.add(round(when * 1e6), handle, self._loop, args[0] if args else None)
        return handle


_overlays: WeakKeyDictionary[AbstractEventLoop, _Overlay] = WeakKeyDictionary()


def _overlay(loop: AbstractEventLoop) -> _Overlay | None:
    overlay = _overlays.get(loop)
    if overlay is None:
        overlay = _Overlay(loop)
        try:
            overlay.put_on()
        except AttributeError:  # a loop of a kind that takes no attributes keeps its own time
            return None
        _overlays[loop] = overlay
    return overlay


def follow(loop: AbstractEventLoop) -> None:
    """Have what runs in jobs on a loop follow their scheduler's manual clock, until :func:`leave`."""
    overlay = _overlay(loop)
    if overlay is not None:
        overlay.users += 1


def leave(loop: AbstractEventLoop) -> None:
    """Undo one :func:`follow`."""
    overlay = _overlays.get(loop)
    if overlay is None:
        return
    overlay.users -= 1
    if overlay.users == 0:
        del _overlays[loop]
        overlay.take_off()


class LoopTime:
    """Has all of a loop follow a clock, until it is undone; also as a context manager."""

    def __init__(self, clock: ManualClock, loop: AbstractEventLoop) -> None:
        self._loop: AbstractEventLoop | None = loop
        follow(loop)
        overlay = _overlays.get(loop)
        if overlay is None:
            raise TypeError(f"the time of {loop!r} cannot be mapped to a clock")
        self._before, overlay.clock = overlay.clock, clock

    def undo(self) -> None:
        """Let the loop have its own time again; without effect the second time."""
        loop, self._loop = self._loop, None
        if loop is not None:
            overlay = _overlays.get(loop)
            if overlay is not None:
                overlay.clock = self._before
            leave(loop)

    def __enter__(self) -> LoopTime:
        return self

    def __exit__(self, *exc: object) -> None:
        self.undo()


def call_later_in_real_time(
    loop: AbstractEventLoop, delay: float, callback: Callable[[], object]
) -> asyncio.TimerHandle | Timer:
    """Do what ``loop.call_later`` does where nothing is overlaid, and a test has not stopped its clock."""
    if frozen_by() == "freezegun":  # asyncio's loops would wait for ever

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(callback)

        timer = Timer(delay, tell)
        timer.daemon = True
        timer.start()
        return timer

    def call() -> asyncio.TimerHandle:
        followed.set(False)
        return loop.call_later(delay, callback)

    return copy_context().run(call)


async def wait_in_real_time(seconds: float, future: asyncio.Future[Any] | None = None) -> None:
    """Wait for a future, which is left as it is, or for no longer than so many seconds of real time."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    handle = call_later_in_real_time(loop, seconds, end)
    if future is not None:
        future.add_done_callback(end)
    try:
        await over
    finally:
        handle.cancel()
        if future is not None:
            future.remove_done_callback(end)
