"""The scheduler that takes the calling thread for itself."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from threading import get_ident
from typing import Any

from mainspring._lazy import asyncio
from mainspring._loops.find import (
    belongs_to_parent,
    finish_loop,
    hidden_loop,
    new_own_loop,
    running_loop,
)
from mainspring._loops.flag import Flag
from mainspring._loops.signals import BetweenTurns
from mainspring._runs.coroutine_run import LOOP_CHECK_INTERVAL
from mainspring._scheduler.driven import DrivenScheduler
from mainspring._scheduler.loop_thread import OwnLoopThread
from mainspring.schedulers import SchedulerNotRunningError
from mainspring.util import maybe_ref

__all__ = ("BlockingScheduler",)


class BlockingScheduler(DrivenScheduler):
    """Runs in the foreground: :meth:`start` returns when the scheduler is shut down.

    Coroutine jobs run on an event loop of the scheduler's own in the thread that it blocks, all
    others in worker threads. Besides the options of
    :class:`~mainspring.schedulers.base.BaseScheduler` it has

    - ``event_loop`` (a loop, or a reference to one): another loop for the coroutine jobs, which
      must be running in another thread
    - ``loop_in_threads`` (default true): whether a sync function finds a proxy of the loop that
      coroutine jobs run on as the event loop of its worker thread
    - ``loop_response_timeout`` (seconds, default 10): for how long that loop may leave a worker
      thread that waits for it without a sign of life before the wait ends with an error
    """

    _options = ("event_loop",)
    #: Set when the scheduler's own loop need not run any longer.
    _event: Flag | None = None
    _own_loop: asyncio.AbstractEventLoop | None = None
    #: Whether the own loop is run for the last runs.
    _is_settling = False
    #: Whether an interrupt has kept the main loop from running the own loop, or has ended it.
    _interrupted = False
    #: The own loop while no thread runs it, for the first that takes it, to run it or to close it: the thread
    #: of the main loop, and others only after an interrupt.
    _left_loop: list[asyncio.AbstractEventLoop]
    _drains = False
    #: The thread that is in the main loop, or about to be.
    _main_loop_thread: int | None = None

    def _configure(self, config: dict[str, Any]) -> None:
        self._given_loop: asyncio.AbstractEventLoop | None = maybe_ref(
            config.pop("event_loop", None)
        )
        self._left_loop = []
        super()._configure(config)

    def start(self, paused: bool = False) -> None:
        """Start the scheduler, and return when it has been shut down.

        A KeyboardInterrupt or SystemExit that arrives meanwhile goes on to the caller, and the
        scheduler is still to be shut down then.

        :param paused: whether to process jobs only after :meth:`resume`
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if an event loop is running in this thread, which it would block; or
            if this is uWSGI without threads
        """
        if running_loop() is not None:
            raise RuntimeError(
                f"{type(self).__name__}.start() would block the event loop that is running in this "
                "thread; use AsyncIOScheduler in a program that runs on asyncio"
            )
        self._check_not_running()
        # From now on: a signal handler may shut the scheduler down before the loop first runs.
        self._main_loop_thread = get_ident()
        try:
            self._start_on_own_loop(self._given_loop, paused)
            self._main_loop()
        except BaseException:
            self._note_interrupt()
            raise

    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, and shut down the executors and job stores.

        In a signal handler it waits as well, and lets coroutine jobs go on meanwhile. In a job or
        listener that runs on the scheduler's own loop it waits for the runs in worker threads that do
        not need that loop, and :meth:`start` returns only after all others.

        :param wait: whether to return only after all runs that are going on have ended; if not,
            coroutine runs are cancelled
        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        try:
            super().shutdown(wait)
            self._drains = wait and (self._interrupted or running_loop() is self._own_loop)
            self._stop_main_loop()
        except SchedulerNotRunningError:
            raise
        except BaseException:
            self._stop_main_loop()  # no later call does, since the scheduler does not run any more
            raise

    def _may_block(self) -> bool:
        # No code but the scheduler uses this loop: only what waits for it in a worker thread would hang.
        return super()._may_block() or self._engine.load == (0, 0)

    def _wait_for_runs(self) -> None:
        loop, here = self._own_loop, running_loop()
        if loop is not None and here is loop:
            self._runs_at_end.wait_for_workers(loop)
        elif loop is not None and here is None and self._may_take() and self._take_left_loop():
            try:
                self._run_until_settled(loop)
            finally:
                self._left_loop.append(loop)
        elif loop is not None and here is None and self._runs_here():
            self._run_until_settled(loop)
        else:
            super()._wait_for_runs()

    def _runs_here(self) -> bool:
        """Tell whether it is this thread that runs the scheduler's own loop, between two of its runs."""
        loop = self._own_loop
        # A greenlet of this thread may run it.
        return self._main_loop_thread == get_ident() and loop is not None and not loop.is_running()

    def _may_take(self) -> bool:
        """Tell whether the main loop cannot take the own loop, or only when this thread goes on."""
        return self._interrupted or self._main_loop_thread == get_ident()

    def _take_left_loop(self) -> bool:
        """Take the own loop, which no thread runs; tell whether it is the caller that has it now."""
        try:
            self._left_loop.pop()
        except IndexError:
            return False
        return True

    def _note_interrupt(self) -> None:
        if self._main_loop_thread == get_ident():
            self._main_loop_thread = None
        if self._left_loop:
            self._interrupted = True
            if self._event is not None and self._event.is_set():  # by a signal handler
                self._stop_main_loop()

    def _run_until_settled(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the own loop until all runs have ended; it is finished after that."""
        settling = loop.create_task(self._runs_settled())
        self._is_settling = True
        try:
            loop.run_until_complete(settling)
        except BaseException:  # an interrupt
            settling.cancel()
            loop.run_until_complete(asyncio.wait([settling]))
            raise
        finally:
            self._is_settling = False

    async def _runs_settled(self) -> None:
        """Wait for all runs, while the loop of coroutine jobs runs, which may be another."""
        if self._clock._stands():
            await self._clock._let_runs_end(self, None)
            self._runs_at_end.cancel()  # what is parked would never end
        idle = asyncio.ensure_future(self._runs_at_end.idle())
        try:
            loop = self._coroutine_loop()
            while not idle.done() and loop is not None and self._can_end_runs(loop):
                await asyncio.wait([idle], timeout=LOOP_CHECK_INTERVAL)
                loop = self._coroutine_loop()
        finally:
            idle.cancel()
            await asyncio.wait([idle])

    def _can_end_runs(self, loop: asyncio.AbstractEventLoop) -> bool:
        return super()._can_end_runs(loop) or (loop is self._own_loop and self._runs_elsewhere())

    def _runs_elsewhere(self) -> bool:
        """Tell whether another thread runs the own loop, or is about to, as between two signals."""
        return self._main_loop_thread not in (None, get_ident())

    def _may_run(self, loop: asyncio.AbstractEventLoop) -> bool:
        return super()._may_run(loop) or loop is self._own_loop

    def _stop_main_loop(self) -> None:
        # In this order: where another thread starts the scheduler again meanwhile, the event is that of the
        # loop or of one that has been stopped already.
        event = self._event
        loop = self._own_loop
        if event is None:  # it runs in the parent of this process
            return
        event.set()
        if self._interrupted and running_loop() is None and self._take_left_loop():
            self._finish()
        elif loop is not None:
            with suppress(RuntimeError):  # it has come to its end already
                loop.call_soon_threadsafe(self._leave_main_loop)

    def _start_on_own_loop(
        self, coroutines: asyncio.AbstractEventLoop | None, paused: bool
    ) -> None:
        """Start with a new loop as control loop, which is to be run by :meth:`_main_loop`."""
        self._check_not_running()
        if coroutines is not None and coroutines.is_closed():
            raise RuntimeError(f"The loop for the coroutine jobs, {coroutines!r}, is closed")
        if coroutines is not None and belongs_to_parent(coroutines):
            coroutines = running_loop()  # since no thread of this process runs that one
        self._event = Flag()
        self._interrupted = self._drains = False
        self._left_loop = []
        self._own_loop = new_own_loop()
        self._bind_loops(self._own_loop, coroutines)
        try:
            DrivenScheduler.start(self, paused)
            self._left_loop.append(self._own_loop)
        except BaseException:
            self._finish()
            raise

    def _has_thread_for(self, loop: asyncio.AbstractEventLoop) -> bool:
        return loop is self._own_loop and not self._interrupted

    def _calling_out(self) -> AbstractContextManager[Any]:
        # In 3.x no loop runs in the thread of this scheduler.
        loop = self._own_loop
        if loop is None:
            return super()._calling_out()
        return hidden_loop(loop, self._thread_loop() or loop)

    def _main_loop(self) -> None:
        """Run the scheduler's own loop until the scheduler is shut down."""
        event, loop = self._event, self._own_loop
        assert event is not None
        if loop is None:
            return
        self._main_loop_thread = get_ident()
        if not self._take_left_loop():
            event.wait()  # a shutdown lets runs end on it
            if not self._take_left_loop():
                return
        try:
            with BetweenTurns(loop) as signals:
                while not event.is_set():
                    loop.run_forever()
                    if loop is self._own_loop:
                        signals.call_handlers()
                    if loop is not self._own_loop:  # a job has forked, and this is the child
                        return
        except BaseException:
            self._main_loop_thread = None
            if event.is_set():
                self._finish()
            else:
                self._left_loop.append(loop)
                self._note_interrupt()
            raise
        self._main_loop_thread = None
        self._finish()

    def _stop_at_exit(self) -> None:
        super()._stop_at_exit()
        loop = self._own_loop
        if loop is None or not (self._interrupted and self._take_left_loop()):
            return
        if self._go_on_in_thread(loop):
            self._own_loop = None
        else:
            self._left_loop.append(loop)

    def _leave_main_loop(self) -> None:
        # The loop may have been left already, or not have been taken yet, and be running for the last runs.
        if self._own_loop is None or self._main_loop_thread is None or self._is_settling:
            return
        self._own_loop.stop()

    def _stop_without_loop(self) -> None:
        super()._stop_without_loop()
        self._stop_main_loop()

    def _forget_parent(self) -> None:
        super()._forget_parent()
        if self._own_loop is not None:
            self._own_loop.stop()  # if it is this thread that runs it
        self._own_loop = self._event = None
        self._main_loop_thread = None

    def _finish(self) -> None:
        """Let what is left on the own loop come to its end, and close the loop.

        With runs in worker threads that have not been waited for, and may need the loop, that is left to a
        thread, which waits for them.
        """
        loop = self._own_loop
        if loop is None:  # a job has forked, and this is the child
            return
        try:
            if self._drains:
                self._run_until_settled(loop)
        finally:
            if not self._go_on_in_thread(loop):
                finish_loop(loop)
            self._own_loop = None

    def _close_own_loop(self) -> None:
        """Close the own loop, which has never run."""
        loop, self._own_loop = self._own_loop, None
        self._left_loop.clear()
        self._unbind_loops()
        if loop is not None:
            loop.close()

    def _go_on_in_thread(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Leave the own loop to a thread if runs in worker threads may need it; tell whether they may."""
        is_used = self._last_loop is loop
        self._unbind_loops()
        work = self._runs_at_end.work_in_threads()
        if not (is_used and work()):
            return False
        OwnLoopThread(loop, "APScheduler").stop_after(work)
        return True
