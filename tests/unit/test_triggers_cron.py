"""CronTrigger: its fire times, texts, arguments and pickles."""

from __future__ import annotations

import copy
import pickle
import random
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import apscheduler.triggers.cron
import pytest

from mainspring.triggers.cron import CronTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def chain(trigger, now, count):
    """The texts of some fire times, the first one not before now."""
    shown = []
    t = trigger.get_next_fire_time(None, now)
    while t is not None and len(shown) < count:
        shown.append(f"{t:%Y-%m-%d %H:%M:%S %Z}")
        t = trigger.get_next_fire_time(t, t)
    return shown


@pytest.mark.parametrize(
    ("kwargs", "now", "expected"),
    [
        (
            {"year": "2009/2", "month": "1-4/3", "day": "5-6"},
            datetime(2008, 12, 1),
            ["2009-01-05 00:00:00 CET", "2009-01-06 00:00:00 CET", "2009-04-05 00:00:00 CEST"],
        ),
        (
            {"year": "2009", "week": "15", "day_of_week": 2},
            datetime(2009, 1, 1),
            ["2009-04-08 00:00:00 CEST"],
        ),
        (
            {"month": "jan-feb", "day": "last", "hour": 23},
            datetime(2020, 1, 1),
            ["2020-01-31 23:00:00 CET", "2020-02-29 23:00:00 CET", "2021-01-31 23:00:00 CET"],
        ),
        (
            {"day": "3rd fri,last sun"},
            datetime(2026, 1, 1),
            ["2026-01-16 00:00:00 CET", "2026-01-25 00:00:00 CET", "2026-02-20 00:00:00 CET"],
        ),
        (
            {"day": "5th wed", "hour": 8},
            datetime(2026, 1, 1),
            ["2026-04-29 08:00:00 CEST", "2026-07-29 08:00:00 CEST"],
        ),
        (
            {"month": 2, "day": 29, "day_of_week": "mon"},
            datetime(2020, 1, 1),
            ["2044-02-29 00:00:00 CET", "2072-02-29 00:00:00 CET", "2112-02-29 00:00:00 CET"],
        ),
        ({"year": 2009, "second": 3}, datetime(2010, 1, 1), []),
        ({"month": 2, "day": 30}, datetime(2010, 1, 1), []),
    ],
)
def test_fire_times(kwargs, now, expected):
    trigger = CronTrigger(**kwargs, timezone=BERLIN)
    assert chain(trigger, now.replace(tzinfo=BERLIN), max(1, len(expected))) == expected


def test_fractions_round_up():
    trigger = CronTrigger(second="*/5", timezone=UTC)
    now = datetime(2020, 1, 1, 0, 0, 5, 1, tzinfo=UTC)
    assert trigger.get_next_fire_time(None, now) == datetime(2020, 1, 1, 0, 0, 10, tzinfo=UTC)


def test_the_zone_of_now_does_not_matter():
    trigger = CronTrigger(hour=8, timezone=NEW_YORK)
    now = datetime(2020, 6, 1, 13, tzinfo=BERLIN)
    found = trigger.get_next_fire_time(None, now)
    assert str(found) == "2020-06-01 08:00:00-04:00"
    assert found.tzinfo is NEW_YORK


# --- changes of the clock ---


def test_a_fold_fires_twice():
    trigger = CronTrigger(hour=2, minute="*/30", timezone=BERLIN)
    assert chain(trigger, datetime(2020, 10, 25, 1, tzinfo=BERLIN), 5) == [
        "2020-10-25 02:00:00 CEST",
        "2020-10-25 02:30:00 CEST",
        "2020-10-25 02:00:00 CET",
        "2020-10-25 02:30:00 CET",
        "2020-10-26 02:00:00 CET",
    ]
    second = trigger.get_next_fire_time(None, datetime(2020, 10, 25, 1, tzinfo=UTC))
    assert second.fold == 1


