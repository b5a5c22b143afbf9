"""The interface of an executor, and the functions that run one submission of a job.

Ground rules:

- Jobs are submitted by the thread of the control loop, and by that which sweeps the stores written in
  Python. A submission ends in whichever thread its run does.
- ``_lock``, re-entrant and made by ``start()``, guards ``_instances`` and ``_submissions``. It is held,
  as in 3.x, while a job is submitted: an executor that calls the function then and there has its
  listeners called under it, too. Else it is held for single changes, and nothing is told under it.
- ``_coroutine_runs`` gets a run in the thread that submits it and loses it on the loop; others read a
  copy. So they do with ``_at_each_end``, whose functions are called without the lock and wait for
  nothing.
"""

from __future__ import annotations

import logging
from abc import ABCMeta, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextvars import Context, ContextVar, copy_context
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring._clock import clock_of
from mainspring._logs import get_logger, names_caller
from mainspring._mainspring import Engine, RunSteps, WorkerPool, keep_for_ever, returns_awaitable
from mainspring._runs.coroutine_run import CoroutineRun, raise_exit_of_program, wait_for
from mainspring._runs.run import (
    Runs,
    cancel_awaited,
    finish,
    go_on,
    noted_run,
    raise_cancelled,
    runs_of,
)
from mainspring._runs.submissions import Submission, Submissions, exception_of, failing
from mainspring._runs.submitting import carries, carry, in_context
from mainspring._threads.calls import call_function
from mainspring.events import (
    JobExecutionEvent,
)

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from contextlib import AbstractContextManager
    from types import TracebackType

    from mainspring._contract import Scheduler
    from mainspring.job import Job

__all__ = ("BaseExecutor", "MaxInstancesReachedError", "run_coroutine_job", "run_job")

#: The time that a scheduler in another process has told this one, where it is not the system's.
_told_time: ContextVar[datetime | None] = ContextVar("mainspring told time", default=None)

#: The methods of an executor through which every run goes, unless the engine makes it by itself.
RUN_METHODS = frozenset(("_do_submit_job", "_run_job_error", "_run_job_success", "submit_job"))


class Tells:
    """Calls of loggers, each in a function named as that of APScheduler which logs the same.

    A log record names the function that has called the logger, which code in Rust is not, and code in a
    generator is under a name that no user knows.
    """

    @staticmethod
    def run_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def run_coroutine_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def _run_job_error(log: Callable[..., object], job_id: str, exc_info: Any) -> None:
        """Log what has kept a run, or the events of one, from reaching the executor."""
        log("Error running job %s", job_id, exc_info=exc_info)


class MaxInstancesReachedError(Exception):
    """Raised when a job is submitted while as many of its runs as it allows are going on.

    :param job: the job
    """

    def __init__(self, job: Job) -> None:
        super().__init__(
            f'Job "{job.id}" has already reached its maximum number of instances '
            f"({job.max_instances})"
        )


