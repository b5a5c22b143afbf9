"""mainspring takes APScheduler 3.x's place: a job scheduler for Python whose core is Rust.

Everything public can be imported from here, and from modules that are named as APScheduler's are.

>>> import mainspring
>>> from mainspring.schedulers.background import BackgroundScheduler
>>> mainspring.BackgroundScheduler is BackgroundScheduler
True

PYTEST_DONT_REWRITE: nor warn that it cannot be, where mainspring is imported before pytest looks for plugins.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import mainspring.from_thread  # noqa: F401 - for type checkers, as __getattr__ is not
    from mainspring._mainspring import __version__
    from mainspring.as_apscheduler import install_as_apscheduler
    from mainspring.events import (
        EVENT_ALL,
        EVENT_ALL_JOBS_REMOVED,
        EVENT_EXECUTOR_ADDED,
        EVENT_EXECUTOR_REMOVED,
        EVENT_JOB_ADDED,
        EVENT_JOB_ERROR,
        EVENT_JOB_EXECUTED,
        EVENT_JOB_MAX_INSTANCES,
        EVENT_JOB_MISSED,
        EVENT_JOB_MODIFIED,
        EVENT_JOB_REMOVED,
        EVENT_JOB_SUBMITTED,
        EVENT_JOBSTORE_ADDED,
        EVENT_JOBSTORE_REMOVED,
        EVENT_SCHEDULER_PAUSED,
        EVENT_SCHEDULER_RESUMED,
        EVENT_SCHEDULER_SHUTDOWN,
        EVENT_SCHEDULER_STARTED,
        JobEvent,
        JobExecutionEvent,
        JobSubmissionEvent,
        SchedulerEvent,
    )
    from mainspring.executors.asyncio import AsyncIOExecutor
    from mainspring.executors.base import BaseExecutor, MaxInstancesReachedError
    from mainspring.executors.debug import DebugExecutor
    from mainspring.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
    from mainspring.job import Job
    from mainspring.jobstores.base import (
        BaseJobStore,
        ConflictingIdError,
        JobLookupError,
        TransientJobError,
    )
    from mainspring.jobstores.memory import MemoryJobStore
    from mainspring.schedulers import (
        CancelledRun,
        SchedulerAlreadyRunningError,
        SchedulerNotRunningError,
    )
    from mainspring.schedulers.asyncio import AsyncIOScheduler
    from mainspring.schedulers.background import BackgroundScheduler
    from mainspring.schedulers.base import (
        STATE_PAUSED,
        STATE_RUNNING,
        STATE_STOPPED,
        BaseScheduler,
    )
    from mainspring.schedulers.blocking import BlockingScheduler
    from mainspring.triggers.base import BaseTrigger
    from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
    from mainspring.triggers.combining import AndTrigger, OrTrigger
    from mainspring.triggers.cron import CronTrigger
    from mainspring.triggers.date import DateTrigger
    from mainspring.triggers.interval import IntervalTrigger

    version: str
    version_info: tuple[int | str, ...]

#: Where each public name lives. A module is imported when a name of it is first asked for, so that
#: a program pays only for the schedulers and executors that it uses, and one that is tested with
#: pytest, which imports the plugin, for nothing.
_HOMES = {
    name: home
    for home, names in {
        "_mainspring": ("__version__",),
        "as_apscheduler": ("install_as_apscheduler",),
        "events": (
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
        ),
        "executors.asyncio": ("AsyncIOExecutor",),
        "executors.base": (
            "BaseExecutor",
            "MaxInstancesReachedError",
        ),
        "executors.debug": ("DebugExecutor",),
        "executors.pool": (
            "ProcessPoolExecutor",
            "ThreadPoolExecutor",
        ),
        "job": ("Job",),
        "jobstores.base": (
            "BaseJobStore",
            "ConflictingIdError",
            "JobLookupError",
            "TransientJobError",
        ),
        "jobstores.memory": ("MemoryJobStore",),
        "schedulers": (
            "CancelledRun",
            "SchedulerAlreadyRunningError",
            "SchedulerNotRunningError",
        ),
        "schedulers.asyncio": ("AsyncIOScheduler",),
        "schedulers.background": ("BackgroundScheduler",),
        "schedulers.base": (
            "STATE_PAUSED",
            "STATE_RUNNING",
            "STATE_STOPPED",
            "BaseScheduler",
        ),
        "schedulers.blocking": ("BlockingScheduler",),
        "triggers.base": ("BaseTrigger",),
        "triggers.calendarinterval": ("CalendarIntervalTrigger",),
        "triggers.combining": (
            "AndTrigger",
            "OrTrigger",
        ),
        "triggers.cron": ("CronTrigger",),
        "triggers.date": ("DateTrigger",),
        "triggers.interval": ("IntervalTrigger",),
    }.items()
    for name in names
}

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
    "STATE_PAUSED",
    "STATE_RUNNING",
    "STATE_STOPPED",
    "AndTrigger",
    "AsyncIOExecutor",
    "AsyncIOScheduler",
    "BackgroundScheduler",
    "BaseExecutor",
    "BaseJobStore",
    "BaseScheduler",
    "BaseTrigger",
    "BlockingScheduler",
    "CalendarIntervalTrigger",
    "CancelledRun",
    "ConflictingIdError",
    "CronTrigger",
    "DateTrigger",
    "DebugExecutor",
    "IntervalTrigger",
    "Job",
    "JobEvent",
    "JobExecutionEvent",
    "JobLookupError",
    "JobSubmissionEvent",
    "MaxInstancesReachedError",
    "MemoryJobStore",
    "OrTrigger",
    "ProcessPoolExecutor",
    "SchedulerAlreadyRunningError",
    "SchedulerEvent",
    "SchedulerNotRunningError",
    "ThreadPoolExecutor",
    "TransientJobError",
    "__version__",
    "from_thread",
    "install_as_apscheduler",
    "version",
    "version_info",
)


def __getattr__(name: str) -> Any:
    if name == "from_thread":
        return import_module(f"{__name__}.from_thread")
    if name == "version":
        return __getattr__("__version__")
    if name == "version_info":
        parts = __getattr__("__version__").split(".")
        return tuple(int(part) if part.isdigit() else part for part in parts)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def _for_freezers() -> None:
    """Is never called: it shows what packs programs which modules are imported by a name only."""
    import mainspring._named_modules  # noqa: F401


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
