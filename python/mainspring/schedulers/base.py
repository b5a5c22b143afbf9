"""The base class of all schedulers."""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from mainspring._clock import SYSTEM
from mainspring._logs import get_logger, message, names_caller
from mainspring._loops.coroutines import is_exit_of_program
from mainspring._mainspring import NativeJobs, removed_event, skipped_event, submitted_event
from mainspring._process.exit import is_exiting
from mainspring._process.fork import note_fork, prepare_for_forks
from mainspring._runs.submissions import Submission
from mainspring._scheduler.configuration import JOB_DEFAULTS, configured, nest, warn_of_unknown
from mainspring._scheduler.frozen import warn_of_frozen_time
from mainspring._scheduler.jobs import SchedulerJobs
from mainspring._scheduler.parts import EXECUTOR_REGISTRY, JOBSTORE_REGISTRY
from mainspring._scheduler.plans import first_fire_time
from mainspring._scheduler.registry import Registry
from mainspring._scheduler.replaced import native_store
from mainspring._scheduler.state import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED
from mainspring._scheduler.sweep import StoreSweeper
from mainspring.events import (
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    SchedulerEvent,
)
from mainspring.executors.base import BaseExecutor, MaxInstancesReachedError
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.jobstores.base import BaseJobStore, JobLookupError
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from mainspring.util import astimezone, get_localzone, maybe_ref

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from asyncio import Future as LoopFuture
    from concurrent.futures import Future
    from contextvars import Context

    from mainspring._contract import Clock
    from mainspring.events import JobSubmissionEvent
    from mainspring.job import Job
    from mainspring.triggers.base import BaseTrigger

T = TypeVar("T")

__all__ = ("STATE_PAUSED", "STATE_RUNNING", "STATE_STOPPED", "BaseScheduler")


class Tells:
    """As :class:`mainspring.executors.base.Tells`, for what a scheduler logs."""

    @staticmethod
    def _process_jobs(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def remove_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def add_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def _real_add_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)


