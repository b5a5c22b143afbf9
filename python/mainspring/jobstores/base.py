"""The interface of a job store, and the errors a job store raises."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING

from mainspring._logs import get_logger

if TYPE_CHECKING:
    from logging import Logger

    from mainspring._contract import Scheduler
    from mainspring.job import Job

__all__ = ("BaseJobStore", "ConflictingIdError", "JobLookupError", "TransientJobError")


class JobLookupError(KeyError):
    """Raised when there is no job under the id given.

    :param job_id: the id
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job by the id of {job_id} was found")


class ConflictingIdError(KeyError):
    """Raised when a job is added under an id that the store already has.

    :param job_id: the id
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job identifier ({job_id}) conflicts with an existing job")


class TransientJobError(ValueError):
    """Raised when a job whose callable has no importable name is added to a persistent store.

    :param job_id: the job's id
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Job ({job_id}) cannot be added to this job store because a reference to the "
            "callable could not be determined."
        )


class BaseJobStore(metaclass=ABCMeta):
    """What every job store must be able to do.

    A scheduler calls the methods of one store never from two threads at once. Methods that return
    jobs give each the store's ``_scheduler`` and ``_alias``
    (as ``job._scheduler`` and ``job._jobstore_alias``).
    """

    _scheduler: Scheduler | None = None
    _alias: str | None = None
    _logger: Logger = get_logger("jobstores")

    def start(self, scheduler: Scheduler, alias: str) -> None:
        """Take note of the scheduler; it calls this when it starts or is given the store later.

        :param scheduler: the scheduler that the store now belongs to
        :param alias: the store's name in that scheduler
        """
        self._scheduler = scheduler
        self._alias = alias
        self._logger = get_logger("jobstores", alias)

    def shutdown(self) -> None:
        """Let go of every resource; the scheduler calls this when it shuts down."""

    def _fix_paused_jobs_sorting(self, jobs: list[Job]) -> None:
        """Move the paused jobs that lead the list to its end, in place."""
        paused = 0
        while paused < len(jobs) and jobs[paused].next_run_time is None:
            paused += 1
        jobs[:] = jobs[paused:] + jobs[:paused]

    @abstractmethod
    def lookup_job(self, job_id: str) -> Job | None:
        """Return a job, or ``None`` if the store has none under this id.

        :param job_id: the job's id
        """

    @abstractmethod
    def get_due_jobs(self, now: datetime) -> list[Job]:
        """Return the jobs whose next run time is not after ``now``, earliest first.

        :param now: the time now, aware
        """

    @abstractmethod
    def get_next_run_time(self) -> datetime | None:
        """Return the earliest next run time in the store, or ``None`` if no job will run."""

    @abstractmethod
    def get_all_jobs(self) -> list[Job]:
        """Return all jobs by next run time, earliest first and the paused ones last."""

    @abstractmethod
    def add_job(self, job: Job) -> None:
        """Add a job.

        :param job: the job, which has its id and its next run time
        :raises ConflictingIdError: if the store has a job under the same id
        """

    @abstractmethod
    def update_job(self, job: Job) -> None:
        """Replace the stored job that has the id of ``job``.

        :param job: the job as it is from now on
        :raises JobLookupError: if there is none
        """

    @abstractmethod
    def remove_job(self, job_id: str) -> None:
        """Remove a job.

        :param job_id: the job's id
        :raises JobLookupError: if there is none
        """

    @abstractmethod
    def remove_all_jobs(self) -> None:
        """Remove every job."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
