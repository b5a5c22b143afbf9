"""The built-in triggers give the fire times of APScheduler 3.11.3.

Random arguments, zones and instants. Where APScheduler's answer is a defect, a named predicate in
``defects`` says exactly which answers are left out of the comparison, and by what rule mainspring's
is right; COMPARE.md lists the same.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

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
    """A part of the profile's examples; the parts of all tests of this file add up to 1."""
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


def check_cron(
    theirs: Any, previous: datetime | None, now: datetime, found: datetime | None
) -> None:
    start = defects.search_start(theirs, previous, now)
    expected = asked(theirs, previous, now)
    if expected is reference.EndlessError:
        assert found is None or defects.fires(theirs, start, found)
        return
    if expected is not None and not defects.exists(expected):
        # A time in a gap: no clock ever shows it. Go on from the end of the gap.
        after = expected.astimezone(UTC)
        if found is None or found.astimezone(UTC) >= after:
            check_cron(theirs, after - MICRO, after.astimezone(theirs.timezone), found)
            return
    if found is not None and defects.stepped_over(theirs, start, expected, found):
        return
    if any(defects.beyond_end_by_wall_clock(theirs, t) for t in (expected, found) if t is not None):
        return
    if expected is not None and not defects.matches(theirs, expected):
        # In the second half of a fold, the time may have run away from the fields. Go on from there.
        after = expected.astimezone(UTC)
        if found is None or found.astimezone(UTC) > after:
            check_cron(theirs, after, after.astimezone(theirs.timezone), found)
            return
    assert_same(found, expected)


def both_crons(zone: tzinfo, **kwargs: Any) -> tuple[Any, CronTrigger]:
    theirs = reference.CronTrigger(**kwargs, timezone=astimezone(zone))
    ours = CronTrigger(**kwargs, timezone=zone)
    assert str(ours) == str(theirs)
    assert ours.timezone == theirs.timezone
    return theirs, ours


@share(0.4)
@given(st.data())
def test_cron(data: st.DataObject) -> None:
    zone = data.draw(some.zones, "zone")
    now = data.draw(some.instants(zone), "now")
    previous = data.draw(maybe(some.instants(zone)), "previous")
    kwargs = data.draw(some.cron_fields(now.year), "fields")
    theirs, ours = both_crons(zone, **kwargs)
    check_cron(theirs, previous, now, ours.get_next_fire_time(previous, now))


@share(0.1)
@given(st.data())
def test_cron_within_dates(data: st.DataObject) -> None:
    """With a start, an end, and times in zones that are not the trigger's."""
    zone, other = data.draw(some.zones, "zone"), data.draw(some.zones, "other zone")
    now = data.draw(some.instants(zone), "now")
    kwargs = data.draw(some.cron_fields(now.year), "fields")
    kwargs["start_date"] = data.draw(maybe(some.instants(other)), "start")
    kwargs["end_date"] = data.draw(maybe(some.instants(other)), "end")
    previous = data.draw(maybe(some.instants(other)), "previous")
    theirs, ours = both_crons(zone, **kwargs)
    assert repr(ours) == repr(theirs)
    check_cron(theirs, previous, now, ours.get_next_fire_time(previous, now))


@share(0.05)
@given(st.data())
def test_cron_chain(data: st.DataObject) -> None:
    zone = data.draw(some.zones, "zone")
    now = data.draw(some.instants(zone), "now")
    theirs, ours = both_crons(zone, **data.draw(some.cron_fields(now.year), "fields"))
    previous = None
    for _ in range(5):
        found = ours.get_next_fire_time(previous, now)
        check_cron(theirs, previous, now, found)
        if found is None:
            break
        later = data.draw(st.sampled_from((timedelta(0), MICRO, timedelta(minutes=3))))
        now = (found.astimezone(UTC) + later).astimezone(found.tzinfo)
        previous = found


