"""What the suites for job stores share: triggers of each kind, what to compare of a job, an executor."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from mainspring.executors.debug import DebugExecutor
from mainspring.job import Job
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.combining import AndTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.support import DAY

PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)
BERLIN = ZoneInfo("Europe/Berlin")

TRIGGERS: list[BaseTrigger] = [
    DateTrigger(datetime(2999, 1, 1, 12, 30, 15, 123456), BERLIN),
    IntervalTrigger(hours=1, seconds=0.25, start_date=DAY, end_date=DAY + timedelta(days=9)),
    IntervalTrigger(days=1, start_date=DAY, timezone=BERLIN, jitter=5),
    CronTrigger("2999-3010", "jan-mar", "last,2nd fri", "*/2", "mon-wed,sun", "*/5", 3, 4),
    CronTrigger(hour="3-5", start_date=DAY, end_date=DAY + timedelta(days=9), timezone=BERLIN),
    CalendarIntervalTrigger(
        months=1, hour=4, minute=5, second=6, start_date=date(2999, 1, 31), timezone=BERLIN
    ),
    AndTrigger([CronTrigger(hour=3, timezone=BERLIN), CronTrigger(day=1, hour=3, timezone=BERLIN)]),
    OrTrigger([DateTrigger(DAY), AndTrigger([IntervalTrigger(days=1, start_date=DAY)])], jitter=2),
]


def ids(found: list[Job]) -> list[str]:
    return [job.id for job in found]


def facts(job: Job) -> dict[str, Any]:
    return {**job.__getstate__(), "trigger": (type(job.trigger), repr(job.trigger))}


class ForeignExecutor(DebugExecutor):
    """Runs jobs at once, and pretends to run them elsewhere, as pools do."""

    _runs_elsewhere = True