class BaseExecutor(metaclass=ABCMeta):
    """What every executor must be able to do.

    A subclass writes :meth:`_do_submit_job`: it sees to it that :func:`run_job` or
    :func:`run_coroutine_job` is called and that what these return is given to
    :meth:`_run_job_success`, or an exception of theirs to :meth:`_run_job_error`.
    """

    _scheduler: Scheduler | None = None
    _lock: AbstractContextManager[Any] | None = None
    _logger: logging.Logger = get_logger("executors")
    #: The methods in whose place the engine may run the jobs; ``None`` where it may not. It does not where
    #: a program has put others there since, in a subclass or in the class itself.
    _native_methods: ClassVar[Mapping[str, object] | None] = None
    #: Whether a sync function is called at once, where and when it is submitted.
    _calls_here: ClassVar[bool] = False
    #: Whether a job never runs in the thread that submits it, before the submission returns.
    _runs_elsewhere: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._instances: defaultdict[str, int] = defaultdict(int)
        self._submissions = Submissions()
        #: Called whenever a submission has ended, in whichever thread that was.
        self._at_each_end: list[Callable[[], object]] = []
        self._coroutine_runs: set[CoroutineRun[list[JobExecutionEvent]]] = set()

    def __init_subclass__(cls, runs_natively: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        if runs_natively:
            cls._native_methods = {name: getattr(cls, name) for name in RUN_METHODS}

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in RUN_METHODS:
            self._tell_of_own_method()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in RUN_METHODS:
            self._tell_of_own_method()

    def _tell_of_own_method(self) -> None:
        """Have the scheduler call a method that was put into this executor while it runs."""
        tell = getattr(self._scheduler, "_executor_has_changed", None)
        if tell is not None:
            tell(self)

    def start(self, scheduler: Scheduler, alias: str) -> None:
        """Take note of the scheduler; it calls this when it starts or is given the executor later.

        :param scheduler: the scheduler that the executor now belongs to
        :param alias: the executor's name in that scheduler
        """
        self._scheduler = scheduler
        self._lock = scheduler._create_lock()
        self._logger = get_logger("executors", alias)

    def shutdown(self, wait: bool = True) -> None:
        """Take no more jobs.

        :param wait: whether to return only after all submitted jobs have been run
        """

    def _choose_pool(self, at_start: bool) -> bool:
        """Look which threads are to be used, where there is a choice; tell if they are others now.

        :param at_start: whether the scheduler begins to use its loop, so that time may be spent on it
        """
        return False

    def _forget_parent(self) -> None:
        """Let go of what runs in the parent of this process, which was forked, and be as before start().

        What goes on there is kept as it is, since to drop a coroutine is to run its ``finally``.
        """
        for run in self._coroutine_runs:
            keep_for_ever(run)
        self._coroutine_runs = set()
        self._instances = defaultdict(int)
        self._submissions = Submissions()
        self._lock = None

    def submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        """Have a job run, once for each of the times at which it was to run.

        :param job: the job
        :param run_times: those times, aware, earliest first
        :raises MaxInstancesReachedError: if as many runs as the job allows are going on
        """
        assert self._lock is not None, "This executor has not been started yet"
        with self._lock:
            if self._instances.get(job.id, 0) >= job.max_instances:
                raise MaxInstancesReachedError(job)

            self._submissions.add(job, run_times)  # it may have ended when it has been submitted
            try:
                self._do_submit_job(job, run_times)
            except BaseException:
                with failing(run_times):
                    self._submissions.take(job.id)
                raise
            self._instances[job.id] += 1
            if self._instances[job.id] == 0:  # it has ended already
                del self._instances[job.id]

    @abstractmethod
    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        """See to it that the job is run."""

    def _run_job_success(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        """Take the events of a submission that has been run, and send them to the listeners."""
        self._release_instance(job_id, events)
        self._tell(events)

    def _run_job_error(
        self, job_id: str, exc: BaseException, traceback: TracebackType | None = None
    ) -> None:
        """Take the exception that kept a submission from being run at all; log it, and tell the listeners.

        Where several submissions of a job are going on it is taken for the oldest's.
        """
        submission = self._release_instance(job_id)
        Tells._run_job_error(self._logger.error, job_id, (type(exc), exc, traceback))
        if submission is not None:
            self._tell(submission.errors(exc, traceback))

    def _fail(self, job: Job, run_times: Sequence[datetime], exc: BaseException) -> None:
        """Do what :meth:`_run_job_error` does, for one submission of perhaps several of the job."""
        with failing(run_times):
            self._run_job_error(job.id, exc, exc.__traceback__)

    def _tell(self, events: Sequence[JobExecutionEvent]) -> None:
        assert self._scheduler is not None
        clock_of(self._scheduler)._note_events(self._scheduler, events)
        engine = getattr(self._scheduler, "_engine", None)
        if isinstance(engine, Engine):  # and not that of a scheduler which a test has put there
            engine.count(events)
        for event in events:
            self._scheduler._dispatch_event(event)

    def _release_instance(
        self, job_id: str, events: Sequence[JobExecutionEvent] = ()
    ) -> Submission | None:
        assert self._lock is not None
        with self._lock:
            submission = self._submissions.take(job_id, events)
            self._instances[job_id] -= 1
            if self._instances[job_id] == 0:
                del self._instances[job_id]
        for tell in tuple(self._at_each_end):
            tell()
        return submission

    def _submissions_under_way(self) -> int:
        """Return how many jobs have been submitted and have not come to their end."""
        assert self._lock is not None
        with self._lock:
            return sum(self._instances.values())

    def _run_here(self, job: Job, run_times: Sequence[datetime]) -> None:
        """Run a submission in the calling thread."""
        try:
            events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
        except BaseException as exc:
            self._fail(job, run_times, exc)
        else:
            self._deliver(job.id, events)

    def _run_in(self, pool: Any, job: Job, run_times: Sequence[datetime]) -> None:
        """Have a pool call :meth:`_run_here`; tell of a submission that it drops before that."""

        def tell_if_dropped(ended: Future[Any]) -> None:
            exc = exception_of(ended)
            if exc is not None and (ended.cancelled() or isinstance(exc, BrokenExecutor)):
                self._fail(job, run_times, exc)

        context = self._context_for(job)
        if isinstance(pool, WorkerPool):  # which drops nothing
            WorkerPool.submit(pool, context.run, carry, self._run_here, job, run_times)
            return
        call: tuple[Any, ...] = (self._run_here, job, run_times)
        if carries(pool):
            future = context.copy().run(pool.submit, in_context, context, *call)
        else:
            future = pool.submit(context.run, *call)
        if isinstance(future, Future):
            future.add_done_callback(tell_if_dropped)

    def _deliver(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        """Pass on what :meth:`_run_here` has to tell, in whichever thread it should be told."""
        self._run_job_success(job_id, events)

    def _loop_for(self, job: Job) -> AbstractEventLoop | None:
        """Return the loop for a job that is known to be a coroutine job, where there is one."""
        assert self._scheduler is not None
        # An executor of a program's own may submit what is not quite a job, with no function.
        if returns_awaitable(getattr(job, "func", None)):
            return self._scheduler._coroutine_loop()
        return None

    def _context_for(self, job: Job) -> Context:
        """Return a context for one run: a copy of the job's own, or of that of the submission."""
        own: Context | None = getattr(job, "context", None)
        context = copy_context() if own is None else own.copy()
        clock_of(self._scheduler)._follow_in(context)
        return context

    def _submit_coroutine_job(
        self, job: Job, run_times: Sequence[datetime], loop: AbstractEventLoop
    ) -> None:
        """Have :func:`run_coroutine_job` run on a loop; callable in any thread."""
        coroutine = run_coroutine_job(job, job._jobstore_alias, run_times, self._logger.name)
        not_begun = partial(_cancelled_run, job, run_times, self._logger)
        run = CoroutineRun(coroutine, loop, self._context_for(job), not_begun)
        self._follow_run(job, run_times, run)

    def _run_on_loop_thread(
        self, job: Job, run_times: Sequence[datetime], loop: AbstractEventLoop
    ) -> None:
        """Run a submission in the calling thread, and from the first awaitable on as a task of its loop."""
        context = self._context_for(job)
        scheduler = job._scheduler
        assert scheduler is not None

        def call(job: Job) -> Any:
            with scheduler._calling_out():
                return call_function(job)

        runs = _runs(job, call, job._jobstore_alias, run_times, self._logger)
        try:
            awaitable = noted_run(job, context.run, next, runs)
        except StopIteration as end:
            context.run(self._run_job_success, job.id, end.value)
        else:
            not_begun = partial(cancel_awaited, runs, awaitable)
            run = CoroutineRun(go_on(runs, awaitable), loop, context, not_begun)
            self._follow_run(job, run_times, run)

    def _follow_run(
        self, job: Job, run_times: Sequence[datetime], run: CoroutineRun[list[JobExecutionEvent]]
    ) -> None:
        """Begin a run, and take its outcome when it has ended, where it ends."""

        def take_end(ended: Future[list[JobExecutionEvent]]) -> None:
            self._coroutine_runs.discard(run)
            run.tell(self._take_outcome, job, run_times, ended)

        run.ended.add_done_callback(take_end)
        self._coroutine_runs.add(run)
        try:
            run.begin()
        except BaseException:
            self._coroutine_runs.discard(run)
            raise

    def _take_outcome(
        self, job: Job, run_times: Sequence[datetime], ended: Future[list[JobExecutionEvent]]
    ) -> None:
        exc = exception_of(ended)
        if exc is not None:
            self._fail(job, run_times, exc)
        else:
            events = ended.result()
            self._run_job_success(job.id, events)
            raise_exit_of_program(events)


def run_job(
    job: Job, jobstore_alias: str | None, run_times: Sequence[datetime], logger_name: str
) -> list[JobExecutionEvent]:
    """Call a job's function, once for each of the times at which it was to run.

    An awaitable that the function returns is awaited on the loop of the job's scheduler while the
    calling thread waits; where there is no such loop, as in a child process, on one made for it.

    :param job: the job
    :param jobstore_alias: alias of the job's store, for the events
    :param run_times: those times, aware, earliest first
    :param logger_name: name of the logger that is told
    :return: one event for each time: executed, error or missed
    """
    from mainspring._threads.loop import call_here

    runs = _runs(job, call_here, jobstore_alias, run_times, logging.getLogger(logger_name))
    return noted_run(job, finish, runs, lambda awaitable: wait_for(awaitable, job))


async def run_coroutine_job(
    job: Job, jobstore_alias: str | None, run_times: Sequence[datetime], logger_name: str
) -> list[JobExecutionEvent]:
    """Do what :func:`run_job` does, and await what the function returns in the calling task.

    :param job: the job
    :param jobstore_alias: alias of the job's store, for the events
    :param run_times: the times at which it was to run, aware, earliest first
    :param logger_name: name of the logger that is told
    :return: one event for each time: executed, error or missed
    """
    logger = logging.getLogger(logger_name)
    runs = _runs(job, call_function, jobstore_alias, run_times, logger, is_coroutine=True)
    try:
        awaitable = next(runs)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    return await go_on(runs, awaitable)


def _cancelled_run(
    job: Job, run_times: Sequence[datetime], logger: logging.Logger
) -> list[JobExecutionEvent]:
    """Tell of runs that were cancelled before they began."""
    runs = _runs(job, raise_cancelled, job._jobstore_alias, run_times, logger, is_coroutine=True)
    return finish(runs, raise_cancelled)


def _runs(
    job: Job,
    call: Callable[[Job], Any],
    jobstore_alias: str | None,
    run_times: Sequence[datetime],
    logger: logging.Logger,
    is_coroutine: bool = False,
) -> Runs:
    """Make the runs, by this module's ``datetime``, which programs patch."""
    steps = RunSteps(job, jobstore_alias, run_times, logger, _now, is_coroutine)
    return runs_of(job, call, steps)


def _now(job: Job) -> datetime:
    """Return the time by the clock of the job's scheduler; in a child process it has none."""
    return _told_time.get() or clock_of(job._scheduler)._now(timezone.utc, datetime)


def run_job_at(now: datetime, *args: Any) -> list[JobExecutionEvent]:
    """Do what :func:`run_job` does in another process, which does not know the scheduler's clock.

    :param now: the time by that clock, aware
    :param args: the arguments of :func:`run_job`
    :return: one event for each time: executed, error or missed
    """
    told = _told_time.set(now)
    try:
        return run_job(*args)
    finally:
        _told_time.reset(told)


names_caller(globals(), "executors.base")
