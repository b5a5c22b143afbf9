"""The jobs of a scheduler: adding, finding, changing and removing them."""

from __future__ import annotations

import sys
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context
from datetime import datetime, tzinfo
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from mainspring._logs import names_caller
from mainspring._mainspring import (
    added_event,
    log_added,
    log_removed,
    modified_event,
    removed_event,
)
from mainspring._scheduler.parts import SchedulerParts
from mainspring._scheduler.plans import Plan, Planner
from mainspring._scheduler.replaced import native_store
from mainspring._scheduler.state import STATE_STOPPED
from mainspring.events import EVENT_ALL_JOBS_REMOVED, SchedulerEvent
from mainspring.job import Job
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.triggers.base import BaseTrigger
from mainspring.util import undefined

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.jobstores.base import BaseJobStore
    from mainspring.util import _Undefined

F = TypeVar("F", bound=Callable[..., Any])


def _opened(file: str | PathLike[str] | IO[str], mode: str) -> AbstractContextManager[IO[str]]:
    """Open a file that is given by its path; a file that is open stays so afterwards."""
    if isinstance(file, str | PathLike):
        return open(file, mode, encoding="utf-8")
    return nullcontext(file)


class SchedulerJobs(SchedulerParts):
    """What a scheduler does with jobs; they are pending while it is stopped, else in its stores."""

    timezone: tzinfo
    _job_defaults: Mapping[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self._pending_jobs: list[tuple[Job, str, bool]] = []
        self._planner = Planner(self)

    def add_job(
        self,
        func: Callable[..., Any] | str,
        trigger: BaseTrigger | str | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: int | _Undefined | None = undefined,
        coalesce: bool | _Undefined = undefined,
        max_instances: int | _Undefined = undefined,
        next_run_time: datetime | str | _Undefined | None = undefined,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: bool = False,
        *,
        context: Context | str | None = None,
        **trigger_args: Any,
    ) -> Job:
        """Add a job. On a scheduler that is not running it is pending until :meth:`start`.

        What is left ``undefined`` comes from the ``job_defaults`` option.

        :param func: what to call, or a reference to it as ``package.module:name``
        :param trigger: when to call it: a trigger, or the alias of a trigger plugin (``date``,
            ``interval``, ``cron``, ``calendarinterval``), which then gets ``trigger_args``;
            ``None`` for once, now
        :param args: positional arguments of the call
        :param kwargs: keyword arguments of the call
        :param id: the job's id; a random one is made if there is none
        :param name: what to call the job in messages; the default is the name of ``func``
        :param misfire_grace_time: how late a run may start, in seconds; ``None`` for however late
        :param coalesce: whether several run times that have gone by become one run
        :param max_instances: how many runs of the job may go on at once
        :param next_run_time: when to run first, whatever the trigger says; ``None`` adds the job
            paused
        :param jobstore: alias of the job store to keep the job in
        :param executor: alias of the executor to run it with
        :param replace_existing: whether to replace a job that has the same id
        :param context: the context variables that the job sees, of which each run gets a copy: a
            context, ``"capture"`` for a copy of the one that is current here, or ``None`` for that
            in which the scheduler was started. Only jobs in memory can have a context of their own.
        :param trigger_args: arguments of the trigger; ``timezone`` defaults to the scheduler's
        :return: the job
        :raises ConflictingIdError: if the id exists and ``replace_existing`` is false
        :raises LookupError: if the trigger alias or the reference leads nowhere
        :raises KeyError: if there is no such job store
        :raises TypeError: if an argument is of a type that cannot be used
        :raises ValueError: if the arguments do not fit ``func``, or the store cannot keep a context

        >>> from mainspring import BackgroundScheduler
        >>> scheduler = BackgroundScheduler(timezone="UTC")
        >>> scheduler.add_job(print, "interval", minutes=5, args=["tick"], id="ticker")
        <Job (id=ticker name=print)>
        """
        # In the order of NativeJobs.arguments.
        given = (
            id,
            func,
            args,
            kwargs,
            name,
            misfire_grace_time,
            coalesce,
            max_instances,
            trigger,
            executor,
            next_run_time,
            context,
            jobstore,
        )
        return self._native_jobs.add(self, given, trigger_args, replace_existing)

    def _place_job(self, job: Job, jobstore: str, replace_existing: bool) -> bool:
        """Put a new job among the pending ones, or into its store; tell whether it pends."""
        self._note_running_loop()
        with self._jobstores_lock:
            if not self._stores_are_open():
                self._pending_jobs.append((job, jobstore, replace_existing))
                return True
        self._real_add_job(job, jobstore, replace_existing)
        return False

    def add_jobs(self, jobs: Iterable[Mapping[str, Any]]) -> list[Job]:
        """Add many jobs, each as by :meth:`add_job`, and much faster where they go to a memory store.

        They are added in their order; where one cannot be, those before it have been.

        :param jobs: for each job the arguments of :meth:`add_job` by name
        :return: the jobs
        :raises Exception: what :meth:`add_job` raises

        >>> from mainspring import BackgroundScheduler
        >>> scheduler = BackgroundScheduler(timezone="UTC")
        >>> scheduler.add_jobs(
        ...     {"func": print, "trigger": "interval", "minutes": n, "id": f"every-{n}"} for n in (5, 10)
        ... )
        [<Job (id=every-5 name=print)>, <Job (id=every-10 name=print)>]
        """
        jobs = list(jobs)
        added: list[Job] = []
        self._native_jobs.add_many(jobs, added)
        while len(added) < len(jobs):
            added.append(self.add_job(**jobs[len(added)]))
            self._native_jobs.add_many(jobs, added)
        return added

    def scheduled_job(
        self,
        trigger: BaseTrigger | str | None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: int | _Undefined | None = undefined,
        coalesce: bool | _Undefined = undefined,
        max_instances: int | _Undefined = undefined,
        next_run_time: datetime | str | _Undefined | None = undefined,
        jobstore: str = "default",
        executor: str = "default",
        *,
        context: Context | str | None = None,
        **trigger_args: Any,
    ) -> Callable[[F], F]:
        """Return a decorator that adds the decorated function as a job.

        The arguments are those of :meth:`add_job` with ``replace_existing=True``. Give an ``id``
        if the job store outlives the program, or every start adds the job once more.

        >>> from mainspring import BackgroundScheduler
        >>> scheduler = BackgroundScheduler(timezone="UTC")
        >>> @scheduler.scheduled_job("cron", hour=4, id="nightly")
        ... def clean_up():
        ...     pass
        >>> scheduler.get_job("nightly").name
        'clean_up'
        """

        if context is not None:
            trigger_args["context"] = context

        def decorator(func: F) -> F:
            self.add_job(
                func,
                trigger,
                args,
                kwargs,
                id,
                name,
                misfire_grace_time,
                coalesce,
                max_instances,
                next_run_time,
                jobstore,
                executor,
                True,
                **trigger_args,
            )
            return func

        return decorator

    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Any) -> Job:
        """Change attributes of a job.

        :param job_id: the job's id
        :param jobstore: alias of the job's store; ``None`` to look in all
        :param changes: the attributes, as :meth:`add_job` names them, and their new values
        :return: the job
        :raises JobLookupError: if there is no such job
        :raises AttributeError: if a name is not that of an attribute that can be changed
        """
        plan = Plan.of(job_id, changes)
        if plan is None:
            modified = self._native_jobs.modify(job_id, jobstore, changes)
            if modified is not None:
                return modified
        with self._hold_job(job_id, jobstore) as (job, alias):
            if plan is None:
                job._modify(**changes)
            else:
                self._planner.carry_out(plan, job, alias, changes)
            if alias:
                self._lookup_jobstore(alias).update_job(job)
        self._dispatch_event(modified_event(job_id, alias))
        self._store_has_changed(alias)
        return job

    def reschedule_job(
        self,
        job_id: str,
        jobstore: str | None = None,
        trigger: BaseTrigger | str | None = None,
        **trigger_args: Any,
    ) -> Job:
        """Give a job a new trigger, and the next run time that this has from now.

        :param job_id: the job's id
        :param jobstore: alias of the job's store; ``None`` to look in all
        :param trigger: as for :meth:`add_job`
        :param trigger_args: arguments of the trigger
        :return: the job
        :raises JobLookupError: if there is no such job
        :raises LookupError: if there is no such trigger alias
        """
        rescheduled = self._native_jobs.reschedule(job_id, jobstore, trigger, trigger_args)
        if rescheduled is not None:
            return rescheduled
        new = self._create_trigger(trigger, trigger_args)
        stores = self._stores(jobstore) if self._stores_are_open() else []
        plan = self._planner.plan(job_id, stores[0][0] if len(stores) == 1 else None, new)
        with plan.under_way():
            next_run_time = plan.next_run_time
            return self.modify_job(job_id, jobstore, trigger=new, next_run_time=next_run_time)

    def pause_job(self, job_id: str, jobstore: str | None = None) -> Job:
        """Have a job not run until :meth:`resume_job`.

        :param job_id: the job's id
        :param jobstore: alias of the job's store; ``None`` to look in all
        :return: the job
        :raises JobLookupError: if there is no such job
        """
        paused = self._native_jobs.pause(job_id, jobstore)
        return paused or self.modify_job(job_id, jobstore, next_run_time=None)

    def resume_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Have a paused job run again; a job whose trigger has ended meanwhile is removed.

        :param job_id: the job's id
        :param jobstore: alias of the job's store; ``None`` to look in all
        :return: the job, or ``None`` if it was removed
        :raises JobLookupError: if there is no such job
        """
        resumed = self._native_jobs.resume(job_id, jobstore)
        if resumed is not None:
            return resumed
        with self._hold_job(job_id, jobstore) as (job, alias):
            plan = self._planner.plan(job_id, alias, job.trigger)
            if plan.next_run_time:
                with plan.under_way():
                    return self.modify_job(job_id, alias, next_run_time=plan.next_run_time)
            self.remove_job(job.id, alias)
            return None

    def get_jobs(self, jobstore: str | None = None, pending: bool | None = None) -> list[Job]:
        """Return the jobs in the stores, or the pending jobs if the scheduler is not running.

        :param jobstore: alias of the only store to look in; ``None`` for all
        :param pending: deprecated and without effect
        """
        if pending is not None:
            warnings.warn(
                'The "pending" option is deprecated -- get_jobs() always returns '
                "scheduled jobs if the scheduler has been started and pending jobs "
                "otherwise",
                DeprecationWarning,
                stacklevel=2,
            )
        self._note_running_loop()
        with self._jobstores_lock:
            if not self._stores_are_open():
                return [job for job, alias, _ in self._pending_jobs if jobstore in (None, alias)]
        jobs: list[Job] = []
        for alias, store in self._stores(jobstore):
            with self._store_lock(alias):
                jobs.extend(store.get_all_jobs())
        return jobs

    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Return a job, or ``None`` if there is none under this id.

        :param job_id: the job's id
        :param jobstore: alias of the job's store; ``None`` to look in all
        """
        found = self._native_jobs.get(job_id, jobstore)
        if found is not None:
            return found
        try:
            return self._lookup_job(job_id, jobstore)[0]
        except JobLookupError:
            return None

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Remove a job; runs of it that are going on go on.

        :param job_id: the job's id
        :param jobstore: alias of the job's store; ``None`` to look in all
        :raises JobLookupError: if there is no such job
        """
        if self._native_jobs.remove(job_id, jobstore):
            return
        alias = self._remove_from_store(job_id, jobstore)
        self._dispatch_event(removed_event(job_id, alias))
        log_removed(self._logger, job_id)

    def _remove_from_store(self, job_id: str, jobstore: str | None) -> str:
        self._note_running_loop()
        with self._jobstores_lock:
            if not self._stores_are_open():
                for i, (job, alias, _) in enumerate(self._pending_jobs):
                    if job.id == job_id and jobstore in (None, alias):
                        del self._pending_jobs[i]
                        return alias
                raise JobLookupError(job_id)
        return self._take_out_of_store(job_id, jobstore)

    def _take_out_of_store(self, job_id: str, jobstore: str | None) -> str:
        for alias, store in self._stores(jobstore):
            with self._store_lock(alias):
                try:
                    store.remove_job(job_id)
                except JobLookupError:
                    continue
                self._sweeper.handed_over(alias).forget(job_id)
                return alias
        raise JobLookupError(job_id)

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Remove all jobs, of one store or of all; pending ones if the scheduler is not running.

        :param jobstore: alias of the store; ``None`` for all
        """
        self._note_running_loop()
        with self._jobstores_lock:
            pending = not self._stores_are_open()
            if pending:
                self._pending_jobs = [
                    entry for entry in self._pending_jobs if jobstore and entry[1] != jobstore
                ]
        if not pending:
            for alias, store in self._stores(jobstore):
                with self._store_lock(alias):
                    store.remove_all_jobs()
                    self._sweeper.handed_over(alias).clear()
        self._dispatch_event(SchedulerEvent(EVENT_ALL_JOBS_REMOVED, jobstore))

    def print_jobs(self, jobstore: str | None = None, out: IO[str] | None = None) -> None:
        """Print the jobs of one store or of all, one a line.

        :param jobstore: alias of the store; ``None`` for all
        :param out: the file to print to; ``sys.stdout`` by default
        """
        out = out or sys.stdout
        if not self._stores_are_open():
            print("Pending jobs:", file=out)
            for job in self.get_jobs(jobstore):
                print(f"    {job}", file=out)
            if not self._pending_jobs:
                print("    No pending jobs", file=out)
            return
        for alias, _ in sorted(self._stores(jobstore)):
            print(f"Jobstore {alias}:", file=out)
            jobs = self.get_jobs(alias)
            for job in jobs:
                print(f"    {job}", file=out)
            if not jobs:
                print("    No scheduled jobs", file=out)

    def export_jobs(
        self, outfile: str | PathLike[str] | IO[str], jobstore: str | None = None
    ) -> None:
        """Write the jobs of one store or of all to a JSON file.

        :param outfile: a file open for writing text, or the path of one to be written
        :param jobstore: alias of the store; ``None`` for all
        :raises RuntimeError: if the scheduler is not running
        :raises ValueError: if a job's callable has no importable name
        """
        from mainspring._scheduler.transfer import dump
        from mainspring.as_apscheduler import version_shown

        if self.state == STATE_STOPPED:
            raise RuntimeError("the scheduler must have been started for job export to work")
        jobs = self.get_jobs(jobstore)
        with _opened(outfile, "w") as file:
            dump(jobs, file, version_shown())

    def import_jobs(self, infile: str | PathLike[str] | IO[str], jobstore: str = "default") -> None:
        """Add the jobs that :meth:`export_jobs` has written, here or in APScheduler 3.11.

        The file can make this program run any code, as unpickling it can: read only files that
        you trust.

        :param infile: a file open for reading text, or the path of one
        :param jobstore: alias of the store to add the jobs to
        :raises KeyError: if there is no such job store
        :raises ValueError: if the file is not one of exported jobs
        :raises ConflictingIdError: if the store has a job with the id of one of them
        """
        from mainspring._scheduler.transfer import load

        store = self._lookup_jobstore(jobstore)
        with _opened(infile, "r") as file:
            jobs = load(file)
        with self._store_lock(jobstore):
            for job in jobs:
                job._scheduler = cast("Scheduler", self)
                job._jobstore_alias = jobstore
                store.add_job(job)
        self._store_has_changed(jobstore)

    def _create_trigger(
        self, trigger: BaseTrigger | str | None, trigger_args: dict[str, Any]
    ) -> BaseTrigger:
        """Return the trigger given, or the one that an alias and arguments stand for."""
        if isinstance(trigger, BaseTrigger):
            return trigger
        if trigger is None:
            trigger = "date"
        elif not isinstance(trigger, str):
            raise TypeError(
                f"Expected a trigger instance or string, got {type(trigger).__name__} instead"
            )
        trigger_args.setdefault("timezone", self.timezone)
        created: BaseTrigger = self._create_plugin_instance("trigger", trigger, trigger_args)
        return created

    def _lookup_job(self, job_id: str, jobstore_alias: str | None) -> tuple[Job, str | None]:
        """Return a job and the alias of its store, ``None`` for a pending one.

        :raises JobLookupError: if there is no such job
        """
        self._note_running_loop()
        if not self._stores_are_open():
            with self._jobstores_lock:
                for job, _, _ in self._pending_jobs:
                    if job.id == job_id:
                        return job, None
        else:
            for alias, store in self._stores(jobstore_alias):
                with self._store_lock(alias):
                    found = store.lookup_job(job_id)
                if found is not None:
                    return found, alias
        raise JobLookupError(job_id)

    def _real_add_job(self, job: Job, jobstore_alias: str, replace_existing: bool) -> None:
        """Fill in what the job leaves undefined, and put it into its store."""
        if self._native_jobs.put_made(job, jobstore_alias):
            return
        store = self._lookup_jobstore(jobstore_alias)
        if job.context is not None and native_store(store) is None:
            raise ValueError(
                f'Job "{job.id}" has a context of its own, which only a memory store can keep; '
                f'job store "{jobstore_alias}" is a {type(store).__name__}'
            )
        replacements = {k: v for k, v in self._job_defaults.items() if not hasattr(job, k)}
        is_planned = not hasattr(job, "next_run_time")
        with self._store_lock(jobstore_alias):
            is_in_store = False
            while not is_in_store:
                plan = (
                    self._planner.plan(job.id, jobstore_alias, job.trigger) if is_planned else None
                )
                if plan is not None:
                    replacements["next_run_time"] = plan.next_run_time
                job._modify(**replacements)
                is_in_store = self._put_into(store, job, replace_existing, plan)
        job._jobstore_alias = jobstore_alias
        self._dispatch_event(added_event(job.id, jobstore_alias))
        log_added(self._logger, job.name, jobstore_alias)
        self._store_has_changed(jobstore_alias)

    def _put_into(
        self, store: BaseJobStore, job: Job, replace_existing: bool, plan: Plan | None
    ) -> bool:
        """Add a job to a store, or update the one that has its id; tell whether that could be done.

        It could not where the plan does not hold any more, or the job to be replaced is gone.
        """
        try:
            store.add_job(job)
        except ConflictingIdError:
            if not replace_existing:
                raise
            core = native_store(store)
            if core is not None:
                return core.replace(job) if plan is None else core.replace_since(job, plan.revision)
            store.update_job(job)
        return True

    @contextmanager
    def _hold_job(self, job_id: str, jobstore: str | None) -> Iterator[tuple[Job, str | None]]:
        """Look a job up, and keep others from changing it until the changes to it are saved."""
        stores = self._stores(jobstore) if self._stores_are_open() else []
        if len(stores) == 1 and native_store(stores[0][1]) is None:
            with self._store_lock(stores[0][0]):
                yield self._lookup_job(job_id, jobstore)
            return
        # Which store it is in is not known before it has been found once.
        job, alias = self._lookup_job(job_id, jobstore)
        store = None if alias is None else self._jobstores.get(alias)
        if alias is None or store is None or native_store(store) is not None:
            yield job, alias
        else:
            with self._store_lock(alias):
                yield self._lookup_job(job_id, alias)

    @abstractmethod
    def _now(self) -> datetime:
        """Return the current time in the scheduler's zone."""

    @abstractmethod
    def _first_fire_time(
        self, trigger: BaseTrigger, last: datetime | None = None
    ) -> datetime | None:
        """Return the first fire time of a trigger from now on, and after ``last``, where it is given."""

    @abstractmethod
    def _store_has_changed(self, alias: str | None) -> None:
        """Look at a store, since a job in it may be due earlier than what is waited for."""


names_caller(globals(), "schedulers.base")
