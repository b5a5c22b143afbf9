"""Schedulers, the two errors about whether one is running, and what closing one tells."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

__all__ = ("CancelledRun", "SchedulerAlreadyRunningError", "SchedulerNotRunningError")


class CancelledRun(NamedTuple):
    """A run that was cancelled since it had not ended when its scheduler was to be closed."""

    #: The id of the job.
    job_id: str
    #: When the run was to begin, aware.
    scheduled_run_time: datetime
    #: The alias of the job's store.
    jobstore: str | None


class SchedulerAlreadyRunningError(Exception):
    """Raised by what only a stopped scheduler can do, such as ``start`` and ``configure``."""

    def __str__(self) -> str:
        return "Scheduler is already running"


class SchedulerNotRunningError(Exception):
    """Raised by what only a started scheduler can do, such as ``shutdown`` and ``pause``."""

    def __str__(self) -> str:
        return "Scheduler is not running"