def test_a_gap_is_passed_over():
    # DIFFERENCE: 3.x returns 2020-03-29 02:30, which no clock shows.
    trigger = CronTrigger(hour=2, minute=30, timezone=BERLIN)
    assert chain(trigger, datetime(2020, 3, 28, 12, tzinfo=BERLIN), 2) == [
        "2020-03-30 02:30:00 CEST",
        "2020-03-31 02:30:00 CEST",
    ]


def test_the_day_after_the_clock_was_put_forward_counts():
    # DIFFERENCE: asked before the change, 3.x lands at 01:00 of the next day and misses midnight.
    trigger = CronTrigger(hour=0, timezone=BERLIN)
    assert chain(trigger, datetime(2020, 3, 29, 0, 30, tzinfo=BERLIN), 2) == [
        "2020-03-30 00:00:00 CEST",
        "2020-03-31 00:00:00 CEST",
    ]
    reference = apscheduler.triggers.cron.CronTrigger(hour=0, timezone=BERLIN)
    missed = reference.get_next_fire_time(None, datetime(2020, 3, 29, 0, 30, tzinfo=BERLIN))
    assert str(missed) == "2020-03-31 00:00:00+02:00"


def test_midnight_may_not_exist():
    trigger = CronTrigger(hour=0, minute="0,30", timezone="Asia/Beirut")
    assert chain(trigger, datetime(2020, 3, 28, 22, tzinfo=UTC), 2) == [
        "2020-03-30 00:00:00 EEST",
        "2020-03-30 00:30:00 EEST",
    ]


# --- previous fire times and dates ---


def test_previous_and_now():
    trigger = CronTrigger(minute=0, timezone=UTC)

    def at(hour, minute=0):
        return datetime(2020, 1, 1, hour, minute, tzinfo=UTC)

    assert trigger.get_next_fire_time(at(3), at(3)) == at(4)
    # What has been missed comes next, whatever the time is now.
    assert trigger.get_next_fire_time(at(3), at(9, 30)) == at(4)
    assert trigger.get_next_fire_time(at(3), at(1, 30)) == at(2)


def test_start_and_end():
    start, end = datetime(2020, 1, 1, 8, tzinfo=BERLIN), datetime(2020, 1, 2, 8, tzinfo=BERLIN)
    trigger = CronTrigger(hour="*/8", start_date=start, end_date=end)
    assert trigger.timezone is BERLIN
    assert chain(trigger, datetime(2019, 1, 1, tzinfo=UTC), 9) == [
        "2020-01-01 08:00:00 CET",
        "2020-01-01 16:00:00 CET",
        "2020-01-02 00:00:00 CET",
        "2020-01-02 08:00:00 CET",
    ]


def test_dates_are_converted(monkeypatch):
    monkeypatch.setattr("mainspring.triggers.cron.get_localzone", lambda: BERLIN)
    trigger = CronTrigger(start_date="2016-11-05 05:06:53", end_date=date(2017, 11, 5))
    assert trigger.start_date == datetime(2016, 11, 5, 5, 6, 53, tzinfo=BERLIN)
    assert trigger.end_date == datetime(2017, 11, 5, tzinfo=BERLIN)
    assert trigger.timezone is BERLIN


def test_jitter():
    trigger = CronTrigger(minute=0, jitter=5, timezone=UTC)
    now = datetime(2020, 1, 1, tzinfo=UTC)
    random.seed(1)
    found = trigger.get_next_fire_time(None, now)
    random.seed(1)
    assert found == now + timedelta(seconds=random.uniform(0, 5))


def test_jitter_does_not_pass_the_end():
    end = datetime(2020, 1, 1, tzinfo=UTC)
    trigger = CronTrigger(minute=0, jitter=5, end_date=end, timezone=UTC)
    assert {trigger.get_next_fire_time(None, end) for _ in range(20)} == {end}


