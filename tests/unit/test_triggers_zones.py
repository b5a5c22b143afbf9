"""Times go to the core and come back unchanged, whatever their zone is made of."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import dateutil.tz
import pytest
import pytz
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger

UTC = timezone.utc


class Rome(tzinfo):
    """A zone that only Python knows: one hour, two from April to September, without folds."""

    def utcoffset(self, dt):
        return timedelta(hours=2 if 4 <= dt.month <= 9 else 1)

    def dst(self, dt):
        return timedelta(hours=1 if 4 <= dt.month <= 9 else 0)

    def tzname(self, dt):
        return "ROME"


def from_file() -> ZoneInfo:
    for root in TZPATH:
        if (path := Path(root, "Europe/Berlin")).exists():
            with path.open("rb") as file:
                return ZoneInfo.from_file(file, key="Asia/Kolkata")  # a name that lies
    return ZoneInfo("Europe/Berlin")


ZONES = [
    UTC,
    ZoneInfo("UTC"),
    ZoneInfo("Europe/Berlin"),
    ZoneInfo.no_cache("Europe/Berlin"),
    ZoneInfo("Africa/Casablanca"),
    ZoneInfo("America/St_Johns"),
    ZoneInfo("Pacific/Apia"),
    from_file(),
    timezone(-timedelta(hours=23, minutes=59)),
    timezone(timedelta(seconds=1, microseconds=3)),
    dateutil.tz.tzutc(),
    dateutil.tz.tzoffset("X", -3600),
    dateutil.tz.gettz("Europe/Berlin"),
    pytest.param(Rome(), id="Rome"),
]


@pytest.mark.parametrize("zone", ZONES, ids=str)
@settings(max_examples=100)
@given(
    micros=st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000),
    fold=st.integers(0, 1),
)
def test_there_and_back(zone, micros, fold):
    at = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).astimezone(zone)
    # The interval trigger gives its start back by way of the core.
    trigger = IntervalTrigger(seconds=1, start_date=at, timezone=zone)
    for now in (at - timedelta(days=2), at.astimezone(UTC)):
        found = trigger.get_next_fire_time(None, now)
        assert found.astimezone(UTC) == at.astimezone(UTC)
        assert found.replace(tzinfo=None) == at.replace(tzinfo=None)
        assert found.tzinfo is zone
    assert trigger.start_date == at
    # And any civil time as PEP 495 reads it.
    civil = at.replace(fold=fold)
    assert DateTrigger(civil).get_next_fire_time(None, at) is civil
    trigger = IntervalTrigger(seconds=1, start_date=civil, timezone=zone)
    found = trigger.get_next_fire_time(None, civil.astimezone(UTC))
    assert found.astimezone(UTC) == civil.astimezone(UTC)


@pytest.mark.parametrize("key", ["Europe/Berlin", "Africa/Casablanca", "America/New_York"])
def test_the_far_future_and_past_agree_with_python(key):
    zone = ZoneInfo(key)
    for year in (2, 1883, 1901, 1947, 2037, 2038, 2087, 2500, 9998):
        for month in range(1, 13):
            now = datetime(year, month, 15, 12, 30, tzinfo=UTC)
            found = IntervalTrigger(seconds=1, start_date=now, timezone=zone).get_next_fire_time(
                None, now
            )
            assert found.utcoffset() == now.astimezone(zone).utcoffset()
            assert found == now


def test_a_fold_is_told():
    zone = ZoneInfo("Europe/Berlin")
    for fold in (0, 1):
        at = datetime(2020, 10, 25, 2, 30, fold=fold, tzinfo=zone)
        found = IntervalTrigger(hours=1, start_date=at).get_next_fire_time(None, at)
        assert (found.fold, found.utcoffset()) == (fold, timedelta(hours=2 - fold))


def test_a_zone_of_a_file_is_asked_itself():
    zone = from_file()
    found = CronTrigger(hour=12, timezone=zone).get_next_fire_time(
        None, datetime(2020, 7, 1, tzinfo=UTC)
    )
    assert str(found) == "2020-07-01 12:00:00+02:00"


def test_a_zone_of_pythons_own():
    trigger = CronTrigger(hour=12, timezone=Rome())
    now = datetime(2020, 3, 31, 9, tzinfo=UTC)
    found = trigger.get_next_fire_time(None, now)
    assert str(found) == "2020-03-31 12:00:00+01:00"
    assert str(trigger.get_next_fire_time(found, found)) == "2020-04-01 12:00:00+02:00"


def test_what_a_zone_raises_comes_through():
    class Broken(Rome):
        def utcoffset(self, dt):
            raise LookupError("no offset today")

    trigger = CronTrigger(hour=12, timezone=Broken())
    with pytest.raises(LookupError, match="no offset today"):
        trigger.get_next_fire_time(None, datetime(2020, 3, 31, 9, tzinfo=UTC))


def test_zones_of_pytz_become_zoneinfo():
    trigger = CronTrigger(hour=12, timezone=pytz.timezone("Europe/Berlin"))
    assert trigger.timezone is ZoneInfo("Europe/Berlin")
    now = pytz.timezone("America/New_York").localize(datetime(2020, 7, 1))
    assert str(trigger.get_next_fire_time(None, now)) == "2020-07-01 12:00:00+02:00"
    assert IntervalTrigger(hours=1, start_date=now).timezone is ZoneInfo("America/New_York")


def test_a_subclass_of_datetime_will_do():
    class Stamp(datetime):
        pass

    now = Stamp(2020, 7, 1, 3, tzinfo=UTC)
    found = CronTrigger(hour=12, timezone=UTC).get_next_fire_time(None, now)
    assert found == datetime(2020, 7, 1, 12, tzinfo=UTC)
    assert type(found) is datetime


def test_a_zone_without_an_offset():
    class Nowhere(tzinfo):
        def utcoffset(self, dt):
            return None

        def tzname(self, dt):
            return "NOWHERE"

    now = datetime(2020, 7, 1, tzinfo=Nowhere())
    with pytest.raises(TypeError):
        CronTrigger(hour=12, timezone=UTC).get_next_fire_time(None, now)


@pytest.mark.parametrize(
    "now",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=12))),
    ],
    ids=str,
)
def test_beyond_the_calendar(now):
    with pytest.raises(OverflowError, match="out of range"):
        CronTrigger(hour=12, timezone=UTC).get_next_fire_time(None, now)
