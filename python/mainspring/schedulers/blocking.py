"""The scheduler that takes the calling thread for itself."""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from threading import Event
from typing import Any

from mainspring._lazy import asyncio
from mainspring.schedulers import SchedulerAlreadyRunningError
from mainspring.schedulers._driven import DrivenScheduler
from mainspring.schedulers._loops import (
    belongs_to_parent,
    finish_loop,
    hidden_loop,
    new_own_loop,
    running_loop,
)
from mainspring.schedulers._signals import whole_callbacks
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
    _event: Event | None = None
    _own_loop: asyncio.AbstractEventLoop | None = None
    _interrupted = False
    _drains = False
    _is_in_main_loop = False

    def _configure(self, config: dict[str, Any]) -> None:
        self._given_loop: asyncio.AbstractEventLoop | None = maybe_ref(
            config.pop("event_loop", None)
        )
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
        self._start_on_own_loop(self._given_loop, paused)
        self._main_loop()

    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, and shut down the executors and job stores.

        In a job or listener that runs on the scheduler's own loop this does not block, but
        :meth:`start` returns only after the runs that are going on.

        :param wait: whether to return only after all runs that are going on have ended; if not,
            coroutine runs are cancelled
        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        super().shutdown(wait)
        self._drains = wait and (self._interrupted or running_loop() is self._own_loop)
        self._stop_main_loop()

    def _wait_for_runs(self) -> None:
        super()._wait_for_runs()
        if self._interrupted and self._own_loop is not None and running_loop() is None:
            # Functions in worker threads may need it to come to their end.
            self._own_loop.run_until_complete(self._idle())

    def _stop_main_loop(self) -> None:
        loop = self._own_loop
        if self._event is None:  # it runs in the parent of this process
            return
        self._event.set()
        if self._interrupted:
            self._finish()
        elif loop is not None:
            with suppress(RuntimeError):  # it has come to its end already
                loop.call_soon_threadsafe(self._leave_main_loop)

    def _start_on_own_loop(
        self, coroutines: asyncio.AbstractEventLoop | None, paused: bool
    ) -> None:
        """Start with a new loop as control loop, which is to be run by :meth:`_main_loop`."""
        if self.running:
            raise SchedulerAlreadyRunningError
        if coroutines is not None and coroutines.is_closed():
            raise RuntimeError(f"The loop for the coroutine jobs, {coroutines!r}, is closed")
        if coroutines is not None and belongs_to_parent(coroutines):
            coroutines = running_loop()  # since nobody runs that one in this process
        self._event = Event()
        self._interrupted = self._drains = False
        self._own_loop = new_own_loop()
        self._bind_loops(self._own_loop, coroutines)
        try:
            DrivenScheduler.start(self, paused)
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
        assert loop is not None
        self._is_in_main_loop = True
        try:
            with whole_callbacks(loop) as interrupts:
                while not event.is_set():
                    loop.run_forever()
                    if loop is not self._own_loop:  # a job has forked, and this is the child
                        return
                    if interrupts:
                        raise interrupts[0]
        except BaseException:
            self._interrupted = True
            raise
        self._is_in_main_loop = False
        self._finish()

    def _leave_main_loop(self) -> None:
        # The loop may have been left already, and be running for its last pieces of work.
        if self._own_loop is not None and self._is_in_main_loop:
            self._own_loop.stop()

    def _stop_without_loop(self) -> None:
        super()._stop_without_loop()
        self._stop_main_loop()

    def _forget_parent(self) -> None:
        super()._forget_parent()
        if self._own_loop is not None:
            self._own_loop.stop()  # if it is this thread that runs it
        self._own_loop = self._event = None
        self._is_in_main_loop = False

    def _finish(self) -> None:
        """Let what is left on the own loop come to its end, and close the loop."""
        loop = self._own_loop
        assert loop is not None
        if self._drains and self._coroutine_loop() is loop:
            loop.run_until_complete(self._idle())
        self._unbind_loops()
        finish_loop(loop)
        self._own_loop = None
