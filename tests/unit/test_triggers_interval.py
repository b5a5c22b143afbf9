"""IntervalTrigger."""

from __future__ import annotations

import pickle
import random
from datetime import date, datetime, timedelta, timezone
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest

from mainspring.triggers.interval import IntervalTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2009, 8, 4, second=2, tzinfo=BERLIN)


@pytest.fixture
def trigger():
    return IntervalTrigger(seconds=1, start_date=START, timezone=BERLIN)


@pytest.mark.parametrize(
    ("previous", "now", "expected"),
    [
        (None, START - timedelta(seconds=2), START),
        (None, START, START),
        (None, START + timedelta(microseconds=1), START + timedelta(seconds=1)),
        (None, START + timedelta(days=1), START + timedelta(days=1)),
        (START, START, START + timedelta(seconds=1)),
        (START, START + timedelta(days=9), START + timedelta(seconds=1)),
    ],
)
def test_next_fire_time(trigger, previous, now, expected):
    found = trigger.get_next_fire_time(previous, now)
    assert found == expected
    assert found.tzinfo is BERLIN


def test_elapsed_time_counts_not_the_clock():
    trigger = IntervalTrigger(hours=1, timezone=BERLIN, start_date="2020-10-25 01:30:00")
    t = trigger.start_date
    shown = []
    for _ in range(4):
        shown.append(f"{t:%H:%M %Z}")
        t = trigger.get_next_fire_time(t, t)
    assert shown == ["01:30 CEST", "02:30 CEST", "02:30 CET", "03:30 CET"]


def test_microseconds_do_not_drift():
    trigger = IntervalTrigger(seconds=0.1, start_date=START, timezone=UTC)
    t = trigger.get_next_fire_time(None, START + timedelta(days=3650))
    assert t == START + timedelta(days=3650)
    for _ in range(1000):
        t = trigger.get_next_fire_time(t, t)
    assert t == START + timedelta(days=3650, seconds=100)


def test_the_end():
    trigger = IntervalTrigger(minutes=5, start_date=START, end_date=START + timedelta(minutes=7))
    first = trigger.get_next_fire_time(None, START)
    second = trigger.get_next_fire_time(first, START)
    assert second == START + timedelta(minutes=5)
    assert trigger.get_next_fire_time(second, START) is None


def test_the_start_is_one_interval_from_now(monkeypatch):
    now = datetime(2020, 3, 28, 12, tzinfo=BERLIN)
    monkeypatch.setattr("mainspring.triggers.interval.datetime", Mock(now=lambda zone: now))
    monkeypatch.setattr("mainspring.triggers.interval.get_localzone", lambda: BERLIN)
    # By the clock on the wall: the clock is put forward in between.
    assert str(IntervalTrigger(days=1).start_date) == "2020-03-29 12:00:00+02:00"
    assert str(IntervalTrigger(days=1).timezone) == "Europe/Berlin"