@share(0.05)
@given(st.data())
def test_cron_against_its_own_fields(data: st.DataObject) -> None:
    """No reference: a fire time matches its fields, and nothing between it and the start does."""
    zone = data.draw(some.zones, "zone")
    now = data.draw(some.instants(zone), "now")
    ours = CronTrigger(**data.draw(some.cron_fields(now.year), "fields"), timezone=zone)
    found = ours.get_next_fire_time(None, now)
    if found is None:
        return
    assert found.astimezone(UTC) >= now.astimezone(UTC)
    assert found.tzinfo is ours.timezone
    assert defects.exists(found)
    assert defects.matches(ours, found)
    # The answer does not change when it is asked from anywhere in between.
    start, end = now.astimezone(UTC), found.astimezone(UTC)
    between = min(start + (end - start) * data.draw(st.floats(0, 1)), end)
    assert ours.get_next_fire_time(None, between) == found
    assert ours.get_next_fire_time(None, found) == found
    second = found.astimezone(UTC) - SECOND
    if second >= now.astimezone(UTC):
        assert not defects.matches(ours, second.astimezone(found.tzinfo))


@share(0.05)
@given(st.data())
def test_jitter(data: st.DataObject) -> None:
    """Jitter is what APScheduler draws from Python's generator, added as elapsed time."""
    zone = data.draw(some.zones, "zone")
    now = data.draw(some.instants(zone), "now")
    jitter = data.draw(st.sampled_from((1, 2.5, 30, 7_200)), "jitter")
    end = data.draw(maybe(some.instants(zone)), "end")
    kwargs = data.draw(some.cron_fields(now.year), "fields")
    _, plain = both_crons(zone, **kwargs, end_date=end)
    theirs, ours = both_crons(zone, **kwargs, end_date=end, jitter=jitter)
    seed = data.draw(st.integers(0, 2**32), "seed")
    start = plain.get_next_fire_time(None, now)
    random.seed(seed)
    found = ours.get_next_fire_time(None, now)
    if start is None:
        assert found is None
        return
    random.seed(seed)
    expected = start.astimezone(UTC) + timedelta(seconds=random.uniform(0, jitter))
    assert instant(found) == (min(expected, end.astimezone(UTC)) if end else expected)
    random.seed(seed)
    reference_found = asked(theirs, None, now)
    if reference_found in (None, reference.EndlessError):
        return
    if not defects.jitter_by_wall_clock(start, jitter) and start == asked(
        both_crons(zone, **kwargs, end_date=end)[0], None, now
    ):
        assert instant(found) == instant(reference_found)


@share(0.1)
@given(st.data())
def test_interval(data: st.DataObject) -> None:
    zone = data.draw(some.zones, "zone")
    now = data.draw(some.instants(zone), "now")
    previous = data.draw(maybe(some.instants(zone)), "previous")
    kwargs = dict(data.draw(some.intervals, "interval"))
    kwargs["timezone"] = astimezone(zone)
    kwargs["start_date"] = data.draw(some.instants(zone), "start")
    kwargs["end_date"] = data.draw(maybe(some.instants(zone)), "end")
    theirs, ours = reference.IntervalTrigger(**kwargs), IntervalTrigger(**kwargs)
    assert repr(ours) == repr(theirs)
    assert ours.interval_length == theirs.interval_length
    for _ in range(3):
        found = ours.get_next_fire_time(previous, now)
        expected = asked(theirs, previous, now)
        if previous is None and (
            defects.float_step(theirs, now) or defects.later_by_wall_clock(theirs.start_date, now)
        ):
            return
        assert_same(found, expected)
        if found is None:
            return
        previous = found
        now += data.draw(st.sampled_from((timedelta(0), timedelta(hours=1))))


@share(0.1)
@given(st.data())
def test_calendar_interval(data: st.DataObject) -> None:
    zone = data.draw(some.zones, "zone")
    kwargs = data.draw(some.calendar_steps(), "step")
    kwargs["start_date"] = data.draw(some.instants(zone), "start").date()
    if data.draw(st.booleans()):
        kwargs["end_date"] = kwargs["start_date"] + timedelta(days=data.draw(st.integers(0, 2_000)))
    kwargs["timezone"] = astimezone(zone)
    theirs, ours = reference.CalendarIntervalTrigger(**kwargs), CalendarIntervalTrigger(**kwargs)
    assert repr(ours) == repr(theirs)
    now = data.draw(some.instants(zone), "now")
    previous = data.draw(maybe(some.instants(zone)), "previous")
    if previous is not None:
        # DIFFERENCE: the reference takes the date of that fire time in whatever zone it comes.
        previous = previous.astimezone(ours.timezone)
    for _ in range(3):
        found = ours.get_next_fire_time(previous, now)
        expected = asked(theirs, previous, now)
        if expected is reference.EndlessError:
            assert found is None
            return
        if defects.day_skipped(expected, kwargs):
            return
        assert_same(found, expected)
        if found is None:
            return
        previous = found


