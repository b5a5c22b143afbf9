"""The built-in triggers give the fire times of APScheduler 3.11.3.

Random arguments, zones and instants. Where APScheduler's answer is a defect, a named predicate below says
exactly which answers are left out of the comparison, and by what rule mainspring's is right; COMPARE.md
lists the same.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.combining import AndTrigger as ReferenceAnd
from apscheduler.triggers.combining import OrTrigger as ReferenceOr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.combining import AndTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from mainspring.util import astimezone
from tests.differential import defects, reference
from tests.differential import strategies as some

UTC = timezone.utc
SECOND = timedelta(seconds=1)
MICRO = timedelta(microseconds=1)


def share(part: float) -> settings:
    """A part of the examples of the profile, so that all tests of this file together draw that many."""
    return settings(max_examples=max(1, round(settings().max_examples * part)))


def instant(dt: datetime | None) -> datetime | None:
    return None if dt is None else dt.astimezone(UTC)


def assert_same(ours: datetime | None, theirs: datetime | None) -> None:
    assert instant(ours) == instant(theirs), (str(ours), str(theirs))
    if ours is not None and theirs is not None:
        assert ours.replace(tzinfo=None, fold=0) == theirs.replace(tzinfo=None, fold=0)
        assert ours.tzinfo == theirs.tzinfo


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


def asked(trigger: Any, previous: datetime | None, now: datetime) -> Any:
    """The reference's answer, or EndlessError."""
    try:
        with reference.bounded():
            return trigger.get_next_fire_time(previous, now)
    except reference.EndlessError:
        return reference.EndlessError


def check_cron(theirs: Any, previous: datetime | None, now: datetime, found: datetime | None) -> None:
    start = defects.search_start(theirs, previous, now)
    expected = asked(theirs, previous, now)
    if expected is reference.EndlessError:
        return
    if expected is not None and not defects.exists(expected):
        # A time in a gap: no clock ever shows it. Go on from the end of the gap.
        after = expected.astimezone(UTC)
        if found is None or found.astimezone(UTC) >= after:
            check_cron(theirs, None, after.astimezone(theirs.timezone), found)
            return
    if found is not None and defects.stepped_over(theirs, start, expected, found):
        return
    assert_same(found, expected)


@share(0.4)
@given(st.data())
def test_cron(data: st.DataObject) -> None:
    zone = data.draw(some.zones, "zone")
    now = data.draw(some.instants(zone), "now")
    previous = data.draw(maybe(some.instants(zone)), "previous")
    kwargs = data.draw(some.cron_fields(now.year), "fields")
    theirs = reference.CronTrigger(**kwargs, timezone=astimezone(zone))
    ours = CronTrigger(**kwargs, timezone=zone)
    assert str(ours) == str(theirs)
    assert ours.timezone == theirs.timezone
    check_cron(theirs, previous, now, ours.get_next_fire_time(previous, now))
