"""The sweep of Python-written job stores on a manual clock: made when the clock says so.

Ground rules: the sweeping thread is the same as without a manual clock, and makes one sweep for each that is
asked of it. ``wake`` may be called from any thread and only notes that the conductor has to look.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from typing import TYPE_CHECKING

from mainspring._process.threads import OwnThread
from mainspring._scheduler.sweep import StoreSweeper

if TYPE_CHECKING:
    from mainspring.schedulers.base import BaseScheduler
    from mainspring.testing._clock import ManualClock


class ManualSweeper(StoreSweeper):
    """Sweeps a scheduler's Python stores when it is asked to.

    :param scheduler: the scheduler
    :param clock: its clock
    """

    def __init__(self, scheduler: BaseScheduler, clock: ManualClock) -> None:
        super().__init__(scheduler)
        self._clock = clock
        self._requests: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._has_changed = True
        self._next_time: int | None = None
        #: Whether a sweep is under way.
        self.is_sweeping = False

    def start(self, context: Context) -> None:
        self._context = context.copy()
        self._requests = SimpleQueue()
        self.wake()

    def wake(self) -> None:
        self._has_changed = True
        self._clock._attend()

    def stop(self) -> None:
        thread, self._thread, self._context = self._thread, None, None
        self._requests.put(None)
        if thread is not None and not thread.is_current() and not self.is_sweeping:
            thread.join()

    def deadline(self, now: int) -> int | None:
        """Return when to sweep next, in microseconds since the epoch; ``now`` or earlier: at once."""
        if self._context is None or self._scheduler._is_paused() or self.is_sweeping:
            return None
        if self._has_changed:
            return now
        return self._next_time

    def begin(self, done: Callable[[], object]) -> None:
        """Have one sweep made, and ``done`` called after it, both in the sweeping thread."""
        self._has_changed = False
        if not self._scheduler._python_stores():
            self._next_time = None
            done()
            return
        self.is_sweeping = True

        def sweep() -> None:
            try:
                next_time = self._clock._time.on_behalf(self._sweep_safely)
                self._next_time = None if next_time is None else round(next_time * 1e6)
            finally:
                self.is_sweeping = False
                done()

        self._requests.put(sweep)
        if self._thread is None and self._context is not None:
            self._thread = OwnThread(
                target=self._context.run,
                args=(self._serve, self._requests),
                name="APScheduler job stores",
                daemon=True,
            )
            self._thread.start()

    @staticmethod
    def _serve(requests: SimpleQueue[Callable[[], None] | None]) -> None:
        while (request := requests.get()) is not None:
            request()