# --- construction and texts ---


def test_defaults_of_less_significant_fields():
    trigger = CronTrigger(day=5, timezone=UTC)
    assert [str(field) for field in trigger.fields] == ["*", "*", "5", "*", "*", "0", "0", "0"]
    assert [field.is_default for field in trigger.fields].index(False) == 2
    assert [str(field) for field in CronTrigger(timezone=UTC).fields] == ["*"] * 8


def test_texts():
    trigger = CronTrigger(
        year="2009/2",
        month="jan-APR",
        day="2nd fri , last",
        start_date="2020-01-01",
        end_date="2020-01-02",
        jitter=2.5,
        timezone=BERLIN,
    )
    assert str(trigger) == "cron[year='2009/2', month='jan-apr', day='2nd fri,last']"
    assert repr(trigger) == (
        "<CronTrigger (year='2009/2', month='jan-apr', day='2nd fri,last', "
        "start_date='2020-01-01 00:00:00 CET', end_date='2020-01-02 00:00:00 CET', jitter=2.5, "
        "timezone='Europe/Berlin')>"
    )


def test_class_attributes():
    assert CronTrigger.FIELD_NAMES == apscheduler.triggers.cron.CronTrigger.FIELD_NAMES
    assert set(CronTrigger.FIELDS_MAP) == set(CronTrigger.FIELD_NAMES)
    assert set(CronTrigger.__slots__) == set(apscheduler.triggers.cron.CronTrigger.__slots__)


def test_from_crontab():
    trigger = CronTrigger.from_crontab("0 8 1-15 may-aug *", timezone="UTC")
    assert repr(trigger) == (
        "<CronTrigger (month='may-aug', day='1-15', day_of_week='*', hour='8', minute='0', "
        "timezone='UTC')>"
    )


@pytest.mark.parametrize("line", ["", "* * * *", "* * * * * *"])
def test_from_crontab_needs_five_fields(line):
    count = len(line.split())
    with pytest.raises(ValueError, match=f"Wrong number of fields; got {count}, expected 5"):
        CronTrigger.from_crontab(line)


@pytest.mark.parametrize(
    ("expr", "now", "expected"),
    [
        ("0 30 8 ? * MON-FRI", datetime(2026, 1, 3), ["2026-01-05 08:30:00 UTC"]),
        ("0 0 12 ? * 1", datetime(2026, 1, 1), ["2026-01-04 12:00:00 UTC"]),  # Sunday
        (
            "*/20 0 0 1 1 ? 2030",
            datetime(2026, 1, 1),
            ["2030-01-01 00:00:00 UTC", "2030-01-01 00:00:20 UTC"],
        ),
    ],
)
def test_from_quartz(expr, now, expected):
    trigger = CronTrigger.from_quartz(expr, "UTC")
    assert chain(trigger, now.replace(tzinfo=UTC), len(expected)) == expected
    again = pickle.loads(pickle.dumps(trigger))
    assert chain(again, now.replace(tzinfo=UTC), len(expected)) == expected


@pytest.mark.parametrize("expr", ["", "* * * * *", "0 0 25 * * ?", "0 0 0 ? * FOO", "a b c d e f"])
def test_bad_quartz(expr):
    with pytest.raises(ValueError, match=r".+"):
        CronTrigger.from_quartz(expr)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"minutes": 5}, TypeError, "unexpected keyword argument 'minutes'"),
        ({"timezone": "Nowhere"}, KeyError, "No time zone found with key Nowhere"),
        ({"jitter": -3}, ValueError, "jitter must be 0 seconds or more, got -3"),
        ({"jitter": float("nan")}, ValueError, "jitter must be 0 seconds or more, got nan"),
        ({"end_date": "later"}, ValueError, "Invalid date string"),
    ],
)
def test_bad_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        CronTrigger(**kwargs)


