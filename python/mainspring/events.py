"""Events that a scheduler sends to its listeners: their classes, and their codes as bits.

Each class sets all its attributes itself: several events are made for each run, and each would pay for
every call of the ``__init__`` of another class.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

__all__ = (
    "EVENT_ALL",
    "EVENT_ALL_JOBS_REMOVED",
    "EVENT_EXECUTOR_ADDED",
    "EVENT_EXECUTOR_REMOVED",
    "EVENT_JOBSTORE_ADDED",
    "EVENT_JOBSTORE_REMOVED",
    "EVENT_JOB_ADDED",
    "EVENT_JOB_ERROR",
    "EVENT_JOB_EXECUTED",
    "EVENT_JOB_MAX_INSTANCES",
    "EVENT_JOB_MISSED",
    "EVENT_JOB_MODIFIED",
    "EVENT_JOB_REMOVED",
    "EVENT_JOB_SUBMITTED",
    "EVENT_SCHEDULER_PAUSED",
    "EVENT_SCHEDULER_RESUMED",
    "EVENT_SCHEDULER_SHUTDOWN",
    "EVENT_SCHEDULER_STARTED",
    "JobEvent",
    "JobExecutionEvent",
    "JobSubmissionEvent",
    "SchedulerEvent",
)

#: The scheduler was started. ``EVENT_SCHEDULER_START`` is an older name of it.
EVENT_SCHEDULER_STARTED: Final = 1 << 0
EVENT_SCHEDULER_START: Final = EVENT_SCHEDULER_STARTED
#: The scheduler was shut down.
EVENT_SCHEDULER_SHUTDOWN: Final = 1 << 1
#: Job processing was paused.
EVENT_SCHEDULER_PAUSED: Final = 1 << 2
#: Job processing was resumed.
EVENT_SCHEDULER_RESUMED: Final = 1 << 3
#: An executor was added.
EVENT_EXECUTOR_ADDED: Final = 1 << 4
#: An executor was removed.
EVENT_EXECUTOR_REMOVED: Final = 1 << 5
#: A job store was added.
EVENT_JOBSTORE_ADDED: Final = 1 << 6
#: A job store was removed.
EVENT_JOBSTORE_REMOVED: Final = 1 << 7
#: All jobs were removed from one job store or from all of them.
EVENT_ALL_JOBS_REMOVED: Final = 1 << 8
#: A job was added to a job store (:class:`JobEvent`, as for the next two).
EVENT_JOB_ADDED: Final = 1 << 9
#: A job was removed from its job store, by the user or because its trigger has ended.
EVENT_JOB_REMOVED: Final = 1 << 10
#: A job was modified from outside the scheduler.
EVENT_JOB_MODIFIED: Final = 1 << 11
#: A run returned (:class:`JobExecutionEvent`, as for the next two).
EVENT_JOB_EXECUTED: Final = 1 << 12
#: A run raised an exception.
EVENT_JOB_ERROR: Final = 1 << 13
#: A run was skipped because it could not start within the job's grace time.
EVENT_JOB_MISSED: Final = 1 << 14
#: A job was handed to its executor (:class:`JobSubmissionEvent`, as for the next one).
EVENT_JOB_SUBMITTED: Final = 1 << 15
#: A job was not handed to its executor because enough of its runs were still going on.
EVENT_JOB_MAX_INSTANCES: Final = 1 << 16
#: Every event.
EVENT_ALL: Final = (1 << 17) - 1


class SchedulerEvent:
    """An event that concerns the scheduler itself.

    :param code: which event, one of the ``EVENT_*`` bits
    :param alias: alias of the job store or executor concerned, where there is one

    >>> SchedulerEvent(EVENT_JOBSTORE_ADDED, "default")
    <SchedulerEvent (code=64, alias='default')>
    """

    def __init__(self, code: int, alias: str | None = None) -> None:
        self.code = code
        self.alias = alias

    def __repr__(self) -> str:
        fields = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if v is not None)
        return f"<{type(self).__name__} ({fields})>"


class JobEvent(SchedulerEvent):
    """An event that concerns one job.

    :param code: which event
    :param job_id: the job's id
    :param jobstore: alias of the job's store, ``None`` for a job that is not in one yet
    """

    def __init__(self, code: int, job_id: str, jobstore: str | None) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore


class JobSubmissionEvent(JobEvent):
    """An event that concerns the handing of a job to its executor.

    :param code: which event
    :param job_id: the job's id
    :param jobstore: alias of the job's store
    :param scheduled_run_times: the times at which the job was to run, aware
    """

    def __init__(
        self,
        code: int,
        job_id: str,
        jobstore: str | None,
        scheduled_run_times: Sequence[datetime],
    ) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore
        self.scheduled_run_times = scheduled_run_times


class JobExecutionEvent(JobEvent):
    """An event that concerns one run of a job.

    :param code: which event
    :param job_id: the job's id
    :param jobstore: alias of the job's store
    :param scheduled_run_time: the time at which the run was to start, aware
    :param retval: what the job's function returned
    :param exception: the exception it raised
    :param traceback: that exception's traceback as text
    """

    def __init__(
        self,
        code: int,
        job_id: str,
        jobstore: str | None,
        scheduled_run_time: datetime,
        retval: Any = None,
        exception: BaseException | None = None,
        traceback: str | None = None,
    ) -> None:
        self.code = code
        self.alias = None
        self.job_id = job_id
        self.jobstore = jobstore
        self.scheduled_run_time = scheduled_run_time
        self.retval = retval
        self.exception = exception
        self.traceback = traceback
