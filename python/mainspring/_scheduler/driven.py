"""The schedulers that a timer thread drives and that tell what happens on an event loop.

Ground rules:

- The timer thread calls none of this. What is due comes to the thread of the control loop, which calls
  listeners and executors; the engine has a thread of its own call :meth:`_check_loops`.
- The loops are bound by the thread that starts the scheduler, before the timer thread begins. Another
  loop takes their place, and the scheduler stops since one is closed, under ``_check_lock``. Under that
  lock other locks of the scheduler may be taken, executors are shut down without waiting, and listeners
  are told of the end. So the engine's thread only looks whether it is free, since who holds it may wait
  for that thread; ``_guess`` is read without it first, and decided under it.
- ``_is_stopping`` is set in any thread, signal handlers included, and cleared by a start.
- ``_waiting_for_loop`` has an entry for each worker thread, which only that thread puts in and takes
  out; others read a copy.
- An attribute that the engine has read may be set in any thread: ``_native_jobs`` counts how often it
  has been told to forget, so that what was read before that does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, copy_context
from threading import RLock, current_thread
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring._lazy import asyncio
from mainspring._logs import names_caller
from mainspring._loops.find import leave_to_parent, running_loop
from mainspring._loops.flag import Flag
from mainspring._loops.guess import LoopGuess
from mainspring._loops.watch import LoopWatch
from mainspring._mainspring import WorkerPool
from mainspring._process.exit import (
    is_exiting,
    is_in_thread_of_ours,
    stop_at_exit,
    stop_forgotten,
    unheard_at_exit,
)
from mainspring._scheduler.ending import RunsAtEnd
from mainspring._scheduler.replaced import (
    JOB_HOOKS,
    TELLING,
    JobMethods,
    calls_here,
    looks_up_natively,
    native_pool,
    native_store,
)
from mainspring._scheduler.state import STATE_STOPPED
from mainspring.events import EVENT_SCHEDULER_SHUTDOWN, SchedulerEvent
from mainspring.schedulers.base import BaseScheduler
from mainspring.util import asbool

if TYPE_CHECKING:
    from mainspring._threads.loop import ThreadLoop
    from mainspring.executors.base import BaseExecutor
    from mainspring.job import Job
    from mainspring.jobstores.base import BaseJobStore

#: What is looked at once, to know which steps with jobs need none of the scheduler's methods.
_READ_ONCE = frozenset().union(
    *JOB_HOOKS.values(),
    TELLING,
    ("_adds_pending", "_clock", "_guess", "_job_defaults", "_logger", "_state", "timezone"),
    ("_stopped_by_itself",),
)


class DrivenScheduler(BaseScheduler):
    """A scheduler with a timer thread.

    Its *control loop* is where listeners, user-written triggers and executors are called. Coroutine
    jobs run there too, unless they were given a loop of their own.
    """

    _options: ClassVar[tuple[str, ...]] = ("loop_in_threads", "loop_response_timeout")
    _context: Context
    #: The last loop that coroutine jobs ran on, for runs that go on after a shutdown.
    _last_loop: asyncio.AbstractEventLoop | None = None
    #: The loop that shows the time of the scheduler's clock to its jobs.
    _clocked_loop: asyncio.AbstractEventLoop | None = None
    #: Whether the loop of coroutine jobs may show them another time than its own.
    _loop_may_follow_clock = True
    #: Set while the loop is one that the program has not named and that has not run yet.
    _guess: LoopGuess | None = None
    #: Whether the timer thread has been started and is to be alive.
    _timer_is_due = False

    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None:
        from mainspring._threads.loop import ThreadLoops

        self._thread_loops = ThreadLoops(self)
        self._loop_watch = LoopWatch(self)
        self._runs_at_end = RunsAtEnd(self)
        #: The worker threads that wait for a loop, and for which.
        self._waiting_for_loop: dict[int, object] = {}
        super().__init__(gconfig, **options)

    def _configure(self, config: dict[str, Any]) -> None:
        self._loop_in_threads = asbool(config.pop("loop_in_threads", True))
        self._loop_response_timeout = float(config.pop("loop_response_timeout", 10))
        if not self._loop_response_timeout > 0:
            raise ValueError("loop_response_timeout must be a positive number of seconds")
        super()._configure(config)

    def _bind_loops(
        self,
        control: asyncio.AbstractEventLoop,
        coroutines: asyncio.AbstractEventLoop | None = None,
        context: Context | None = None,
    ) -> None:
        """Use these loops from now on, and have every run see a context, or else that of now."""
        self._context = copy_context() if context is None else context
        self._follow_clock(self._context)
        self._leave_clock()
        self._loop_watch.begin()
        self._last_loop = coroutines or control
        self._engine.control.bind(control, self._context)
        self._engine.coro = None
        if coroutines is not None:
            self._engine.coro = self._engine.new_inbox()
            self._engine.coro.bind(coroutines, self._context)
        if self._loop_may_follow_clock and isinstance(self._last_loop, asyncio.AbstractEventLoop):
            self._clock._follow_on(self._last_loop)
            self._clocked_loop = self._last_loop

    def _leave_clock(self) -> None:
        """Let the loop that coroutine jobs ran on have its own time again."""
        loop, self._clocked_loop = self._clocked_loop, None
        if loop is not None:
            self._clock._leave(loop)

    def _unbind_loops(self) -> None:
        self._guess = None
        self._leave_clock()
        self._engine.control.unbind()
        if self._engine.coro is not None:
            self._engine.coro.unbind()

    def start(self, paused: bool = False) -> None:
        stop_forgotten()
        self._is_stopping.clear()
        self._starts_daemons = self._is_daemon()
        with unheard_at_exit():
            super().start(paused)

    def _open_native_jobs(self) -> None:
        """Say which steps with jobs are to go through the scheduler's own methods."""
        version = self._native_jobs.version
        replaced = _ORIGINALS.replaced_in(self)
        if not self._clock._is_the_systems:  # which alone is read there
            replaced |= JOB_HOOKS.keys()
        if not all(looks_up_natively(store) for store in list(self._jobstores.values())):
            replaced.add("others")
        pends = None if self._adds_pending else not self._stores_are_open()
        if self._state == STATE_STOPPED and pends is False:
            self._native_jobs.close()
        else:
            # One that is stopped may be of a class that keeps in mind which loops call it.
            keeps = type(self)._note_running_loop is not DrivenScheduler._note_running_loop
            guesses = self._guess is not None or (pends is not False and keeps)
            self._native_jobs.open(self, replaced, pends, guesses, version)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self._take_note_of(name)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._take_note_of(name)

    def _take_note_of(self, name: str) -> None:
        """Have what was put into this scheduler take effect, where the engine has read it before."""
        if name in _READ_ONCE:
            self._forget_native_jobs()
        if name == "_dispatch_event":
            self._engine.set_listener_mask(self._listener_mask())
        elif name == "_lookup_executor":
            for executor in list(self._executors.values()):
                self._executor_has_changed(executor)

    def _forget_native_jobs(self) -> None:
        """Have :meth:`_open_native_jobs` called once more, since what it says may be another thing now."""
        known = vars(self).get("_native_jobs")
        if known is not None:  # the scheduler is not just being made
            known.forget()

    def _start_jobstore(self, store: BaseJobStore, alias: str) -> None:
        super()._start_jobstore(store, alias)
        self._forget_native_jobs()

    def _store_methods_have_changed(self, store: BaseJobStore) -> None:
        super()._store_methods_have_changed(store)
        self._forget_native_jobs()

    def _make_locks(self) -> None:
        super()._make_locks()
        self._check_lock = RLock()
        self._is_stopping = Flag()

    def wakeup(self) -> None:
        self._engine.wake()
        self._sweeper.wake()

    def _start_timer_thread(self, paused: bool) -> None:
        stop_at_exit(self)
        self._engine.start(paused)
        self._timer_is_due = True
        self._sweeper.start(self._context)
        if self._state == STATE_STOPPED:  # a signal handler has shut the scheduler down meanwhile
            self._halt()

    def _pool_for(self, executor: BaseExecutor) -> WorkerPool | None:
        # A lookup of the user's own is to be asked for each due job.
        pool = None if self._is_replaced("_lookup_executor") else native_pool(executor)
        if pool is not None:
            pool.daemon = self._starts_daemons
        return pool

    def _calls_for(self, executor: BaseExecutor) -> bool:
        return not self._is_replaced("_lookup_executor") and calls_here(executor)

    def _is_daemon(self) -> bool:
        """Tell whether the thread of the scheduler is one that does not keep the program from ending."""
        return current_thread().daemon

    def _executor_has_changed(self, executor: BaseExecutor) -> None:
        """Run the jobs of an executor anew, by itself or by the engine."""
        if self.state == STATE_STOPPED:
            return
        for alias, known in list(self._executors.items()):
            if known is executor:
                self._name_executor(executor, alias)
        self._native_jobs.note_executor()

    def _choose_pools(self, at_start: bool) -> None:
        """Have the engine use the threads that executors have chosen anew."""
        for alias, executor in list(self._executors.items()):
            if executor._choose_pool(at_start) is True:
                self._name_executor(executor, alias)

    def _real_add_job(self, job: Job, jobstore_alias: str, replace_existing: bool) -> None:
        self._choose_pools(at_start=False)
        self._native_jobs.note_executor()
        super()._real_add_job(job, jobstore_alias, replace_existing)

    def _halt(self) -> None:
        self._is_stopping.set()
        self._timer_is_due = False
        super()._halt()

    def _stop_at_exit(self) -> None:
        """End the scheduler's threads without a word, since the interpreter is about to exit.

        The program may still shut it down.
        """
        self._native_jobs.close()
        self._halt()

    def _end_loop_at_exit(self) -> None:
        """End the scheduler's own loop, if it has one: the runs in worker threads have ended."""

    def _end_timer_at_exit(self) -> None:
        """End the timer thread, where an interrupt has cut :meth:`_stop_at_exit` short.

        No interrupt cuts this short, and it waits for none of the program's code.
        """
        self._engine.stop()

    def _abandon_runs_at_exit(self) -> None:
        """End the runs that wait for a loop; the scheduler's threads have ended before."""
        self._engine.control.abandon_at_exit()
        if self._engine.coro is not None:
            self._engine.coro.abandon_at_exit()

    @property
    def running(self) -> bool:
        """Whether the scheduler has been started and not shut down, and its loop is not closed."""
        self._note_running_loop()
        self._note_closed_loop()
        return self._state != STATE_STOPPED and (self._engine.running or not self._timer_is_due)

    # Looking after the loops

    def _forget_parent(self) -> None:
        self._guess = None
        self._timer_is_due = False
        self._waiting_for_loop = {}
        for loop in (self._engine.control.loop, self._coroutine_loop()):
            if loop is not None:
                leave_to_parent(loop)
        super()._forget_parent()

    def _check_loops(self) -> None:
        """Look after a loop that leaves its work alone; the engine has a thread call this."""
        self._stop_if_forgotten()
        self._loop_watch.look()

    def _wait_for_running_loop(self) -> None:
        self._loop_watch.wait_for_running_loop()

    def _note_running_loop(self) -> None:
        super()._note_running_loop()
        if self._guess is not None:
            loop = running_loop()
            if loop is not None:
                self._take_running_loop(loop)

    def _take_running_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Put the loop that runs in this thread in the place of a guessed one that never ran."""
        with self._check_lock:
            guess, self._guess = self._guess, None
            if guess is None or guess.loop is loop or self._engine.control.watched:
                return
            self._move_to_loop(loop, self._context)
            guess.drop()
        self._logger.info("The scheduler runs its jobs on the event loop that it found running")

    def _note_closed_loop(self) -> None:
        super()._note_closed_loop()
        with self._check_lock:
            self._stop_if_loop_is_closed()

    def _move_to_loop(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        """Use another loop for everything."""
        self._bind_loops(loop, context=context)
        self._choose_pools(at_start=True)

    def _stop_if_forgotten(self) -> None:
        """Stop if a loop has been closed, unless another thread looks after that at the moment."""
        # That thread may be waiting for this one to end.
        if self._check_lock.acquire(blocking=False):
            try:
                self._stop_if_loop_is_closed()
            finally:
                self._check_lock.release()

    def _stop_if_loop_is_closed(self) -> None:
        """Stop if a loop has been closed, since nothing can run on it; the jobs stay."""
        if self._guess is not None and not self._engine.control.watched:
            return  # another one is found yet; another scheduler with this guess may have closed it
        loops = (self._engine.control.loop, self._coroutine_loop())
        if self._state == STATE_STOPPED or not any(
            loop is not None and loop.is_closed() for loop in loops
        ):
            return
        if not is_exiting(within=0):  # the loops are closed for that, after it is known of
            self._stop_without_loop()

    def _stop_without_loop(self) -> None:
        self._stop_processing()
        self._stopped_by_itself = True
        self._engine.control.abandon_running()
        if self._engine.coro is not None:
            self._engine.coro.abandon_running()
        for run in self._runs_at_end.coroutine_runs():
            run.leave()
        for executor in list(self._executors.values()):
            executor.shutdown(False)
        for alias, _ in self._stores():
            self._engine.detach_store(alias)
        self._unbind_loops()
        self._logger.warning(
            "The event loop of the scheduler has been closed: the scheduler has stopped, and keeps "
            "its jobs. Call shutdown() before the loop is closed, or start() again on another loop."
        )
        self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_SHUTDOWN))

    def _coroutine_loop(self) -> asyncio.AbstractEventLoop | None:
        return (self._engine.coro or self._engine.control).loop

    def _suspended_tasks(self) -> list[asyncio.Future[Any]]:
        return [task for task, *_ in (self._engine.coro or self._engine.control).running()]

    def _thread_loop(self) -> ThreadLoop | None:
        return self._thread_loops.loop if self._loop_in_threads else None

    def _is_stopped(self) -> bool:
        return self._state == STATE_STOPPED or self._is_stopping.is_set()

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
            self._runs_at_end.cancel()

    def _wait_for_runs(self) -> None:
        """Block until all runs have ended, unless it is this thread that they need for that."""
        self._runs_at_end.wait()

    def _can_end_runs(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether the runs can still come to their end, on the loop of the coroutine jobs."""
        return loop.is_running()

    def _may_run(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether a loop runs, or is one that this package runs, and has not come to its end."""
        return loop.is_running() or is_in_thread_of_ours(loop)


_ORIGINALS = JobMethods(DrivenScheduler, BaseScheduler)

names_caller(globals(), "schedulers.base")
