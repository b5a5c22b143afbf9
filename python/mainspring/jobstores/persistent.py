"""What the job stores have in common that keep jobs as bytes, in a place that outlives the program.

Ground rules: a scheduler calls a store's methods never from two threads at once, so that nothing here
needs a lock.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from mainspring._clock import clock_of
from mainspring._logs import names_caller
from mainspring._pickles import WRITE_FORMATS, WriteFormat, dumps, loads, ours, theirs
from mainspring.job import Job
from mainspring.jobstores.base import BaseJobStore

__all__ = ("ParkedJob", "PersistentJobStore")

#: How long a job that could not be loaded is left alone where no scheduler says so, in seconds.
RETRY_INTERVAL = 10.0


class ParkedJob(NamedTuple):
    """A stored job that cannot be loaded and is therefore not run.

    It stays in its store, unchanged.
    """

    #: The job's id.
    job_id: str
    #: What loading it raised.
    reason: Exception


class _Parked(NamedTuple):
    state: bytes
    reason: Exception
    #: When to try again, as :meth:`PersistentJobStore._monotonic` counts.
    retry_at: float


class PersistentJobStore(BaseJobStore):
    """A job store that keeps pickled jobs.

    Jobs that APScheduler 3.x has pickled are read too. A subclass stores what :meth:`_dump` returns, and
    makes jobs of that with :meth:`_load_all`, which leaves out the ones that cannot be loaded. Those
    are *parked*: they stay in the store as they are and are not run. Once in a while, and whenever
    a program asks for them, another attempt is made.

    :param pickle_protocol: the pickle protocol to write with
    :param write_format: ``"mainspring"``, or ``"apscheduler"`` to write what APScheduler 3.11 can read;
        either is read
    :raises ValueError: if there is no such format
    """

    def __init__(
        self,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        write_format: WriteFormat = "mainspring",
    ) -> None:
        super().__init__()
        if write_format not in WRITE_FORMATS:
            raise ValueError(
                f"write_format must be one of {', '.join(WRITE_FORMATS)}, got {write_format!r}"
            )
        self.pickle_protocol = pickle_protocol
        self.write_format: WriteFormat = write_format
        self._parked: dict[str, _Parked] = {}
        self._newly_parked: list[ParkedJob] = []

    def get_parked_jobs(self) -> list[ParkedJob]:
        """Return the jobs in the store that are known to be impossible to load.

        Nothing but this shows them: :meth:`get_all_jobs` leaves them out. They can be removed and
        replaced by their ids as any other.
        """
        return [ParkedJob(job_id, parked.reason) for job_id, parked in self._parked.items()]

    def _dump(self, job: Job) -> bytes:
        """Return a job as bytes.

        :raises ValueError: if the job's callable has no importable name
        """
        return dumps(self._fields_of(job), self.pickle_protocol, self.write_format)

    def _load(self, state: bytes) -> Job:
        """Return the job that the bytes hold; raises whatever that raises."""
        return self._job_of(loads(state))

    def _fields_of(self, job: Job) -> dict[str, Any]:
        fields: dict[str, Any] = job.__getstate__()
        if self.write_format == "apscheduler":
            fields["func"] = theirs(fields["func"])
        return fields

    def _job_of(self, fields: dict[str, Any]) -> Job:
        fields["func"] = ours(fields["func"])
        job = Job.__new__(Job)
        job.__setstate__(fields)
        job._scheduler = self._scheduler
        job._jobstore_alias = self._alias
        return job

    def _load_all(self, rows: Iterable[tuple[str, bytes]], *, when_due: bool = False) -> list[Job]:
        """Return the jobs of the rows in the rows' order, without those that cannot be loaded.

        :param rows: ids and what :meth:`_dump` has returned
        :param when_due: whether to leave out without a try those that have been parked just now
        """
        jobs = []
        for job_id, state in rows:
            parked = self._parked.get(job_id)
            if parked is not None and parked.state != state:
                parked = None
            if when_due and parked is not None and self._monotonic() < parked.retry_at:
                continue
            try:
                jobs.append(self._load(state))
            except Exception as exc:
                self._park(job_id, state, exc, is_new=parked is None)
            else:
                self._unpark(job_id)
        return jobs

    def _park(self, job_id: str, state: bytes, reason: Exception, is_new: bool) -> None:
        retry_at = self._monotonic() + self._retry_interval()
        # Without its traceback, which would keep the frames, and what they hold, alive.
        self._parked[job_id] = _Parked(state, reason.with_traceback(None), retry_at)
        if is_new:
            self._newly_parked.append(ParkedJob(job_id, reason))
            self._logger.error(
                'Unable to load job "%s" -- it stays in the job store and is not run until it can be '
                "loaded: %s: %s",
                job_id,
                type(reason).__name__,
                reason,
            )

    def _unpark(self, job_id: str) -> None:
        if self._parked.pop(job_id, None) is not None:
            self._logger.info('Job "%s" can be loaded again', job_id)

    def _forget_parked(self, job_ids: Iterable[str]) -> None:
        """Take note that jobs are not in the store any more, or not as they were."""
        for job_id in job_ids:
            self._parked.pop(job_id, None)

    def _retry_interval(self) -> float:
        return getattr(self._scheduler, "jobstore_retry_interval", RETRY_INTERVAL)

    def _earliest_not_parked(self, rows: Iterable[tuple[str, datetime]]) -> datetime | None:
        """Return the next run time of the first row whose job is not parked.

        :param rows: ids and next run times, earliest first; one more than there are parked jobs is
            enough
        """
        return next((at for job_id, at in rows if job_id not in self._parked), None)

    # What a sweep asks for besides the methods of every job store

    def _take_newly_parked(self) -> list[ParkedJob]:
        """Return the jobs that have been parked since this was called last."""
        taken, self._newly_parked = self._newly_parked, []
        return taken

    def _retry_parked(self) -> None:
        """Try again to load the parked jobs whose time for that has come, whether or not they are due."""
        now = self._monotonic()
        for job_id, parked in list(self._parked.items()):
            if parked.retry_at > now:
                continue
            self.lookup_job(job_id)
            if self._parked.get(job_id) is parked:  # nothing was there to be tried
                del self._parked[job_id]

    def _next_retry(self) -> datetime | None:
        """Return when to try again to load a parked job, or ``None`` if there is none."""
        if not self._parked:
            return None
        wait = min(parked.retry_at for parked in self._parked.values()) - self._monotonic()
        now = clock_of(self._scheduler)._now(timezone.utc, datetime)
        return now + timedelta(seconds=max(wait, 0))

    def _monotonic(self) -> float:
        """Return how much time has passed, in seconds, for the scheduler."""
        return clock_of(self._scheduler)._monotonic()

    def _save_due_jobs(
        self, updated: Sequence[Job], removed: Sequence[str]
    ) -> Mapping[str, Exception]:
        """Save what a sweep has changed, in one transaction where the store has them.

        :param updated: jobs with new run times
        :param removed: ids of the jobs that will not run again
        :return: what could not be done, by the job's id; ``JobLookupError`` where there was no such
            job
        :raises Exception: if nothing could be saved at all
        """
        failures: dict[str, Exception] = {}
        for job in updated:
            try:
                self.update_job(job)
            except Exception as exc:
                failures[job.id] = exc
        for job_id in removed:
            try:
                self.remove_job(job_id)
            except Exception as exc:
                failures[job_id] = exc
        return failures

    def _dump_all(
        self, jobs: Iterable[Job], failures: dict[str, Exception]
    ) -> list[tuple[Job, bytes]]:
        """Return jobs with their bytes, and note what goes wrong with one of them."""
        dumped = []
        for job in jobs:
            try:
                dumped.append((job, self._dump(job)))
            except Exception as exc:
                failures[job.id] = exc
        return dumped


names_caller(globals(), "jobstores.persistent")
