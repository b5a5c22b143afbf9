"""Next run times that a scheduler works out from the time now, and whether they hold when they are set.

A run time may be handed over to an executor between the moment in which the clock is read and the one in
which a job gets its next run time, and must not be handed over once more then. So a :class:`Plan` has
the revision of the job that it is made for, which is another one when a run time has been handed over. It
is looked at again, under the store's lock, when the plan is carried out; a plan that does not hold any more
is made anew.

Between the two may be a ``modify_job`` of the user's own, which gets a next run time as in APScheduler; it
is known again as the plan's by being that very object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from mainspring._mainspring import same_fire_times
from mainspring._scheduler.replaced import native_store

if TYPE_CHECKING:
    from mainspring._contract import PlanningScheduler
    from mainspring._mainspring import NativeStore
    from mainspring.job import Job
    from mainspring.triggers.base import BaseTrigger


class Plan(NamedTuple):
    """A next run time that follows from a trigger and the time now."""

    #: The id of the job.
    job_id: str
    #: The next run time; ``None`` if the trigger has ended.
    next_run_time: datetime | None
    #: The revision of the job that it is made for: another one when a run time has been handed over.
    revision: int

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Let :meth:`of` find this plan."""
        token = _under_way.set(self)
        try:
            yield
        finally:
            _under_way.reset(token)

    @staticmethod
    def of(job_id: str, changes: Mapping[str, Any]) -> Plan | None:
        """Return the plan under way that these changes of a job are to carry out, if they are."""
        plan = _under_way.get()
        next_run_time = changes.get("next_run_time")
        # To pause a job, as a listener may meanwhile, needs no plan.
        if plan is None or next_run_time is None or job_id != plan.job_id:
            return None
        return plan if next_run_time is plan.next_run_time else None


_under_way: ContextVar[Plan | None] = ContextVar("_under_way", default=None)


class Planner:
    """Makes plans for the jobs of a scheduler, and carries them out.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: PlanningScheduler) -> None:
        self._scheduler = scheduler

    def plan(self, job_id: str, alias: str | None, trigger: BaseTrigger) -> Plan:
        """Work out the next run time from now on of a job with this trigger.

        None that an equal trigger has given and that has been handed over is given again.

        :param alias: the alias of the job's store; ``None`` where it is in none, or that is not known
        """
        known = None if alias is None else self._known(alias)
        # Before the clock is read: what is handed over after that makes the plan void.
        revision, last = (0, None) if known is None else known.handed_over(job_id, trigger)
        return Plan(job_id, self._scheduler._first_fire_time(trigger, last), revision)

    def carry_out(self, plan: Plan, job: Job, alias: str | None, changes: dict[str, Any]) -> None:
        """Make planned changes to a job, after another plan where this one does not hold any more."""
        while not self._make_planned(plan, job, alias, changes):
            plan = self.plan(job.id, alias, changes.get("trigger", job.trigger))
            changes = {**changes, "next_run_time": plan.next_run_time}

    def _make_planned(
        self, plan: Plan, job: Job, alias: str | None, changes: dict[str, Any]
    ) -> bool:
        known = None if alias is None else self._known(alias)
        if known is not None and not isinstance(known, HandedOver):
            return job._modify_since(plan.revision, changes)
        # The store is locked. The job may be a native store's that is swept here, which knows of no run time.
        holds = known is None or known.revision(job.id) == plan.revision
        if holds:
            job._modify(**changes)
        return holds

    def _known(self, alias: str) -> NativeStore | HandedOver | None:
        """Return what knows of the last run times that were handed over of the jobs of a store."""
        store = self._scheduler._jobstores.get(alias)
        if store is None:
            return None
        core = native_store(store)
        return self._scheduler._sweeper.handed_over(alias) if core is None else core


def first_fire_time(
    ask: Callable[..., datetime | None], now: datetime, last: datetime | None
) -> datetime | None:
    """Return the first fire time from now on, and after the last that was handed over, if there is one.

    :param ask: a trigger's ``get_next_fire_time``
    """
    if last is None:
        return ask(None, now)
    # The trigger may not look at the clock, which may have stepped back or not moved on yet.
    after = last.astimezone(timezone.utc) + timedelta(microseconds=1)
    if now < after:
        now = after.astimezone(now.tzinfo)
    first = ask(None, now)
    return ask(last, now) if first is not None and first.timestamp() <= last.timestamp() else first


class HandedOver:
    """The last run times that were handed over of the jobs of a store written in Python.

    It is changed under the store's lock.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, datetime, BaseTrigger]] = {}
        self._revisions = count(1)

    def note(self, job: Job, run_time: datetime) -> None:
        """Take note that a run time of a job is handed over."""
        self._last[job.id] = (next(self._revisions), run_time, job.trigger)

    def revision(self, job_id: str) -> int:
        """Return a number that is another one whenever a run time of this job has been handed over."""
        found = self._last.get(job_id)
        return 0 if found is None else found[0]

    def handed_over(self, job_id: str, trigger: BaseTrigger) -> tuple[int, datetime | None]:
        """Return that number, and the last run time if an equal trigger has given it."""
        found = self._last.get(job_id)
        if found is None:
            return 0, None
        revision, last, given_by = found
        return revision, last if _are_equal(given_by, trigger) else None

    def forget(self, job_id: str) -> None:
        """Forget a job that is not in the store any more."""
        self._last.pop(job_id, None)

    def clear(self) -> None:
        """Forget all jobs."""
        self._last.clear()


def _are_equal(a: BaseTrigger, b: BaseTrigger) -> bool:
    """Tell whether two triggers are known to have the same fire times."""
    if type(a) is not type(b):
        return False
    try:
        return same_fire_times(a, b) or bool(vars(a) and vars(a) == vars(b))
    except Exception:  # an attribute that cannot be compared, or a trigger without any
        return False
