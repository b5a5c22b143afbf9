"""The fire times of a trigger, without a scheduler."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from mainspring.testing._clock import ManualClock
from mainspring.testing._times import as_time

if TYPE_CHECKING:
    from mainspring.job import Job
    from mainspring.triggers.base import BaseTrigger


def trigger_of(trigger: BaseTrigger | Job) -> BaseTrigger:
    """Return a trigger, or that of a job.

    :raises TypeError: if it is neither
    """
    found: Any
    for found in (trigger, getattr(trigger, "trigger", None)):
        if hasattr(found, "get_next_fire_time"):
            return found  # type: ignore[no-any-return]
    raise TypeError(
        f"a trigger is an object such as CronTrigger.from_crontab('0 2 * * *'), not {trigger!r}"
    )


def zone_of(trigger: BaseTrigger) -> tzinfo:
    """Return the time zone of a trigger, or of the first of its parts that has one; else UTC."""
    zone = getattr(trigger, "timezone", None) or getattr(
        getattr(trigger, "run_date", None), "tzinfo", None
    )
    if isinstance(zone, tzinfo):
        return zone
    members = getattr(trigger, "triggers", None)
    return zone_of(members[0]) if members else timezone.utc


def preview(
    trigger: BaseTrigger | Job, start: date | str, n: int = 5, *, seed: int = 0
) -> list[datetime]:
    """Return the next fire times of a trigger, as a scheduler would find them.

    :param trigger: the trigger, or a job that has it; a trigger that counts from when it was made counts
        from ``start``
    :param start: the time now; a date, a naive datetime, or ISO 8601 text without an offset, is in the
        trigger's time zone
    :param n: how many fire times
    :param seed: an integer that jitter follows from
    :return: as many as there are, ``n`` at most

    >>> from mainspring import CronTrigger
    >>> trigger = CronTrigger(hour=2, minute=30, timezone="Europe/Berlin")
    >>> [str(time) for time in preview(trigger, "2026-10-24", 2)]
    ['2026-10-24 02:30:00+02:00', '2026-10-25 02:30:00+02:00']
    """
    found = trigger_of(trigger)
    now = as_time(start, zone_of(found))
    clock = ManualClock(now, seed)
    if found is trigger:  # that of a job counts from when it was given to the scheduler
        clock._start_from_now(found)
    times: list[datetime] = []
    previous: datetime | None = None
    while len(times) < n:
        previous = clock._on_behalf(found.get_next_fire_time, previous, now)
        if previous is None:
            break
        times.append(previous)
        now = max(now, previous, key=_instant)
    return times


def assert_fires(
    trigger: BaseTrigger | Job, start: date | str, expected: Iterable[date | str]
) -> None:
    """Check the next fire times of a trigger.

    :param trigger: the trigger, or a job that has it, as for :func:`preview`
    :param start: the time now, as for :func:`preview`
    :param expected: the first fire times: datetimes, or ISO 8601 text; without an offset they are in the
        trigger's time zone. An empty list: it never fires.
    :raises AssertionError: if they are others, or fewer

    >>> from mainspring import CronTrigger
    >>> assert_fires(
    ...     CronTrigger(day="last", timezone="UTC"), "2026-01-15", ["2026-01-31", "2026-02-28"]
    ... )
    """
    if isinstance(expected, (str, date)):
        raise TypeError(f"expected is a list of times, not {expected!r}")
    zone = zone_of(trigger_of(trigger))
    wanted = [as_time(time, zone) for time in expected]
    times = preview(trigger, start, max(1, len(wanted)))
    if [_instant(time) for time in times] == [_instant(time) for time in wanted]:
        return
    rows = []
    for i in range(max(len(times), len(wanted))):
        is_one = times[i] if i < len(times) else None
        should = wanted[i] if i < len(wanted) else None
        mark = " " if is_one and should and _instant(is_one) == _instant(should) else "!"
        rows.append(f"{mark} {_shown(should, zone):<32} {_shown(is_one, zone)}")
    heading = f"  {'expected':<32} fires"
    raise AssertionError("\n".join([f"{trigger!r} fires at other times:", heading, *rows]))


def _instant(time: datetime) -> Any:
    return time.astimezone(timezone.utc)


def _shown(time: datetime | None, zone: tzinfo) -> str:
    return "-" if time is None else f"{time.astimezone(zone):%a %Y-%m-%d %H:%M:%S%z}"
