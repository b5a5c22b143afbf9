"""Where an answer of APScheduler 3.11.3 is a defect, and how the comparison goes on from there."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

UTC = timezone.utc
MICRO = timedelta(microseconds=1)


def exists(dt: datetime) -> bool:
    """Whether a clock of its zone ever shows this time."""
    there_and_back = dt.astimezone(UTC).astimezone(dt.tzinfo)
    return there_and_back.replace(tzinfo=None, fold=0) == dt.replace(tzinfo=None, fold=0)


def matches(trigger: Any, dt: datetime) -> bool:
    """Whether a time matches all fields of a reference cron trigger, by the reference's own fields."""
    return not dt.microsecond and all(
        field.get_next_value(dt) == field.get_value(dt) for field in trigger.fields
    )


def search_start(trigger: Any, previous: datetime | None, now: datetime) -> datetime:
    """The instant from which a cron trigger looks for its next fire time, in its zone."""
    if previous is None:
        start = max(now, trigger.start_date) if trigger.start_date else now
    elif now.astimezone(UTC) < previous.astimezone(UTC):
        start = now
    else:
        start = previous.astimezone(UTC) + MICRO
    return start.astimezone(UTC).astimezone(trigger.timezone)


def change_between(start: datetime, end: datetime) -> bool:
    """Whether the zone changed its offset at a point between two of its times."""
    if start.utcoffset() != end.utcoffset():
        return True
    step = timedelta(days=7)
    t = start.astimezone(UTC)
    last = end.astimezone(UTC)
    while t < last:
        if t.astimezone(start.tzinfo).utcoffset() != start.utcoffset():
            return True
        t += step
    return False


def stepped_over(trigger: Any, start: datetime, expected: datetime | None, found: datetime) -> bool:
    """The reference missed ``found``, which matches.

    To go to the next month, day, hour or minute, it adds the difference of two civil times as elapsed
    time (``CronTrigger._increment_field_value``). Across a change of the offset that lands beside the
    start of the period, and what matches between the start and there is lost. Rule: a cron trigger fires
    at every time that matches all its fields.
    """
    return (
        exists(found)
        and matches(trigger, found)
        and found.astimezone(UTC) >= start.astimezone(UTC)
        and (expected is None or found.astimezone(UTC) < expected.astimezone(UTC))
        and (trigger.end_date is None or found.astimezone(UTC) <= trigger.end_date.astimezone(UTC))
        and change_between(start, found)
    )
