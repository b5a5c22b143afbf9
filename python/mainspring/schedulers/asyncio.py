"""The scheduler for programs that run on an asyncio event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial, wraps
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

from mainspring._lazy import asyncio
from mainspring._loops.current import current_loop
from mainspring._loops.end import LoopEnd
from mainspring._loops.find import (
    belongs_to_parent,
    new_loop,
    running_loop,
)
from mainspring._loops.guess import LoopGuess
from mainspring._loops.signals import on_signals
from mainspring._scheduler.driven import DrivenScheduler
from mainspring._scheduler.ending import WORKER_CHECK_INTERVAL
from mainspring._scheduler.state import STATE_STOPPED
from mainspring.events import EVENT_SCHEDULER_SHUTDOWN
from mainspring.schedulers import CancelledRun
from mainspring.util import maybe_ref

if TYPE_CHECKING:
    from types import TracebackType

    from mainspring.events import SchedulerEvent
    from mainspring.executors.base import BaseExecutor

__all__ = ("AsyncIOScheduler", "run_in_event_loop")

S = TypeVar("S", bound="AsyncIOScheduler")

#: For how long a loop may go on that has been told to close what its generators hold, in seconds.
LOOP_HAS_ENDED_AFTER = 1.0


def run_in_event_loop(func: Callable[..., Any]) -> Callable[..., None]:
    """Decorate a method of a scheduler so that each call of it is made on the scheduler's loop.

    :param func: the method
    :return: a method for any thread, which returns ``None`` at once; what ``func`` returns is dropped
    """

    @wraps(func)
    def wrapper(self: AsyncIOScheduler, *args: Any, **kwargs: Any) -> None:
        assert self._eventloop is not None, "The scheduler has no event loop before it is started"
        self._eventloop.call_soon_threadsafe(partial(func, self, *args, **kwargs))

    return wrapper


class AsyncIOScheduler(DrivenScheduler):
    """Runs coroutine jobs on the program's own asyncio loop, and all others in worker threads.

    Besides the options of :class:`~mainspring.schedulers.base.BaseScheduler` it has

    - ``event_loop`` (a loop, or a reference to one): the loop to use. By default it is the loop
      that is running where :meth:`start` is called, else the current loop of that thread, else a
      new loop, which becomes the current one.
    - ``loop_in_threads`` (default true): whether a sync function finds a proxy of the loop that
      coroutine jobs run on as the event loop of its worker thread
    - ``loop_response_timeout`` (seconds, default 10): for how long that loop may leave a worker
      thread that waits for it without a sign of life before the wait ends with an error

    As an asynchronous context manager it is started on entry and closed, as by :meth:`aclose`, on
    exit.

    >>> import asyncio
    >>> async def main():
    ...     done = asyncio.Event()
    ...     async def job():
    ...         done.set()
    ...     async with AsyncIOScheduler(timezone="UTC") as scheduler:
    ...         scheduler.add_job(job)
    ...         await done.wait()
    >>> asyncio.run(main())
    """

    _options = ("event_loop",)
    _eventloop: asyncio.AbstractEventLoop | None = None
    #: Whether :meth:`stop` has been called since the scheduler was started.
    _stop_asked = False
    #: What waits for the functions in worker threads when the loop ends.
    _loop_end: LoopEnd | None = None
    #: The loop from which the scheduler was last called before it was started.
    _seen_loop: Callable[[], asyncio.AbstractEventLoop | None] = staticmethod(lambda: None)

    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None:
        self._stop_waiters: list[Callable[[], object]] = []
        super().__init__(gconfig, **options)
        self._note_running_loop()

    def _configure(self, config: dict[str, Any]) -> None:
        self._eventloop = self._given_loop = maybe_ref(config.pop("event_loop", None))
        super()._configure(config)

    def _create_default_executor(self) -> BaseExecutor:
        from mainspring.executors.asyncio import AsyncIOExecutor

        return AsyncIOExecutor()

    def start(self, paused: bool = False) -> None:
        """Start the scheduler; a loop need not be running yet.

        Where there is neither a given nor a running loop, and another loop than the current one is
        found running before that has ever run, the scheduler moves to it: one that it is called
        from, or one that runs in this thread when a job is due. If no loop runs within five seconds
        of a job being due, a log record at WARNING says so.

        :param paused: whether to process jobs only after :meth:`resume`
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if the loop given as ``event_loop`` is closed and no other is running
            in this thread; or if this is uWSGI without threads
        """
        self._check_not_running()
        self._eventloop, self._guess = self._choose_loop()
        self._stop_asked = False
        self._engine.events_on_loop = True  # where 3.x's AsyncIOExecutor tells its listeners too
        self._bind_loops(self._eventloop)
        self._await_end_of(self._eventloop)
        try:
            super().start(paused)
        except BaseException:
            self._release_loop()
            raise

    def bind_loop(self, event_loop: asyncio.AbstractEventLoop) -> None:
        """Use another loop from now on, and the context of this call for the runs.

        A scheduler that is running goes on there; so does one that has stopped because its loop was
        closed, on the loop's next turn. For any other it is the loop for the next :meth:`start`.

        :param event_loop: the loop, which may run in any thread, now or later
        :raises TypeError: if it is no loop
        :raises RuntimeError: if that loop is closed, or if coroutine runs are going on on the loop
            before, which is not
        """
        if not isinstance(event_loop, asyncio.AbstractEventLoop):
            raise TypeError(f"event_loop must be an asyncio event loop, not {event_loop!r}")
        if event_loop.is_closed():
            raise RuntimeError(f"The scheduler cannot use {event_loop!r}, which is closed")
        if self.running:
            if event_loop is not self._eventloop and self._engine.control.running():
                raise RuntimeError(
                    "Coroutine runs are going on on the scheduler's event loop; it can be bound to "
                    "another one when they have ended"
                )
            with self._check_lock:
                self._guess = None
                self._move_to_loop(event_loop, copy_context())
            self._forget_native_jobs()
        elif self._stopped_by_itself:
            event_loop.call_soon_threadsafe(self._start_again)
        self._given_loop = event_loop

    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, and shut down the executors and job stores.

        On the thread of the scheduler's loop this does not block: with ``wait`` the runs that are
        going on go on to their end. See also :meth:`aclose`, which can wait there.

        :param wait: whether to return only after all runs that are going on have ended; if not,
            coroutine runs are cancelled
        :raises SchedulerNotRunningError: if the scheduler is not running; not if it has stopped
            because its loop was closed
        """
        super().shutdown(wait)
        if wait and self._engine.running_jobs and running_loop() is self._eventloop:
            assert self._eventloop is not None
            self._unbinding = self._eventloop.create_task(self._release_loop_when_idle())
        else:
            self._release_loop()

    def aclose(self, deadline: float | None = 30) -> Coroutine[Any, Any, list[CancelledRun]]:
        """Stop processing jobs, await the runs that are going on, and shut down.

        Coroutine runs that have not ended at the deadline are cancelled, and awaited. Functions in
        worker threads cannot be cancelled; those come to their end by themselves. A run that calls
        this is not waited for, also where it awaits it in another task, as with ``asyncio.shield``.

        :param deadline: for how many seconds to await the runs; ``None`` for however long they take
        :return: the runs that were cancelled; empty if all ended in time, or if the scheduler was
            not running

        >>> import asyncio
        >>> async def main():
        ...     scheduler = AsyncIOScheduler(timezone="UTC")
        ...     scheduler.start()
        ...     scheduler.add_job(asyncio.sleep, args=[3600], id="long")
        ...     await asyncio.sleep(0.1)
        ...     return [run.job_id for run in await scheduler.aclose(deadline=0)]
        >>> asyncio.run(main())
        ['long']
        """
        return self._close(
            deadline, asyncio.current_task() if asyncio._get_running_loop() else None
        )

    async def _close(
        self, deadline: float | None, caller: asyncio.Task[Any] | None
    ) -> list[CancelledRun]:
        """Do that for a task, which may be that of a run."""
        self._note_fork(tells=False)
        if self.state == STATE_STOPPED:
            return []
        self._stop_processing()
        try:
            return await self._runs_at_end.end(deadline, caller)
        except BaseException:
            self._runs_at_end.cancel()
            raise
        finally:
            self._shut_down_parts(wait=False)
            self._release_loop()

    async def run_until_stopped(self, deadline: float | None = 30) -> list[CancelledRun]:
        """Run until the program is to end, and close the scheduler as :meth:`aclose` does.

        Returns after :meth:`stop` or :meth:`shutdown`, and in the main thread also after the
        signals SIGINT (Ctrl-C) and SIGTERM, which end the program with status 0 then. While the
        scheduler is being closed the signals have the effect again that they had before the call.

        Starts the scheduler if it is not running.

        :param deadline: as for :meth:`aclose`
        :return: the runs that were cancelled

        >>> import asyncio
        >>> async def main():
        ...     scheduler = AsyncIOScheduler(timezone="UTC")
        ...     scheduler.add_job(scheduler.stop, "interval", seconds=0.01)
        ...     await scheduler.run_until_stopped()
        ...     return scheduler.running
        >>> asyncio.run(main())
        False
        """
        stopped = asyncio.Event()
        tell = partial(asyncio.get_running_loop().call_soon_threadsafe, stopped.set)
        self._note_fork(tells=False)
        if not self.running:
            self.start()
        self._stop_waiters.append(tell)
        self.add_listener(self._stop_waiting, EVENT_SCHEDULER_SHUTDOWN)
        try:
            if self._stop_asked:
                stopped.set()
            with on_signals(asyncio.get_running_loop(), stopped.set, SIGINT, SIGTERM):
                await stopped.wait()
        finally:
            self._stop_waiters.remove(tell)
            self.remove_listener(self._stop_waiting)
            cancelled = await self.aclose(deadline)
        return cancelled

    def stop(self) -> None:
        """Have :meth:`run_until_stopped` return, or not wait if it is called later.

        Callable in any thread, in jobs and listeners too.
        """
        self._stop_asked = True
        self._stop_waiting()

    async def __aenter__(self: S) -> S:
        self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _choose_loop(self) -> tuple[asyncio.AbstractEventLoop, LoopGuess | None]:
        """Return the loop to use, also as a guess if it may turn out to be the wrong one."""
        from mainspring._threads.loop import ThreadLoop

        loop: asyncio.AbstractEventLoop | None
        running = running_loop()
        for loop in (self._given_loop, running):
            if loop is None or loop.is_closed():
                continue
            if loop is running or not belongs_to_parent(loop):
                return loop, None
        if self._given_loop is not None and self._given_loop.is_closed():
            raise RuntimeError(f"The scheduler cannot use {self._given_loop!r}, which is closed")
        loop = current_loop()
        if isinstance(loop, ThreadLoop):  # this is a job of another scheduler, in a worker thread
            loop = loop.loop()
        is_new = loop is None or loop.is_closed() or belongs_to_parent(loop)
        if loop is None or is_new:
            seen = self._seen_loop()
            if seen is not None and seen.is_running() and not belongs_to_parent(seen):
                return seen, None  # the program has only let another thread start the scheduler
            loop = new_loop()
            asyncio.set_event_loop(loop)
        return loop, None if loop.is_running() else LoopGuess(loop, is_new)

    def _note_running_loop(self) -> None:
        super()._note_running_loop()
        if self._state == STATE_STOPPED and (loop := running_loop()) is not None:
            self._seen_loop = ref(loop)

    def _move_to_loop(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self._eventloop = loop
        super()._move_to_loop(loop, context)
        self._await_end_of(loop)

    def _await_end_of(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop_end is not None:
            self._loop_end.drop()
            self._go_on()
        self._loop_end = LoopEnd(loop, self._workers_ended)

    async def _workers_ended(self) -> None:
        """Wait, at the end of the loop, until nothing runs in worker threads; let nothing begin."""
        if not self._clock._is_the_systems:  # by which the loop would sleep
            return
        self._engine.set_paused(True)
        try:
            while any(self._engine.load):
                await asyncio.sleep(WORKER_CHECK_INTERVAL)
        finally:
            # Should it not be the end after all. A thread that the exit has ended has no loop any more.
            with suppress(RuntimeError):
                asyncio.get_running_loop().call_later(LOOP_HAS_ENDED_AFTER, self._go_on)

    def _go_on(self) -> None:
        self._engine.set_paused(self._is_paused())

    def _abandon_runs_at_exit(self) -> None:
        if self._loop_end is not None:
            self._loop_end.drop()
        super()._abandon_runs_at_exit()

    def _start_again(self) -> None:
        if not self.running:
            self.start()

    def _stop_waiting(self, event: SchedulerEvent | None = None) -> None:
        for tell in tuple(self._stop_waiters):
            with suppress(RuntimeError):  # its loop is closed
                tell()

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._eventloop = None
        if self._loop_end is not None:
            self._loop_end.leave_to_parent()
            self._loop_end = None

    def _unbind_loops(self) -> None:
        super()._unbind_loops()
        if self._loop_end is not None and not any(self._engine.load):
            self._loop_end.drop()
            self._loop_end = None

    def _release_loop(self) -> None:
        self._unbind_loops()
        self._eventloop = None

    async def _release_loop_when_idle(self) -> None:
        try:
            await self._runs_at_end.idle()
        finally:
            if self._state == STATE_STOPPED:
                self._release_loop()