def test_naive_times_are_refused():
    # DIFFERENCE: 3.x takes them for the machine's local time.
    trigger = CronTrigger(minute=0, timezone=UTC)
    with pytest.raises(TypeError, match="now must be an aware datetime"):
        trigger.get_next_fire_time(None, datetime(2020, 1, 1))


def test_a_subclass_of_its_own():
    class Daily(CronTrigger):
        def __init__(self, hour=0, **kwargs):
            super().__init__(hour=hour, **kwargs)

    assert str(Daily(5, timezone=UTC)) == "cron[hour='5']"
    assert isinstance(Daily.from_crontab("0 5 * * *", "UTC"), Daily)


def test_attributes_can_be_set():
    trigger = CronTrigger(hour=8, timezone=UTC)
    trigger.fields = CronTrigger(hour=9, timezone=UTC).fields
    trigger.timezone = "Europe/Berlin"
    trigger.start_date = datetime(2020, 7, 1, tzinfo=UTC)
    trigger.end_date = datetime(2020, 7, 2, tzinfo=UTC)
    assert chain(trigger, datetime(2019, 1, 1, tzinfo=UTC), 5) == ["2020-07-01 09:00:00 CEST"]
    assert str(trigger) == "cron[hour='9']"


# --- pickles ---


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    trigger = CronTrigger(
        year="2016",
        month="5-6",
        day="20-28",
        hour=7,
        minute=25,
        second="*",
        start_date="2020-01-01",
        timezone=BERLIN,
        jitter=4,
    )
    again = pickle.loads(pickle.dumps(trigger, protocol))
    for name in CronTrigger.__slots__:
        assert getattr(again, name) == getattr(trigger, name)
    assert repr(again) == repr(trigger)


def as_reference(value):
    """What of a pickle must correspond: class names, modules and attributes."""
    if isinstance(value, list):
        return [as_reference(item) for item in value]
    if not hasattr(value, "__dict__"):
        return value
    module = type(value).__module__.split(".", 1)[1]
    return module, type(value).__name__, {k: as_reference(v) for k, v in vars(value).items()}


ALL_KINDS = {
    "year": "2020-2030/2",
    "month": "jan,mar-may,*/5",
    "day": "1,last,2nd fri,3-9/2",
    "week": "5/10",
    "day_of_week": "mon-fri,6",
    "timezone": BERLIN,
    "jitter": 3,
}


def test_the_state_is_the_references():
    ours = CronTrigger(**ALL_KINDS).__getstate__()
    theirs = apscheduler.triggers.cron.CronTrigger(**ALL_KINDS).__getstate__()
    assert list(ours) == list(theirs)
    assert as_reference(ours.pop("fields")) == as_reference(theirs.pop("fields"))
    assert ours == theirs


def test_a_state_of_the_reference_is_read():
    theirs = apscheduler.triggers.cron.CronTrigger(**ALL_KINDS)
    ours = CronTrigger.__new__(CronTrigger)
    ours.__setstate__(theirs.__getstate__())
    assert repr(ours) == repr(theirs)
    now = datetime(2020, 1, 1, tzinfo=UTC)
    ours.jitter = theirs.jitter = None
    assert ours.get_next_fire_time(None, now) == theirs.get_next_fire_time(None, now)


def test_states_of_old_versions():
    state = CronTrigger(hour=3, timezone=BERLIN).__getstate__()
    del state["version"], state["jitter"]
    trigger = CronTrigger.__new__(CronTrigger)
    trigger.__setstate__((None, state))
    assert str(trigger) == "cron[hour='3']"
    with pytest.raises(
        ValueError, match="version 3 of CronTrigger, but only versions up to 2 can be handled"
    ):
        trigger.__setstate__(state | {"version": 3})


def test_copies_are_independent():
    trigger = CronTrigger(hour=3, timezone=UTC)
    again = copy.copy(trigger)
    again.timezone = BERLIN
    assert trigger.timezone is UTC
