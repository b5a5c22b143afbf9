"""CalendarIntervalTrigger."""

from __future__ import annotations

import pickle
import random
from datetime import date, datetime, time, timedelta, timezone
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest

from mainspring.triggers.calendarinterval import CalendarIntervalTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2016, 3, 1, tzinfo=BERLIN)


def chain(trigger, count):
    shown = []
    t = trigger.get_next_fire_time(None, NOW)
    while t is not None and len(shown) < count:
        shown.append(f"{t:%Y-%m-%d %H:%M %Z}")
        t = trigger.get_next_fire_time(t, NOW)
    return shown


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        (
            {"months": 1, "start_date": "2016-01-31"},
            ["2016-01-31 00:00 CET", "2016-03-31 00:00 CEST", "2016-05-31 00:00 CEST"],
        ),
        (
            {"years": 1, "start_date": date(2016, 2, 29), "hour": 8},
            ["2016-02-29 08:00 CET", "2020-02-29 08:00 CET", "2024-02-29 08:00 CET"],
        ),
        (
            {"weeks": 1, "days": 3, "start_date": "2016-02-25", "minute": 5},
            ["2016-02-25 00:05 CET", "2016-03-06 00:05 CET", "2016-03-16 00:05 CET"],
        ),
        (
            {"days": 1, "hour": 2, "minute": 30, "start_date": "2016-03-26"},
            ["2016-03-26 02:30 CET", "2016-03-28 02:30 CEST"],  # the 27th has no such time
        ),
        (
            {"days": 1, "hour": 2, "minute": 30, "start_date": "2016-10-29"},
            ["2016-10-29 02:30 CEST", "2016-10-30 02:30 CEST", "2016-10-31 02:30 CET"],
        ),
        (
            {"days": 2, "start_date": "2016-03-01", "end_date": "2016-03-04"},
            ["2016-03-01 00:00 CET", "2016-03-03 00:00 CET"],
        ),
    ],
)
def test_fire_times(kwargs, expected):
    trigger = CalendarIntervalTrigger(**kwargs, timezone=BERLIN)
    found = chain(trigger, len(expected) + ("end_date" in kwargs))
    assert found == expected


def test_a_day_that_the_zone_skipped_is_passed_over():
    # DIFFERENCE: 3.x takes 2011-12-31 for the 30th and goes on from there.
    trigger = CalendarIntervalTrigger(
        days=2, start_date="2011-12-28", hour=12, timezone="Pacific/Apia"
    )
    assert [text[:10] for text in chain(trigger, 3)] == ["2011-12-28", "2012-01-01", "2012-01-03"]


def test_the_date_before_is_read_in_the_triggers_zone():
    # DIFFERENCE: 3.x takes the date of the datetime as it comes: the 1st here.
    trigger = CalendarIntervalTrigger(days=1, start_date="2016-03-01", timezone=BERLIN)
    before = datetime(2016, 3, 2, tzinfo=BERLIN).astimezone(UTC)
    assert before.day == 1
    found = trigger.get_next_fire_time(before, NOW)
    assert str(found) == "2016-03-03 00:00:00+01:00"
    assert found.tzinfo is BERLIN


def test_the_defaults(monkeypatch):
    today = Mock(today=lambda: date(2020, 6, 1))
    monkeypatch.setattr("mainspring.triggers.calendarinterval.date", today)
    monkeypatch.setattr("mainspring.triggers.calendarinterval.get_localzone", lambda: BERLIN)
    trigger = CalendarIntervalTrigger(days=1)
    assert trigger.start_date == date(2020, 6, 1)
    assert trigger.end_date is None
    assert trigger.timezone is BERLIN
    assert trigger._time == time(0, 0, 0, tzinfo=BERLIN)


def test_jitter():
    trigger = CalendarIntervalTrigger(days=1, start_date="2020-01-01", timezone=UTC, jitter=9)
    random.seed(2)
    found = trigger.get_next_fire_time(None, NOW)
    random.seed(2)
    assert found == datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=random.uniform(0, 9))


def test_texts():
    trigger = CalendarIntervalTrigger(
        years=1,
        months=5,
        weeks=6,
        days=8,
        hour=3,
        second=8,
        start_date="2016-03-05",
        end_date="2020-12-25",
        timezone=BERLIN,
        jitter=3,
    )
    assert (
        repr(trigger)
        == str(trigger)
        == (
            "CalendarIntervalTrigger(years=1, months=5, weeks=6, days=8, time='03:00:08', "
            "start_date='2016-03-05', end_date='2020-12-25', timezone='Europe/Berlin')"
        )
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    trigger = CalendarIntervalTrigger(
        years=1, weeks=6, hour=3, start_date="2016-03-05", timezone=BERLIN, jitter=3
    )
    again = pickle.loads(pickle.dumps(trigger, protocol))
    for name in CalendarIntervalTrigger.__slots__:
        assert getattr(again, name) == getattr(trigger, name)
    assert trigger.__getstate__() == {
        "version": 1,
        "interval": [1, 0, 6, 0],
        "time": [3, 0, 0],
        "start_date": date(2016, 3, 5),
        "end_date": None,
        "timezone": BERLIN,
        "jitter": 3,
    }


def test_a_state_of_another_version():
    trigger = CalendarIntervalTrigger(days=1, timezone=UTC)
    with pytest.raises(
        ValueError,
        match="version 2 of CalendarIntervalTrigger, but only versions up to 1 can be handled",
    ):
        trigger.__setstate__(trigger.__getstate__() | {"version": 2})


def test_attributes_can_be_set():
    trigger = CalendarIntervalTrigger(days=1, start_date="2016-01-01", timezone=UTC)
    trigger.days, trigger.months = 2, 1
    trigger.years, trigger.weeks = 1, 1
    trigger.start_date = date(2016, 3, 1)
    trigger.end_date = date(2018, 1, 1)
    trigger.timezone = BERLIN
    trigger.jitter = 0
    assert chain(trigger, 5) == ["2016-03-01 00:00 CET", "2017-04-10 00:00 CEST"]


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((), {}, ValueError, "^interval must be at least 1 day long$"),
        (
            (),
            {"days": 1, "start_date": "2016-03-06", "end_date": "2016-03-05"},
            ValueError,
            "^end_date cannot be earlier than start_date$",
        ),
        ((1,), {}, TypeError, "positional argument"),
        ((), {"days": -1}, ValueError, "the interval must not be negative, got -1"),
        ((), {"days": "1"}, TypeError, "'str' object cannot be"),
        ((), {"days": 1, "hour": 24}, ValueError, r"^hour must be in 0\.\.23"),
        ((), {"days": 1, "start_date": "soon"}, ValueError, "Invalid isoformat string: 'soon'"),
        ((), {"days": 1, "start_date": 5}, TypeError, "start_date must be a date, a string"),
        ((), {"day": 1}, TypeError, "unexpected keyword argument 'day'"),
        ((), {"days": 1, "jitter": "x"}, TypeError, "jitter must be a number of seconds or None"),
    ],
)
def test_bad_arguments(args, kwargs, error, message):
    with pytest.raises(error, match=message):
        CalendarIntervalTrigger(*args, **kwargs)


def test_naive_times_are_refused():
    trigger = CalendarIntervalTrigger(days=1, timezone=UTC)
    with pytest.raises(TypeError, match="previous_fire_time must be an aware datetime"):
        trigger.get_next_fire_time(datetime(2020, 1, 1), NOW)
