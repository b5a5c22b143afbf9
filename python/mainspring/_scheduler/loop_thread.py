"""Asyncio loops that run in a thread of their own, and schedulers whose coroutine jobs run on such a loop.

Ground rules: the thread is started and stopped by the scheduler, in whichever thread that is itself started
and shut down. The loop is closed in its own thread. Nobody waits for the end of the thread in the thread.

A scheduler that is shut down without waiting leaves the thread alone, where worker threads are in runs that
may need the loop: it ends by itself after them, or when the exit has waited for them.
"""

from __future__ import annotations

import os
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from mainspring._lazy import asyncio
from mainspring._loops.find import finish_loop
from mainspring._process.exit import has_ended, runs_loop
from mainspring._process.threads import OwnThread
from mainspring._runs.coroutine_run import LOOP_CHECK_INTERVAL
from mainspring._scheduler.driven import DrivenScheduler


class LoopThread(metaclass=ABCMeta):
    """An asyncio loop that runs in a thread of its own.

    :param loop: the loop
    """

    #: Whether the loop is being finished, which a second word to end must not cut short.
    _is_over = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._process = os.getpid()
        runs_loop(self)

    def _run(self) -> None:
        """Run the loop, and close it when it is stopped; the thread does nothing else."""
        try:
            while not self._is_over:  # something else may have stopped it
                self.loop.run_forever()
        finally:
            self._is_over = True
            try:
                finish_loop(self.loop)
            finally:
                has_ended(self)

    def stop(self) -> None:
        """Cancel what is left on the loop, close it, and wait for that, but not in its own thread."""
        if self._process != os.getpid():  # it runs in the parent of this process
            return
        with suppress(RuntimeError):  # it is closed
            self.loop.call_soon_threadsafe(self._end)
        self._join()

    def stop_after(self, work: Callable[[], bool]) -> None:
        """Do so without waiting, as soon as something has come to its end.

        :param work: tells whether it goes on
        """
        with suppress(RuntimeError):  # it is closed
            self.loop.call_soon_threadsafe(self._look_after, work)

    def _look_after(self, work: Callable[[], bool]) -> None:
        if work():
            self.loop.call_later(LOOP_CHECK_INTERVAL, self._look_after, work)
        else:
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.loop.stop()

    @abstractmethod
    def _join(self) -> None:
        """Wait for the end of the thread, where this thread can."""


class OwnLoopThread(LoopThread):
    """A thread of Python's for a loop.

    :param loop: the loop
    :param name: name of the thread
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        super().__init__(loop)
        self._thread = OwnThread(self._run, (), name, daemon=None)
        try:
            self._thread.start()
        except BaseException:
            has_ended(self)
            raise

    def _join(self) -> None:
        # Another thread may be about to start it, and it ends at once then.
        if self._thread.is_alive() and not self._thread.is_current():
            self._thread.join()


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
            work = self._runs_at_end.work_in_threads()
            if work():
                thread.stop_after(work)
            else:
                thread.stop()

    def _stop_without_loop(self) -> None:
        super()._stop_without_loop()
        self._release()

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._loop_thread = None