def test_the_zone_comes_from_the_dates():
    aware = datetime(2020, 1, 1, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert str(IntervalTrigger(hours=1, start_date=aware).timezone) == "Asia/Kolkata"
    later = aware + timedelta(days=1)
    assert str(IntervalTrigger(hours=1, end_date=later).timezone) == "Asia/Kolkata"
    assert str(IntervalTrigger(hours=1, start_date=aware, timezone="UTC").timezone) == "UTC"


def test_dates_are_converted(monkeypatch):
    monkeypatch.setattr("mainspring.triggers.interval.get_localzone", lambda: BERLIN)
    trigger = IntervalTrigger(start_date="2016-11-05 05:06:53", end_date=date(2017, 11, 5))
    assert trigger.start_date == datetime(2016, 11, 5, 5, 6, 53, tzinfo=BERLIN)
    assert trigger.end_date == datetime(2017, 11, 5, tzinfo=BERLIN)


@pytest.mark.parametrize(
    "given",
    [
        datetime(2020, 1, 1, tzinfo=BERLIN),
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
        datetime(2020, 3, 29, 2, 30, tzinfo=BERLIN),  # in a gap
        datetime(2020, 1, 1, 0, 0, 0, 123_456, tzinfo=timezone(timedelta(minutes=7))),
    ],
)
def test_dates_are_given_back(given):
    trigger = IntervalTrigger(hours=1, start_date=given, end_date=given, timezone=BERLIN)
    for found in (trigger.start_date, trigger.end_date):
        assert found.isoformat() == given.isoformat()
        assert found.tzinfo is given.tzinfo


def test_the_interval_is_a_sum():
    trigger = IntervalTrigger(1, 1, 1, 1, 1.5, timezone="UTC")
    assert trigger.interval == timedelta(weeks=1, days=1, hours=1, minutes=1, seconds=1.5)
    assert trigger.interval_length == trigger.interval.total_seconds()


def test_no_interval_is_a_second():
    trigger = IntervalTrigger(timezone="UTC")
    assert (trigger.interval, trigger.interval_length) == (timedelta(seconds=1), 1)


def test_texts(trigger):
    assert str(trigger) == "interval[0:00:01]"
    trigger = IntervalTrigger(
        seconds=1, start_date=START, end_date=START, timezone=BERLIN, jitter=5
    )
    assert repr(trigger) == (
        "<IntervalTrigger (interval=datetime.timedelta(seconds=1), "
        "start_date='2009-08-04 00:00:02 CEST', end_date='2009-08-04 00:00:02 CEST', jitter=5, "
        "timezone='Europe/Berlin')>"
    )


def test_attributes_can_be_set(trigger):
    trigger.interval = timedelta(seconds=7)
    trigger.start_date = START + timedelta(days=1)
    trigger.end_date = START + timedelta(days=2)
    trigger.timezone = "Asia/Kolkata"
    assert trigger.get_next_fire_time(START, START) == START + timedelta(seconds=7)
    assert str(trigger.get_next_fire_time(None, START).tzinfo) == "Asia/Kolkata"
    assert trigger.start_date.tzinfo is BERLIN
    trigger.jitter = 3
    assert trigger.jitter == 3


def test_jitter_draws_from_pythons_generator(trigger):
    trigger.jitter = 5
    random.seed(3)
    found = trigger.get_next_fire_time(START, START)
    random.seed(3)
    drawn = timedelta(seconds=random.uniform(0, 5))
    assert found == START + timedelta(seconds=1) + drawn


def test_jitter_may_pass_the_end():
    trigger = IntervalTrigger(
        seconds=5, timezone=UTC, start_date=START, end_date=START + timedelta(seconds=5), jitter=9
    )
    found = {trigger.get_next_fire_time(START, START) for _ in range(50)}
    assert found == {None}


def test_an_error_of_the_generator_is_raised(trigger, monkeypatch):
    trigger.jitter = 5
    monkeypatch.setattr("random.uniform", Mock(side_effect=RuntimeError("no luck")))
    with pytest.raises(RuntimeError, match="no luck"):
        trigger.get_next_fire_time(START, START)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    trigger = IntervalTrigger(
        weeks=2,
        days=6,
        minutes=13,
        start_date=START,
        end_date="2020-05-06",
        timezone=BERLIN,
        jitter=12,
    )
    again = pickle.loads(pickle.dumps(trigger, protocol))
    for name in IntervalTrigger.__slots__:
        assert getattr(again, name) == getattr(trigger, name)
    assert trigger.__getstate__() == {
        "version": 2,
        "timezone": BERLIN,
        "start_date": START,
        "end_date": datetime(2020, 5, 6, tzinfo=BERLIN),
        "interval": timedelta(weeks=2, days=6, minutes=13),
        "jitter": 12,
    }


def test_states_of_old_versions(trigger):
    state = trigger.__getstate__()
    del state["version"], state["jitter"]
    again = IntervalTrigger.__new__(IntervalTrigger)
    again.__setstate__((None, state))
    assert repr(again) == repr(trigger)
    with pytest.raises(
        ValueError, match="version 3 of IntervalTrigger, but only versions up to 2 can be handled"
    ):
        again.__setstate__(state | {"version": 3})


def test_a_subclass_of_its_own(trigger):
    class Every(IntervalTrigger):
        def __init__(self, seconds):
            super().__init__(seconds=seconds, start_date=START)
            self.extra = "x"

    every = Every(3)
    assert every.extra == "x"
    assert every.get_next_fire_time(START, START) == START + timedelta(seconds=3)
    assert repr(every).startswith("<Every (interval=")


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"seconds": "6"}, TypeError, "unsupported type for timedelta seconds component: str"),
        ({"seconds": -5}, ValueError, "interval must not be negative, got -1 day, 23:59:55"),
        ({"weeks": 10**15}, OverflowError, "too long"),
        ({"seconds": 1, "jitter": -1}, ValueError, "jitter must be 0 seconds or more, got -1"),
        (
            {"seconds": 1, "jitter": "1"},
            TypeError,
            "jitter must be a number of seconds or None, got",
        ),
        ({"seconds": 1, "start_date": 5}, TypeError, "Unsupported type for start_date: int"),
        (
            {"second": 5},
            TypeError,
            "unexpected keyword argument 'second'",
        ),
        ({"timezone": "Mars/Olympus"}, KeyError, "No time zone found with key Mars/Olympus"),
    ],
)
def test_bad_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        IntervalTrigger(**kwargs)


@pytest.mark.parametrize(
    ("previous", "now", "message"),
    [
        (
            None,
            datetime(2020, 1, 1),
            "now must be an aware datetime, got 2020-01-01 00:00:00 without",
        ),
        (datetime(2020, 1, 1), START, "previous_fire_time must be an aware datetime, got 2020"),
        (None, None, "now must be an aware datetime, got NoneType"),
        (5, START, "previous_fire_time must be an aware datetime, got int"),
    ],
)
def test_bad_times(trigger, previous, now, message):
    with pytest.raises(TypeError, match=message):
        trigger.get_next_fire_time(previous, now)


def test_now_does_not_matter_after_a_fire_time(trigger):
    for now in (None, datetime(2020, 1, 1)):
        assert trigger.get_next_fire_time(START, now) == START + timedelta(seconds=1)


def test_the_calendar_ends(trigger):
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    # DIFFERENCE: 3.x raises ValueError.
    assert IntervalTrigger(seconds=2, timezone=UTC).get_next_fire_time(last, last) is None
