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
    """Whether a time matches all fields of a reference cron trigger, by the reference's own
    fields.
    """
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


def fires(trigger: Any, start: datetime, t: datetime) -> bool:
    """Whether a reference cron trigger may fire at a time, asked from ``start`` on."""
    end = trigger.end_date
    return (
        exists(t)
        and matches(trigger, t)
        and start.astimezone(UTC) <= t.astimezone(UTC)
        and (end is None or t.astimezone(UTC) <= end.astimezone(UTC))
    )


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

    To go to the next month, day, hour or minute, it adds the difference of two civil times as
    elapsed time (``CronTrigger._increment_field_value``). Across a change of the offset that lands
    beside the start of the period, and what matches between the start and there is lost. Rule: a
    cron trigger fires at every time that matches all its fields.
    """
    return (
        fires(trigger, start, found)
        and (expected is None or found.astimezone(UTC) < expected.astimezone(UTC))
        and change_between(start, found)
    )


def jitter_by_wall_clock(start: datetime, jitter: float) -> bool:
    """The offset may change while the jitter runs, or the time is the second one of a fold.

    The reference adds the jitter of cron and calendar interval triggers to the clock on the wall
    (``BaseTrigger._apply_jitter``), which forgets the fold and counts a gap as time. Rule: jitter
    delays by elapsed time, of which it gives the most.
    """
    moved = start + timedelta(seconds=jitter)
    elapsed = start.astimezone(UTC) + timedelta(seconds=jitter)
    return start.fold == 1 or moved.astimezone(UTC) != elapsed


def later_by_wall_clock(a: datetime, b: datetime) -> bool:
    """The reference takes ``a`` for later than ``b``, or the other way round, though it is not.

    Python compares two datetimes with the same zone object by the clock on the wall, fold or no
    fold, and so do the reference's comparisons of ``now`` with the start and of fire times with the
    end. Rule: instants are compared as instants.
    """
    return (a > b) != (a.astimezone(UTC) > b.astimezone(UTC))


def beyond_end_by_wall_clock(trigger: Any, t: datetime) -> bool:
    """The reference compares a fire time with the end by :func:`later_by_wall_clock`."""
    return trigger.end_date is not None and later_by_wall_clock(t, trigger.end_date)


def twice(*times: Any) -> bool:
    """One of the times is shown twice by the clocks of its zone.

    The reference's combinations compare the fire times of their members by the clock on the wall,
    as :func:`later_by_wall_clock` says, and mix up the two.
    """
    return any(
        isinstance(t, datetime) and t.replace(fold=0).utcoffset() != t.replace(fold=1).utcoffset()
        for t in times
    )


def float_step(trigger: Any, now: datetime) -> bool:
    """The reference's binary fractions of seconds cannot tell this instant from a fire time.

    It divides differences of timestamps as floats; within 1 us of a multiple of the interval, with
    a fraction of a second in one of the operands, the result may land on either side. Rule:
    integers.
    """
    step = trigger.interval // MICRO
    rest = ((now - trigger.start_date) // MICRO) % step
    return bool(now.microsecond or trigger.start_date.microsecond) and min(rest, step - rest) <= 1


def day_skipped(expected: datetime | None, kwargs: dict[str, Any]) -> bool:
    """The reference fires on the day after one that the zone skipped as a whole.

    Pacific/Apia had no 2011-12-30. The time of day of that date, normalized, is the same time of
    day one day later, which the reference takes for the date itself. Rule: a date that does not
    exist is passed over, as one on which the time of day does not exist.
    """
    zone = kwargs["timezone"]
    if expected is None or str(zone) != "Pacific/Apia":
        return False
    return expected.replace(tzinfo=None).date().isoformat() == "2011-12-31"


def and_stepped_over(
    trigger: Any, now: datetime, expected: datetime | None, found: datetime
) -> bool:
    """A cron trigger of the combination missed ``found``: see :func:`stepped_over`."""
    crons = [member for member in trigger.triggers if hasattr(member, "fields")]
    return bool(crons) and all(
        stepped_over(member, now.astimezone(UTC).astimezone(member.timezone), expected, found)
        for member in crons
    )
