"""The schedulers that a timer thread drives and that tell what happens on an event loop."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Mapping
from concurrent.futures import wait
from contextvars import Context, copy_context
from threading import RLock
from typing import TYPE_CHECKING, Any

from mainspring._exit import stop_at_exit
from mainspring._mainspring import LoopInbox, WorkerPool
from mainspring.events import EVENT_SCHEDULER_SHUTDOWN, SchedulerEvent
from mainspring.schedulers._loops import running_loop
from mainspring.schedulers._native import native_pool, native_store
from mainspring.schedulers.base import STATE_STOPPED, BaseScheduler

if TYPE_CHECKING:
    from mainspring.executors.base import BaseExecutor, CoroutineRun

#: How often a thread that waits for runs looks whether their loop still runs, in seconds.
LOOP_CHECK_INTERVAL = 0.2


class DrivenScheduler(BaseScheduler):
    """A scheduler with a timer thread.

    Its *control loop* is where listeners, user-written triggers and executors are called. Coroutine
    jobs run there too, unless they were given a loop of their own.
    """

    _context: Context

    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None:
        self._check_lock = RLock()
        super().__init__(gconfig, **options)

    def _bind_loops(
        self, control: AbstractEventLoop, coroutines: AbstractEventLoop | None = None
    ) -> None:
        """Use these loops from now on, and have every run see the context of this moment."""
        self._context = copy_context()
        self._engine.control.bind(control, self._context)
        self._engine.coro = None
        if coroutines is not None:
            self._engine.coro = LoopInbox(self._engine)
            self._engine.coro.bind(coroutines, self._context)

    def _unbind_loops(self) -> None:
        for inbox in (self._engine.control, self._engine.coro):
            if inbox is not None:
                inbox.unbind()
                inbox.abandon_queued()

    def wakeup(self) -> None:
        self._engine.wake()
        self._sweeper.wake()

    def _start_timer_thread(self, paused: bool) -> None:
        stop_at_exit(self)
        self._engine.start(paused)
        self._sweeper.start(self._context)

    def _pool_for(self, executor: BaseExecutor) -> WorkerPool | None:
        return native_pool(executor)

    def _stop_at_exit(self) -> None:
        """End the scheduler's threads without a word, since the interpreter is about to exit."""
        self.state = STATE_STOPPED
        self._engine.stop()
        self._sweeper.stop()

    @property
    def running(self) -> bool:
        """Whether the scheduler has been started and not shut down, and its loop is not closed."""
        self._check_loops()
        return self.state != STATE_STOPPED

    def _check_loops(self) -> None:
        """Stop if a loop has been closed, since nothing can run on it; the jobs stay.

        Called when a loop has left its work alone for a while, by a thread that has nothing else to
        do, and before :meth:`start`.
        """
        with self._check_lock:
            loops = (self._engine.control.loop, self._coroutine_loop())
            if self.state != STATE_STOPPED and any(
                loop is not None and loop.is_closed() for loop in loops
            ):
                self._stop_without_loop()

    def _stop_without_loop(self) -> None:
        self._engine.stop()
        self._sweeper.stop()
        self._engine.control.abandon_running()
        if self._engine.coro is not None:
            self._engine.coro.abandon_running()
        for executor in list(self._executors.values()):
            executor.shutdown(False)
        for alias, _ in self._stores():
            self._engine.detach_store(alias)
        self._unbind_loops()
        self.state = STATE_STOPPED
        self._logger.warning(
            "The event loop of the scheduler has been closed: the scheduler has stopped, and keeps "
            "its jobs. Call shutdown() before the loop is closed, or start() again on another loop."
        )
        self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_SHUTDOWN))

    def _coroutine_loop(self) -> AbstractEventLoop | None:
        return (self._engine.coro or self._engine.control).loop

    def _store_has_changed(self, alias: str | None) -> None:
        # A native store wakes the timer thread by itself, and only when it must.
        store = None if alias is None else self._jobstores.get(alias)
        if store is not None and native_store(store) is None:
            self._sweeper.wake()

    def _tell(self, event: SchedulerEvent) -> None:
        loop = self._engine.control.loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._dispatch_event, event)
                return
            except RuntimeError:  # the loop is closed
                pass
        self._dispatch_event(event)

    def _may_block(self) -> bool:
        loop = running_loop()
        return loop is None or loop is not self._engine.control.loop

    def _settle_runs(self, wait: bool) -> None:
        if wait:
            self._wait_for_runs()
        else:
            self._cancel_runs()

    def _wait_for_runs(self) -> None:
        """Block until all runs have ended, unless it is this thread that they need for that."""
        loop = self._coroutine_loop()
        here = running_loop()
        if loop is None or (here is not None and here in (loop, self._engine.control.loop)):
            return
        while not self._engine.wait_idle(LOOP_CHECK_INTERVAL) and loop.is_running():
            pass
        while loop.is_running() and (runs := self._coroutine_runs()):
            wait([run.ended for run in runs], LOOP_CHECK_INTERVAL)

    def _cancel_runs(self) -> None:
        """Cancel the coroutine runs that are going on."""
        self._engine.control.cancel_running()
        if self._engine.coro is not None:
            self._engine.coro.cancel_running()
        for run in self._coroutine_runs():
            run.cancel()

    async def _idle(self) -> None:
        """Wait until all runs have ended."""
        await self._engine.idle()
        while runs := self._coroutine_runs():
            await asyncio.wait([asyncio.wrap_future(run.ended) for run in runs])

    def _coroutine_runs(self) -> list[CoroutineRun[Any]]:
        """Return the coroutine runs that executors have started without the engine."""
        return [
            run
            for executor in list(self._executors.values())
            for run in tuple(getattr(executor, "_coroutine_runs", ()))
        ]