@share(0.05)
@given(st.data())
def test_date(data: st.DataObject) -> None:
    zone = data.draw(some.zones, "zone")
    run_date = data.draw(some.instants(zone), "run date")
    given_date = data.draw(
        st.sampled_from(
            (run_date, run_date.replace(tzinfo=None), run_date.date(), str(run_date)[:19])
        )
    )
    theirs = reference.DateTrigger(given_date, astimezone(zone))
    ours = DateTrigger(given_date, zone)
    now = data.draw(some.instants(zone), "now")
    assert repr(ours) == repr(theirs)
    for previous in (None, now):
        assert_same(ours.get_next_fire_time(previous, now), asked(theirs, previous, now))


@st.composite
def members(draw: Any, zone: tzinfo, now: datetime) -> tuple[Any, Any]:
    """A trigger of the reference and its counterpart of mainspring."""
    kind = draw(st.sampled_from(("cron", "cron", "cron", "calendar", "date", "interval")))
    at = draw(some.instants(zone)).replace(microsecond=0).astimezone(zone)
    if kind == "date":
        return reference.DateTrigger(at), DateTrigger(at)
    kwargs: dict[str, Any] = {"timezone": zone}
    if kind == "cron":
        kwargs |= draw(some.cron_fields(now.year))
        return reference.CronTrigger(**kwargs), CronTrigger(**kwargs)
    if kind == "calendar":
        kwargs |= draw(some.calendar_steps()) | {"start_date": at.date()}
        return reference.CalendarIntervalTrigger(**kwargs), CalendarIntervalTrigger(**kwargs)
    kwargs |= draw(some.intervals) | {"start_date": at}
    return reference.IntervalTrigger(**kwargs), IntervalTrigger(**kwargs)


@share(0.05)
@given(st.data())
def test_or(data: st.DataObject) -> None:
    zone = astimezone(data.draw(some.zones, "zone"))
    now = data.draw(some.instants(zone), "now").replace(microsecond=0)
    previous = data.draw(maybe(some.instants(zone)), "previous")
    pairs = data.draw(st.lists(members(zone, now), min_size=1, max_size=3), "members")
    theirs, ours = ReferenceOr([p[0] for p in pairs]), OrTrigger([p[1] for p in pairs])
    assert repr(ours) == repr(theirs)
    if previous is not None:
        # DIFFERENCE: the reference has members that count from the fire time before count from that of
        # any member, and forgets dates; see test_triggers_or.py.
        assume(all(isinstance(p[0], reference.CronTrigger) for p in pairs))
        assume(previous <= now)
    found = ours.get_next_fire_time(previous, now)
    expected = asked(theirs, previous, now)
    # Where the reference errs on a member, the tests above say what is right.
    answers = [(p[1].get_next_fire_time(previous, now), asked(p[0], previous, now)) for p in pairs]
    if any(mine != its for mine, its in answers) or defects.twice(now, found, expected):
        times = [mine.astimezone(UTC) for mine, _ in answers if mine is not None]
        assert instant(found) == min(times, default=None)
    else:
        assert_same(found, expected)


@share(0.05)
@given(st.data())
def test_and(data: st.DataObject) -> None:
    zone = astimezone(data.draw(some.zones, "zone"))
    now = data.draw(some.instants(zone), "now").replace(microsecond=0)
    pairs = data.draw(st.lists(members(zone, now), min_size=1, max_size=3), "members")
    theirs, ours = ReferenceAnd([p[0] for p in pairs]), AndTrigger([p[1] for p in pairs])
    assert repr(ours) == repr(theirs)
    found = ours.get_next_fire_time(None, now)
    expected = asked(theirs, None, now)
    if found is not None and any(isinstance(p[0], reference.CronTrigger) for p in pairs):
        crons = [p[0] for p in pairs if isinstance(p[0], reference.CronTrigger)]
        assert all(defects.fires(cron, now, found) for cron in crons)
    if (
        expected is reference.EndlessError
        or defects.twice(now, found, expected)
        or (expected is not None and not defects.exists(expected))
        or (found is not None and defects.and_stepped_over(theirs, now, expected, found))
    ):
        return
    assert_same(found, expected)
