"""Schedulers whose coroutine jobs run on an asyncio loop in a thread of its own.

Ground rules: the thread is started and stopped by the scheduler, in whichever thread that is itself started
and shut down. The loop is closed in its own thread. Nobody waits for the end of the thread in the thread.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from contextlib import suppress

from mainspring._lazy import asyncio
from mainspring._loops.find import finish_loop
from mainspring._scheduler.driven import DrivenScheduler


class LoopThread(metaclass=ABCMeta):
    """An asyncio loop that runs in a thread of its own."""

    loop: asyncio.AbstractEventLoop

    def _run(self) -> None:
        """Run the loop, and close it when it is stopped; the thread does nothing else."""
        try:
            self.loop.run_forever()
        finally:
            finish_loop(self.loop)

    def stop(self) -> None:
        """Cancel what is left on the loop, close it, and wait for that, but not in its own thread."""
        with suppress(RuntimeError):  # it is closed
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._join()

    @abstractmethod
    def _join(self) -> None:
        """Wait for the end of the thread, where this thread can."""


class LoopThreadScheduler(DrivenScheduler):
    """A scheduler that may have a thread for the loop of its coroutine jobs."""

    _loop_thread: LoopThread | None = None

    @abstractmethod
    def _find_loops(self) -> None:
        """Make what the scheduler runs on, and bind its loops."""

    def start(self, paused: bool = False) -> None:
        self._check_not_running()
        self._find_loops()
        try:
            super().start(paused)
        except BaseException:
            self._release()
            raise

    def _has_thread_for(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._loop_thread is not None and self._loop_thread.loop is loop

    def _release(self) -> None:
        """Let go of the loops when nothing runs on them any more."""
        self._unbind_loops()
        thread, self._loop_thread = self._loop_thread, None
        if thread is not None:
            thread.stop()

    def _stop_without_loop(self) -> None:
        super()._stop_without_loop()
        self._release()

    def _stop_at_exit(self) -> None:
        super()._stop_at_exit()
        if self._loop_thread is not None:
            self._loop_thread.stop()

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._loop_thread = None
