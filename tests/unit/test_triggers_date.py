"""DateTrigger."""

from __future__ import annotations

import pickle
from datetime import date, datetime, timedelta, timezone
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest
import pytz

from mainspring.triggers.date import DateTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2020, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run_date", "timezone", "expected"),
    [
        (date(2009, 7, 6), None, "2009-07-06 00:00:00+02:00"),
        (datetime(2009, 7, 6), None, "2009-07-06 00:00:00+02:00"),
        (datetime(2009, 7, 6, tzinfo=UTC), None, "2009-07-06 00:00:00+00:00"),
        (datetime(2009, 7, 6, tzinfo=UTC), "Asia/Kolkata", "2009-07-06 00:00:00+00:00"),
        ("2009-07-06", "UTC", "2009-07-06 00:00:00+00:00"),
        ("2009-07-06 12:30:00+01:00", "UTC", "2009-07-06 12:30:00+01:00"),
        ("2020-03-29 02:30:00", "Europe/Berlin", "2020-03-29 03:30:00+02:00"),
    ],
)
def test_run_date(monkeypatch, run_date, timezone, expected):
    monkeypatch.setattr("mainspring.triggers.date.get_localzone", lambda: BERLIN)
    trigger = DateTrigger(run_date, timezone)
    assert str(trigger.run_date) == expected
    assert trigger.get_next_fire_time(None, NOW) is trigger.run_date
    assert trigger.get_next_fire_time(trigger.run_date, NOW) is None


def test_the_default_is_now(monkeypatch):
    monkeypatch.setattr(
        "mainspring.triggers.date.datetime", Mock(now=lambda zone: NOW.astimezone(zone))
    )
    trigger = DateTrigger(timezone="Europe/Berlin")
    assert trigger.run_date == NOW
    assert trigger.run_date.tzinfo is BERLIN


def test_of_two_times_the_earlier_one_is_meant():
    for fold, expected in ((0, "02:30:00 CEST"), (1, "02:30:00 CEST")):
        naive = datetime(2020, 10, 25, 2, 30, fold=0)
        assert str(DateTrigger(naive, BERLIN)) == f"date[2020-10-25 {expected}]", fold
    aware = datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)
    assert str(DateTrigger(aware)) == "date[2020-10-25 02:30:00 CET]"


def test_texts():
    trigger = DateTrigger(datetime(2009, 7, 6), "Europe/Berlin")
    assert str(trigger) == "date[2009-07-06 00:00:00 CEST]"
    assert repr(trigger) == "<DateTrigger (run_date='2009-07-06 00:00:00 CEST')>"
    assert DateTrigger.__slots__ == "run_date"


def test_the_run_date_can_be_set():
    trigger = DateTrigger(NOW)
    trigger.run_date = NOW + timedelta(days=1)
    assert trigger.get_next_fire_time(None, NOW) == NOW + timedelta(days=1)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    trigger = DateTrigger(datetime(2020, 3, 20, 5, 30, tzinfo=BERLIN))
    again = pickle.loads(pickle.dumps(trigger, protocol))
    assert again.run_date == trigger.run_date
    assert trigger.__getstate__() == {"version": 1, "run_date": trigger.run_date}


def test_states_of_old_versions():
    trigger = DateTrigger.__new__(DateTrigger)
    trigger.__setstate__((None, {"run_date": NOW}))
    assert trigger.run_date == NOW
    with pytest.raises(
        ValueError, match="data for version 2 of DateTrigger, but only version 1 can be handled"
    ):
        trigger.__setstate__({"version": 2, "run_date": NOW})


def test_a_zone_of_pytz_stays():
    zone = pytz.timezone("Europe/Berlin")
    run_date = zone.localize(datetime(2020, 7, 1))
    assert DateTrigger(run_date).get_next_fire_time(None, NOW) is run_date


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((5,), {}, TypeError, "Unsupported type for run_date: int"),
        (("soon",), {}, ValueError, "Invalid date string"),
        (("2020-01-01", 5), {}, TypeError, "Expected tzinfo, got int instead"),
        (("2020-01-01", "Nowhere"), {}, KeyError, "No time zone found with key Nowhere"),
        ((), {"date": NOW}, TypeError, "unexpected keyword argument 'date'"),
    ],
)
def test_bad_arguments(args, kwargs, error, message):
    with pytest.raises(error, match=message):
        DateTrigger(*args, **kwargs)


def test_an_object_that_was_never_filled():
    with pytest.raises(AttributeError, match="DateTrigger has no attributes yet"):
        str(DateTrigger.__new__(DateTrigger))