class BaseScheduler(SchedulerJobs):
    """What all schedulers have in common: the jobs, their stores, executors and listeners.

    A scheduler of one's own derives from this class, writes :meth:`wakeup` and
    :meth:`shutdown`, and calls :meth:`_process_jobs` in a thread of its choice whenever it was
    woken up or the number of seconds that this returned the last time has gone by.

    :param gconfig: options as a dictionary, see :meth:`configure`
    :param options: options, which take precedence over ``gconfig``:

        - ``logger`` (a logger, or a reference to one): default ``mainspring.scheduler``
        - ``timezone`` (tzinfo, or a name): default zone of triggers; default the local zone
        - ``jobstore_retry_interval`` (seconds): how long to wait after a job store has raised an
          exception before it is tried again; default 10
        - ``job_defaults`` (dictionary): ``misfire_grace_time`` (seconds, default 1), ``coalesce``
          (default true) and ``max_instances`` (default 1) of jobs that are added without
        - ``jobstores``, ``executors`` (dictionaries): alias to an instance, or to a dictionary
          of arguments with ``type`` (a plugin alias) or ``class`` (a class or reference to one)
        - ``clock`` (a :class:`~mainspring.testing.ManualClock`, or a reference to one): in tests, what
          to go by instead of the system's clock; stays until another one is given

    An option that is not known gives a warning.
    """

    #: The options that the class itself reads; those of its base classes come on top.
    _options: ClassVar[tuple[str, ...]] = (
        "logger",
        "timezone",
        "jobstore_retry_interval",
        "job_defaults",
        "executors",
        "jobstores",
        "clock",
    )
    #: Whether the scheduler is being started, and adds what has been pending until then.
    _adds_pending = False
    _clock: Clock = SYSTEM
    #: The process that the scheduler was started in.
    _process: int
    #: Whether threads that jobs start are daemons, as those started in the scheduler's thread are.
    _starts_daemons = False

    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None:
        super().__init__()
        self._make_engine()
        self.configure(gconfig, **options)
        prepare_for_forks(self)

    def __getstate__(self) -> NoReturn:
        raise TypeError(
            "Schedulers cannot be serialized. Ensure that you are not passing a "
            "scheduler instance as an argument to a job, or scheduling an instance "
            "method where the instance contains a scheduler as an attribute."
        )

    # Configuration and life cycle

    def configure(
        self,
        gconfig: Mapping[str, Any] = {},
        prefix: str | None = "apscheduler.",
        **options: Any,
    ) -> None:
        """Set all options anew; the ones not given get their defaults.

        :param gconfig: options as a dictionary; a key such as ``apscheduler.job_defaults.coalesce``
            sets ``coalesce`` inside ``job_defaults``
        :param prefix: only keys of ``gconfig`` that start with this are read; empty or ``None``
            to read them all
        :param options: options, as for the constructor
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        """
        note_fork()
        if self._state != STATE_STOPPED:
            raise SchedulerAlreadyRunningError
        config = nest(gconfig, prefix)
        config.update(options)
        self._configure(config)

    def start(self, paused: bool = False) -> None:
        """Start executors and job stores, add the pending jobs, and begin to process jobs.

        :param paused: whether to process jobs only after :meth:`resume`
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if this is uWSGI without threads
        """
        self._check_not_running()
        if self._state != STATE_STOPPED:  # but its timer thread has died
            raise SchedulerAlreadyRunningError
        self._check_uwsgi()
        if self._clock._is_the_systems:
            warn_of_frozen_time()
        self._stopped_by_itself = False
        self._sweeper.wait_for_former()
        with ExitStack() as undo:
            with self._executors_lock:
                if "default" not in self._executors:
                    self.add_executor(self._create_default_executor(), "default")
                for alias, executor in self._executors.items():
                    self._start_executor(executor, alias)
                    undo.callback(executor.shutdown, False)
            with self._jobstores_lock:
                if "default" not in self._jobstores:
                    self.add_jobstore(self._create_default_jobstore(), "default")
                for alias, store in self._jobstores.items():
                    self._start_jobstore(store, alias)
                    undo.callback(self._stop_jobstore, store, alias)
                self._adds_pending = True
                try:
                    self._native_jobs.put_pending(self, self._pending_jobs)
                    del self._pending_jobs[:]
                    self._engine.set_paused(paused)
                    self._engine.set_listener_mask(self._listener_mask())
                    self._process = os.getpid()
                    # While it counts as starting: in between, jobs of other threads would pend for ever.
                    self._state = STATE_PAUSED if paused else STATE_RUNNING
                finally:
                    self._adds_pending = False
            undo.pop_all()
        self._logger.info("Scheduler started")
        self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_STARTED))
        if self.running:  # a listener may have shut it down again
            self._clock._attach(self)
            self._start_timer_thread(paused)
        if self._state == STATE_RUNNING:
            self.wakeup()

    @abstractmethod
    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, and shut down the executors and job stores.

        Without effect on a scheduler that has stopped by itself: since its loop was closed, or, in a
        forked child, since it runs in the parent. It keeps its jobs, and may be started again.

        :param wait: whether to return only after all runs that are going on have ended
        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        self._note_fork(tells=False)
        self._note_closed_loop()
        if self._stopped_by_itself:
            return
        if self._state == STATE_STOPPED:
            raise SchedulerNotRunningError
        self._stop_processing()
        self._settle_runs(wait)
        self._shut_down_parts(wait)

    def _stop_processing(self) -> None:
        """Do the first part of a shutdown: from now on no job is started."""
        self._state = STATE_STOPPED
        self._halt()

    def _halt(self) -> None:
        """Start no more jobs, and end the threads that do."""
        self._clock._detach(self)
        self._engine.stop()
        self._sweeper.stop()

    def _shut_down_parts(self, wait: bool) -> None:
        """Do the last part of a shutdown, when no job is started any more."""
        for executor in list(self._executors.values()):
            executor.shutdown(wait and self._may_block())
        for alias, store in list(self._jobstores.items()):
            self._stop_jobstore(store, alias)
        self._logger.info("Scheduler has been shut down")
        self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_SHUTDOWN))

    def pause(self) -> None:
        """Stop processing jobs until :meth:`resume`; runs that are going on go on.

        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        self._note_running_loop()
        if self.state == STATE_STOPPED:
            raise SchedulerNotRunningError
        if self._state == STATE_RUNNING:
            self._state = STATE_PAUSED
            self._engine.set_paused(True)
            self._logger.info("Paused scheduler job processing")
            self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_PAUSED))

    def resume(self) -> None:
        """Process jobs again after :meth:`pause`.

        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        self._note_running_loop()
        if self.state == STATE_STOPPED:
            raise SchedulerNotRunningError
        if self._state == STATE_PAUSED:
            self._state = STATE_RUNNING
            self._engine.set_paused(False)
            self._logger.info("Resumed scheduler job processing")
            self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_RESUMED))
            self.wakeup()

    @property
    def running(self) -> bool:
        """Whether the scheduler has been started and not shut down; true also while paused."""
        return self._state != STATE_STOPPED

    # What schedulers, executors and stores of a program's own build on

    @abstractmethod
    def wakeup(self) -> None:
        """Have :meth:`_process_jobs` called soon, in whichever way suits the scheduler."""

    def _process_jobs(self) -> float | None:
        """Start every job that is due.

        :return: in how many seconds to call this again, or ``None`` if not before the next wakeup
        """
        if self._state == STATE_PAUSED:
            self._logger.debug("Scheduler is paused -- not processing jobs")
            return None
        self._logger.debug("Looking for jobs to run")
        deadlines = (self._engine.process(self._now()), self._sweeper.sweep())
        if self._state == STATE_PAUSED:
            self._logger.debug("Scheduler is paused; waiting until resume() is called")
            return None
        next_deadline = min((time for time in deadlines if time is not None), default=None)
        if next_deadline is None:
            self._logger.debug("No jobs; waiting until a job is added")
            return None
        now = self._now()
        wait = min(max(next_deadline - now.timestamp(), 0.0), TIMEOUT_MAX)
        next_wakeup = now + timedelta(seconds=wait)
        self._logger.debug("Next wakeup is due at %s (in %f seconds)", next_wakeup, wait)
        return wait

    def _configure(self, config: dict[str, Any]) -> None:
        """Take the options from one nested dictionary; a subclass takes its own out first."""
        known = [name for cls in type(self).__mro__ for name in vars(cls).get("_options", ())]
        warn_of_unknown(config, known, type(self).__name__)
        self._logger = maybe_ref(config.pop("logger", None)) or get_logger("scheduler")
        self.timezone = astimezone(config.pop("timezone", None)) or get_localzone()
        self.jobstore_retry_interval = float(config.pop("jobstore_retry_interval", 10))
        clock = maybe_ref(config.pop("clock", None))
        if clock is not None and clock is not self._clock:
            self._use_clock(clock)

        job_defaults = config.get("job_defaults", {})
        warn_of_unknown(job_defaults, JOB_DEFAULTS, f"{type(self).__name__} job_defaults")
        self._job_defaults = {
            name: convert(job_defaults.get(name, default))
            for name, (default, convert) in JOB_DEFAULTS.items()
        }

        self._executors.clear()
        for alias, executor in self._configured(EXECUTOR_REGISTRY, config, "executor"):
            self.add_executor(executor, alias)
        self._jobstores.clear()
        for alias, store in self._configured(JOBSTORE_REGISTRY, config, "jobstore"):
            self.add_jobstore(store, alias)

    def _configured(
        self, registry: Registry[T], config: dict[str, Any], type_: str
    ) -> Iterator[tuple[str, T]]:
        create = partial(self._create_plugin_instance, type_)
        values = config.get(f"{type_}s", {})
        return configured(registry.kind, f"{type_}s", values, registry.base, create)

    def _use_clock(self, clock: Clock) -> None:
        """Go by another clock from now on."""
        if isinstance(clock, type) or not hasattr(clock, "_make_engine"):
            raise TypeError(f"clock must be a mainspring.testing.ManualClock, not {clock!r}")
        self._clock = clock
        clock._equip(self)
        self._make_engine()

    def _make_engine(self) -> None:
        self._engine = self._clock._make_engine(self)
        self._sweeper = self._clock._make_sweeper(self, StoreSweeper)
        self._native_jobs = NativeJobs(self._engine)
        self._engine.set_listener_mask(self._listener_mask())

    def _open_native_jobs(self) -> None:
        """Say which steps with jobs are to go through the scheduler's own methods: all of them."""
        self._native_jobs.close()

    def _follow_clock(self, context: Context) -> None:
        """Have what runs in a context see the time of the scheduler's clock."""
        self._clock._follow_in(context)

    def _create_default_executor(self) -> BaseExecutor:
        """Make the executor of a scheduler that was given none under the alias ``default``."""
        return ThreadPoolExecutor()

    def _create_default_jobstore(self) -> BaseJobStore:
        """Make the job store of a scheduler that was given none under the alias ``default``."""
        return MemoryJobStore()

    def _check_uwsgi(self) -> None:
        """Refuse to work where no thread would ever run."""
        uwsgi = sys.modules.get("uwsgi")
        if not getattr(uwsgi, "has_threads", True):
            raise RuntimeError(
                "The scheduler seems to be running under uWSGI, but threads have "
                "been disabled. You must run uWSGI with the --enable-threads "
                "option for the scheduler to work."
            )

    def _check_not_running(self) -> None:
        """Refuse to start a scheduler that runs; one that runs in the parent of this process may start."""
        self._note_fork(tells=False)
        if self.running:
            raise SchedulerAlreadyRunningError

    # In the child of a fork

    def _forget_parent(self) -> None:
        """Become a stopped scheduler with the same jobs; see :mod:`mainspring._process.fork`."""
        if self._state != STATE_STOPPED:
            self._state = STATE_STOPPED
            self._stopped_by_itself = True
            self._runs_in = self._process
        self._make_locks()
        self._sweeper.leave_to_parent()
        self._engine.leave_to_parent()
        self._make_engine()
        for executor in self._executors.values():
            executor._forget_parent()
        for store in self._jobstores.values():
            core = native_store(store)
            if core is not None:
                core.forget_parent()

    # What the schedulers that have a timer thread do otherwise

    def _start_timer_thread(self, paused: bool) -> None:
        """Begin to fire jobs; nothing to do where the user calls :meth:`_process_jobs`."""

    def _settle_runs(self, wait: bool) -> None:
        """Wait for the coroutine runs that are going on, or cancel them."""

    def _may_block(self) -> bool:
        """Tell whether this thread may wait for runs to end."""
        return True

    def _coroutine_loop(self) -> AbstractEventLoop | None:
        """Return the loop on which coroutine jobs run."""
        return None

    def _suspended_tasks(self) -> list[LoopFuture[Any]]:
        """Return the coroutine runs that go on without an executor's knowledge, as futures."""
        return []

    def _thread_loop(self) -> AbstractEventLoop | None:
        """Return what this thread is to have as its event loop while it runs a sync function."""
        return None

    def _store_has_changed(self, alias: str | None) -> None:
        """Look at a store, since a job in it may be due earlier than what is waited for."""
        if self._state == STATE_RUNNING:
            self.wakeup()

    def _tell(self, event: SchedulerEvent) -> None:
        """Dispatch an event of a sweep in the thread where listeners expect it."""
        self._dispatch_event(event)

    # What the engine and the sweeper call

    def _submit_native(self, job: Job, run_times: list[datetime]) -> JobSubmissionEvent | None:
        """Hand a job of a native store to an executor that the engine does not serve itself.

        :return: the event of the submission, which is to follow those of the job's end
        """
        alias = job._jobstore_alias
        executor = self._executor_for(job, alias)
        return None if executor is None else self._submit(executor, job, alias, run_times)

    def _executor_for(self, job: Job, alias: str | None) -> BaseExecutor | None:
        """Return a due job's executor; where there is none, log that and remove the job."""
        try:
            return self._lookup_executor(job.executor)
        except KeyError:
            self._logger.error(
                'Executor lookup ("%s") failed for job "%s" -- removing it from the job store',
                job.executor,
                job,
            )
            self._remove_ended_job(job.id, alias)
            return None

    def _submit(
        self, executor: BaseExecutor, job: Job, alias: str | None, run_times: list[datetime]
    ) -> JobSubmissionEvent | None:
        """Submit a due job, and return the event that this gives; what goes wrong is logged."""
        try:
            executor.submit_job(job, run_times)
        except MaxInstancesReachedError:
            self._clock._note_skipped(self, job.id, run_times)
            self._log_skipped(job)
            skipped = skipped_event(job.id, alias, run_times)
            self._engine.count([skipped])
            return skipped
        except BaseException as exc:
            if is_exit_of_program(exc):
                raise
            if isinstance(exc, RuntimeError) and is_exiting(within=0):
                return None  # the executors are closed for that, and no job is started any more
            self._logger.exception(
                *message(
                    'Error submitting job "%s" to executor "%s"',
                    job,
                    job.executor,
                    beyond=" (job id: %s)",
                    of=(job.id,),
                )
            )
            events = Submission(job.id, alias, run_times).errors(exc, exc.__traceback__)
            self._engine.count(events)
            self._clock._note_events(self, events)
            for event in events:
                self._tell(event)
            return None
        return submitted_event(job.id, alias, run_times)

    def _log_skipped(self, job: Job, times: int = 1) -> None:
        """Log that a due job is not run, so many times, since as many runs as it allows are going on."""
        self._logger.warning(
            *message(
                'Execution of job "%s" skipped: maximum number of running instances reached (%d)',
                job,
                job.max_instances,
                beyond=" (job id: %s)" if times == 1 else " (job id: %s, %d run times)",
                of=(job.id,) if times == 1 else (job.id, times),
            )
        )

    def _remove_ended_job(self, job_id: str, alias: str | None) -> None:
        """Remove a due job that does not run once more, also in the midst of a shutdown.

        By then :meth:`remove_job` looks among the pending jobs alone, while the store still has
        this one, and would hand it over again.
        """
        try:
            try:
                self.remove_job(job_id, alias)
            except JobLookupError:
                if self._stores_are_open():
                    raise
                alias = self._take_out_of_store(job_id, alias)
                self._dispatch_event(removed_event(job_id, alias))
        except JobLookupError:  # removed meanwhile, perhaps by its own run
            self._note_removal(job_id)

    def _note_removal(self, job_id: str) -> None:
        """Log that a due job has been removed meanwhile, which needs no more than that."""
        self._logger.debug("Job %s was removed while it was due", job_id)

    def _now(self) -> datetime:
        return self._clock._now(self.timezone, datetime)

    def _create_trigger(
        self, trigger: BaseTrigger | str | None, trigger_args: dict[str, Any]
    ) -> BaseTrigger:
        created = self._clock._on_behalf(super()._create_trigger, trigger, trigger_args)
        self._clock._start_from_now(created)
        return created

    def _first_fire_time(
        self, trigger: BaseTrigger, last: datetime | None = None
    ) -> datetime | None:
        ask = partial(self._clock._on_behalf, trigger.get_next_fire_time)
        return first_fire_time(ask, self._now(), last)

    def _wait_beside(self, future: Future[Any]) -> None:
        """Wait for a future, in a thread that other things need meanwhile; elsewhere do nothing."""

    def _has_thread_for(self, loop: AbstractEventLoop) -> bool:
        """Tell whether a thread of the scheduler runs a loop, or is about to."""
        return False

    def _is_paused(self) -> bool:
        return self._state == STATE_PAUSED


names_caller(globals(), "schedulers.base")
