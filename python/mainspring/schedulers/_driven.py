"""The schedulers that a timer thread drives and that tell what happens on an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import Context, copy_context
from threading import Event, RLock, current_thread
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring._exit import (
    is_exiting,
    is_in_thread_of_ours,
    stop_at_exit,
    stop_forgotten,
    unheard_at_exit,
)
from mainspring._lazy import asyncio
from mainspring._logs import names_caller
from mainspring._mainspring import LoopInbox, WorkerPool, runs_in_this_thread
from mainspring._native_threads import threads_are_greenlets
from mainspring.events import EVENT_SCHEDULER_SHUTDOWN, SchedulerEvent
from mainspring.schedulers import CancelledRun
from mainspring.schedulers._guess import LoopGuess
from mainspring.schedulers._loops import leave_to_parent, running_loop
from mainspring.schedulers._native import looks_up_natively, native_pool, native_store
from mainspring.schedulers.base import STATE_STOPPED, BaseScheduler
from mainspring.util import asbool

if TYPE_CHECKING:
    from mainspring._thread_loop import ThreadLoop
    from mainspring.executors.base import BaseExecutor, CoroutineRun
    from mainspring.job import Job
    from mainspring.jobstores.base import BaseJobStore

#: How often a thread that waits for runs looks whether their loop still runs, in seconds.
LOOP_CHECK_INTERVAL = 0.2
#: How often a greenlet that waits for runs looks whether they have ended, in seconds.
GREENLET_INTERVAL = 0.01
#: How often the thread of a loop that waits for worker threads looks at them, in seconds.
WORKER_CHECK_INTERVAL = 0.01
#: After how long a loop that has work and has never run is told of, in seconds.
NEVER_RAN_AFTER = 5.0
#: After how long a loop that has work and does not take it is looked into, in seconds.
BLOCKED_AFTER = 1.0
#: How often a loop that runs is looked for while the guessed one does not, in seconds.
SEARCH_INTERVAL = 0.25
#: What the methods that deal with jobs call, or are called by, and somebody may put their own in place of.
_JOB_HOOKS = frozenset(
    (
        "_create_plugin_instance",
        "_create_trigger",
        "_first_fire_time",
        "_lookup_job",
        "_lookup_jobstore",
        "_now",
        "_real_add_job",
        "_store_has_changed",
        "_store_lock",
        "_stores",
        "_trigger_plugins",
        "add_job",
        "modify_job",
        "remove_job",
    )
)
#: What is looked at when the short way to native jobs is opened.
_READ_ONCE = _JOB_HOOKS | {"_job_defaults", "_logger", "timezone"}


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
    #: Whether the loop of coroutine jobs may show them the time of a manual clock.
    _loop_may_follow_clock = True
    #: Set while the loop is one that nobody named and that has not run yet.
    _guess: LoopGuess | None = None
    _has_told_of_idle_loop = False
    #: The job that was last said to block a loop, and in which of the loop's drains.
    _told_of_blocking: tuple[str, int] | None = None
    #: Whether the timer thread has been started and is to be alive.
    _timer_is_due = False

    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None:
        from mainspring._thread_loop import ThreadLoops

        self._thread_loops = ThreadLoops(self)
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
        self._has_told_of_idle_loop = False
        self._last_loop = coroutines or control
        self._engine.control.bind(control, self._context)
        self._engine.coro = None
        if coroutines is not None:
            self._engine.coro = LoopInbox(self._engine)
            self._engine.coro.bind(coroutines, self._context)
        if (
            self._clock is not None
            and self._loop_may_follow_clock
            and isinstance(self._last_loop, asyncio.AbstractEventLoop)
        ):
            self._clock._follow_on(self._last_loop)
            self._clocked_loop = self._last_loop

    def _leave_clock(self) -> None:
        """Let the loop that coroutine jobs ran on have its own time again."""
        loop, self._clocked_loop = self._clocked_loop, None
        if loop is not None and self._clock is not None:
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
        self._open_native_jobs()

    def _open_native_jobs(self) -> None:
        """Let jobs be dealt with without Python code, where none of it is anybody's own."""
        if self._state == STATE_STOPPED or self._guess is not None or self._clock is not None:
            return
        mine = type(self)
        if (
            _JOB_HOOKS.isdisjoint(vars(self))
            and all(getattr(mine, hook) is method for hook, method in _METHODS.items())
            and BaseScheduler._real_add_job is _REAL_ADD_JOB
            and all(looks_up_natively(store) for _, store in self._stores())
        ):
            self._native_jobs.open(self)
        else:
            self._native_jobs.close()

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self._take_note_of(name)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._take_note_of(name)

    def _take_note_of(self, name: str) -> None:
        """Have what was put into this scheduler take effect, where the engine has read it before."""
        if name in _READ_ONCE:
            self._open_native_jobs()
        elif name == "_dispatch_event":
            self._engine.set_listener_mask(self._listener_mask())
        elif name == "_lookup_executor":
            for executor in list(self._executors.values()):
                self._executor_has_changed(executor)

    def _start_jobstore(self, store: BaseJobStore, alias: str) -> None:
        super()._start_jobstore(store, alias)
        self._open_native_jobs()

    def _store_methods_have_changed(self, store: BaseJobStore) -> None:
        super()._store_methods_have_changed(store)
        self._open_native_jobs()

    def _make_locks(self) -> None:
        super()._make_locks()
        self._check_lock = RLock()
        self._is_stopping = Event()

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

    def _is_daemon(self) -> bool:
        """Tell whether the thread of the scheduler is one that does not keep the program from ending."""
        return current_thread().daemon

    def _executor_has_changed(self, executor: BaseExecutor) -> None:
        """Run the jobs of an executor anew, by itself or by the engine."""
        if self.state == STATE_STOPPED:
            return
        for alias, known in list(self._executors.items()):
            if known is executor:
                self._engine.set_executor(alias, self._pool_for(executor), executor._logger)
        self._native_jobs.note_executor()

    def _choose_pools(self, at_start: bool) -> None:
        """Have the engine use the threads that executors have chosen anew."""
        for alias, executor in list(self._executors.items()):
            if executor._choose_pool(at_start) is True:
                self._engine.set_executor(alias, self._pool_for(executor), executor._logger)

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
        """Look after a loop that leaves its work alone.

        Called by a thread of its own when there is work for a loop that has not run yet, and
        whenever a loop has been silent for a second.
        """
        self._stop_if_forgotten()
        self._tell_of_blocked_loop()
        pause = SEARCH_INTERVAL / 64
        while True:
            told = self._tell_of_idle_loop()
            guess = self._guess
            if guess is None or self._engine.control.watched:
                return
            guess.search(self._take_running_loop)
            if told or self._is_stopping.wait(pause):
                return
            pause = min(2 * pause, SEARCH_INTERVAL)

    def _wait_for_running_loop(self) -> None:
        """Wait for the loop to which a worker thread can hand something over; not for ever."""
        end = time.monotonic() + self._loop_response_timeout
        while (guess := self._guess) is not None and not self._engine.control.watched:
            guess.search(self._take_running_loop)
            if self._has_told_of_idle_loop or time.monotonic() > end:
                return
            if self._is_stopping.wait(SEARCH_INTERVAL / 16):
                return

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
        self._open_native_jobs()
        self._logger.info("The scheduler runs its jobs on the event loop that it found running")

    def _note_closed_loop(self) -> None:
        super()._note_closed_loop()
        with self._check_lock:
            self._stop_if_loop_is_closed()

    def _move_to_loop(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        """Use another loop for everything."""
        self._bind_loops(loop, context=context)
        self._choose_pools(at_start=True)

    def _tell_of_idle_loop(self) -> bool:
        """Say so, once, when there has been work for a loop that has never run for too long.

        :return: whether that has been said
        """
        for inbox in (self._engine.control, self._engine.coro):
            if inbox is None or self._has_told_of_idle_loop or inbox.watched:
                continue
            silence = inbox.silence
            if silence >= NEVER_RAN_AFTER:
                self._has_told_of_idle_loop = True
                self._logger.warning(
                    "The event loop of the scheduler never ran: it has not run for %.0f seconds "
                    "since a job was due, which waits for it. Start the scheduler in a "
                    "coroutine of the loop that the program runs, or name that loop with "
                    "event_loop=, or use BackgroundScheduler, which needs none. (%r)",
                    silence,
                    inbox.loop,
                )
        return self._has_told_of_idle_loop

    def _tell_of_blocked_loop(self) -> None:
        """Say which job keeps a loop from what is due; once for as long as it does."""
        for inbox in (self._engine.control, self._engine.coro):
            if inbox is None or not inbox.watched:
                continue
            silence = inbox.silence
            if silence < BLOCKED_AFTER:
                continue
            job_id = inbox.in_hand or _suspended_job_in_hand(inbox)
            # A run that the loop is in has begun before whatever waits for it.
            if job_id is None or self._told_of_blocking == (job_id, inbox.turns):
                continue
            self._told_of_blocking = (job_id, inbox.turns)
            self._logger.warning(
                'Job "%s" blocks the event loop: other work has been waiting for %.1f seconds. Use '
                "await for what takes long, or a plain function, which runs in a worker thread.",
                job_id,
                silence,
            )

    def _stop_if_forgotten(self) -> None:
        """Stop if a loop has been closed, unless somebody else looks after that at the moment."""
        # Who may be waiting for this thread to end.
        if self._check_lock.acquire(blocking=False):
            try:
                self._stop_if_loop_is_closed()
            finally:
                self._check_lock.release()

    def _stop_if_loop_is_closed(self) -> None:
        """Stop if a loop has been closed, since nothing can run on it; the jobs stay."""
        if is_exiting(within=0):
            return  # the loops are closed for that
        if self._guess is not None and not self._engine.control.watched:
            return  # another one is found yet; whoever shares this guess may have closed it
        loops = (self._engine.control.loop, self._coroutine_loop())
        if self._state != STATE_STOPPED and any(
            loop is not None and loop.is_closed() for loop in loops
        ):
            self._stop_without_loop()

    def _stop_without_loop(self) -> None:
        self._stop_processing()
        self._stopped_by_itself = True
        self._engine.control.abandon_running()
        if self._engine.coro is not None:
            self._engine.coro.abandon_running()
        for run in self._coroutine_runs():
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
            self._cancel_runs()

    def _wait_for_runs(self) -> None:
        """Block until all runs have ended, unless it is this thread that they need for that."""
        loop = self._coroutine_loop()
        here = running_loop()
        if loop is None or (here is not None and here in (loop, self._engine.control.loop)):
            return
        if self._has_idle_clock() and loop.is_running():
            assert self._clock is not None
            ending = asyncio.run_coroutine_threadsafe(self._clock._let_runs_end(self, None), loop)
            ending.result()
            self._cancel_runs()  # what is parked would never end
        while not self._wait_idle() and self._can_end_runs(loop):
            pass
        while self._can_end_runs(loop) and (runs := self._coroutine_runs()):
            wait([run.ended for run in runs], LOOP_CHECK_INTERVAL)

    def _wait_idle(self, seconds: float = LOOP_CHECK_INTERVAL) -> bool:
        """Wait a little while until no run is going on; tell whether that is so."""
        if threads_are_greenlets():
            # Not by a name taken at import: time may have been patched since then.
            time.sleep(GREENLET_INTERVAL)
            return self._engine.wait_idle(0)
        return self._engine.wait_idle(seconds)

    def _wait_for_workers(self, loop: object) -> None:
        """Block the thread of a loop until nothing is left in worker threads but what waits for that loop."""
        end = time.monotonic() + self._loop_response_timeout
        while True:
            busy, queued = self._engine.load
            waiting = list(self._waiting_for_loop.values()).count(loop)
            if busy <= waiting and (busy or not queued):
                return
            if time.monotonic() > end and getattr(loop, "_ready", None):
                return  # somebody may wait for it in a way of their own
            self._wait_idle(WORKER_CHECK_INTERVAL)

    def _work_in_threads(self) -> Callable[[], bool]:
        """Return what tells whether threads still work on what executors have given to them until now."""
        pools: list[WorkerPool] = []
        others: list[BaseExecutor] = []
        for executor in list(self._executors.values()):
            pool = getattr(executor, "_pool", None)
            if isinstance(pool, WorkerPool):
                pools.append(pool)
            elif isinstance(pool, ThreadPoolExecutor) and executor._lock is not None:
                others.append(executor)

        def goes_on() -> bool:
            return any(pool.load != (0, 0) for pool in pools) or any(
                executor._submissions_under_way() > len(executor._coroutine_runs)
                for executor in others
            )

        return goes_on

    def _has_idle_clock(self) -> bool:
        """Tell whether runs that sleep would do so for ever, since nobody moves their clock."""
        return self._clock is not None and not self._clock._is_being_advanced()

    def _can_end_runs(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether the runs can still come to their end, on the loop of the coroutine jobs."""
        return loop.is_running()

    def _may_run(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether a loop runs, or is one that this package runs, and has not come to its end."""
        return loop.is_running() or is_in_thread_of_ours(loop)

    def _cancel_runs(self) -> None:
        """Cancel the coroutine runs that are going on."""
        self._engine.control.cancel_running()
        if self._engine.coro is not None:
            self._engine.coro.cancel_running()
        for run in self._coroutine_runs():
            run.cancel()

    async def _idle(self) -> None:
        """Wait until all runs have ended that need the loop, but for one in which this thread is."""
        await self._engine.idle(runs_in_this_thread())
        while runs := self._coroutine_runs():
            await asyncio.wait([asyncio.wrap_future(run.ended) for run in runs])

    async def _runs_ended(self, but: set[object]) -> None:
        """Wait until all runs have ended, but for those of some tasks, or that wait for one of them."""
        from mainspring._thread_loop import waits_in_run

        def own() -> int:
            in_threads = sum(waits_in_run(task, self) for task in but)
            return in_threads + sum(task in but for task, *_ in self._engine.control.running())

        left = -1
        while left != (left := own()):  # those of others, where one has come to its end meanwhile
            await self._engine.idle(left)
        for executor in list(self._executors.values()):
            await _submissions_ended(executor, but)

    async def _end_runs(
        self, deadline: float | None, caller: asyncio.Task[Any] | None
    ) -> list[CancelledRun]:
        """Wait for the runs to end, and cancel the coroutine runs that have not at the deadline.

        :param deadline: in seconds; ``None``: wait for however long they take
        :param caller: the task that has asked for it, and may be waiting in another one
        :return: the runs that were cancelled
        """
        here: set[object] = {task for task in (asyncio.current_task(), caller) if task is not None}
        await asyncio.sleep(0)  # by now a run that has called this is known to be suspended
        try:
            if self._has_idle_clock():
                assert self._clock is not None
                await self._clock._let_runs_end(self, deadline)
                deadline = 0
            await asyncio.wait_for(self._runs_ended(here), deadline)
            return []
        except asyncio.TimeoutError:
            loop = self._coroutine_loop()
            if loop is None or loop is running_loop():
                return await self._cancel_and_await_runs(here)
            if not loop.is_running():
                return []
            ending = asyncio.run_coroutine_threadsafe(self._cancel_and_await_runs(set()), loop)
            return await asyncio.wrap_future(ending)

    async def _cancel_and_await_runs(self, but: set[object]) -> list[CancelledRun]:
        """Cancel the coroutine runs, on their own loop, but for those of some tasks."""
        inbox = self._engine.coro or self._engine.control
        inbox._drain_all()  # what is due and has not begun would otherwise begin later
        runs = [run for run in inbox.running() if run[0] not in but]
        python_runs = [run for run in self._coroutine_runs() if run._task not in but]
        for task, *_ in runs:
            task.cancel()
        for run in python_runs:
            run.cancel()
        ended = [asyncio.wrap_future(run.ended) for run in python_runs]
        if ends := [*(task for task, *_ in runs), *ended]:
            await asyncio.wait(ends)
        cancelled = [
            CancelledRun(job_id, time, alias)
            for task, job_id, alias, times in runs
            if task.cancelled()
            for time in times
        ]
        for future in ended:
            cancelled += [
                CancelledRun(event.job_id, event.scheduled_run_time, event.jobstore)
                for event in (() if future.exception() else future.result())
                if isinstance(event.exception, asyncio.CancelledError)
            ]
        return cancelled

    def _coroutine_runs(self) -> list[CoroutineRun[Any]]:
        """Return the coroutine runs that executors have started without the engine."""
        return [
            run
            for executor in list(self._executors.values())
            for run in tuple(getattr(executor, "_coroutine_runs", ()))
        ]


#: The hooks as they are here, before anybody replaces them in a class.
_METHODS = {hook: getattr(DrivenScheduler, hook) for hook in _JOB_HOOKS}
_REAL_ADD_JOB = BaseScheduler._real_add_job


async def _submissions_ended(executor: BaseExecutor, but: set[object]) -> None:
    """Wait until what an executor was given without the engine has ended, but for the runs of some tasks."""
    if executor._lock is None:  # it has never been started
        return
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with suppress(RuntimeError):  # this loop is closed
            loop.call_soon_threadsafe(changed.set)

    executor._at_each_end.append(tell)
    try:
        own = sum(run._task in but for run in executor._coroutine_runs)
        while executor._submissions_under_way() > own:
            await changed.wait()
            changed.clear()
    finally:
        executor._at_each_end.remove(tell)


def _suspended_job_in_hand(inbox: LoopInbox) -> str | None:
    """Return the id of the job whose coroutine has been resumed by its loop, and keeps it."""
    try:
        current = asyncio.current_task(inbox.loop)
    except RuntimeError:
        return None
    if current is None:
        return None
    return next((job_id for task, job_id, *_ in inbox.running() if task is current), None)


names_caller(globals(), "schedulers.base")
