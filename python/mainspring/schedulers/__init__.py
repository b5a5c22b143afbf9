"""Schedulers, and the two errors about whether one is running."""

from __future__ import annotations

__all__ = ("SchedulerAlreadyRunningError", "SchedulerNotRunningError")


class SchedulerAlreadyRunningError(Exception):
    """Raised by what only a stopped scheduler can do, such as ``start`` and ``configure``."""

    def __str__(self) -> str:
        return "Scheduler is already running"


class SchedulerNotRunningError(Exception):
    """Raised by what only a started scheduler can do, such as ``shutdown`` and ``pause``."""

    def __str__(self) -> str:
        return "Scheduler is not running"
