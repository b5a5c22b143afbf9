"""Random trigger arguments, zones and instants, dense where fire times go wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import dateutil.tz
import pytz
from hypothesis import strategies as st

from mainspring.util import astimezone

UTC = timezone.utc
KEYS = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # daylight saving of half an hour
    "Asia/Kolkata",
    "Africa/Casablanca",  # "negative" daylight saving, during Ramadan
    "America/St_Johns",  # offset with half an hour; changed at 00:01 until 2011
    "Asia/Beirut",  # changes at midnight
    "Pacific/Apia",  # skipped 2011-12-30
)
FIXED = (timezone.utc, timezone(timedelta(hours=5, minutes=45)), dateutil.tz.tzutc())
FOREIGN = (
    pytz.timezone("Europe/Berlin"),
    pytz.FixedOffset(-90),
    dateutil.tz.gettz("America/New_York"),
    dateutil.tz.tzoffset(None, 3 * 3600),
)
LEAP_DAYS = tuple(
    datetime(year, month, day, tzinfo=UTC)
    for year in (1972, 2000, 2024, 2028, 2096, 2100)
    for month, day in ((2, 28), (3, 1), (12, 31))
)


@cache
def changes(key: str) -> tuple[datetime, ...]:
    """The instants from 1990 to 2040 at which the zone changes its offset, to the second."""
    zone = ZoneInfo(key)
    found = []
    step = timedelta(hours=12)
    t = datetime(1990, 1, 1, tzinfo=UTC)
    offset = t.astimezone(zone).utcoffset()
    while t.year < 2040:
        if (t + step).astimezone(zone).utcoffset() != offset:
            low, high = t, t + step
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if middle.astimezone(zone).utcoffset() == offset:
                    low = middle
                else:
                    high = middle
            found.append(high)
            offset = high.astimezone(zone).utcoffset()
        t += step
    return tuple(found)


zones: st.SearchStrategy[tzinfo] = st.one_of(
    st.sampled_from(KEYS).map(ZoneInfo),
    st.sampled_from(FIXED + FOREIGN),
)


def key_of(zone: tzinfo) -> str:
    """The IANA key whose changes matter for the zone."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    if zone in FOREIGN:
        return ("Europe/Berlin", "UTC", "America/New_York", "UTC")[FOREIGN.index(zone)]
    return "UTC"


@st.composite
def instants(draw: Callable[..., Any], zone: tzinfo) -> datetime:
    """An instant as an aware datetime in the zone: most of them around a change or a leap day."""
    near = changes(key_of(zone)) or LEAP_DAYS
    anchor = draw(
        st.one_of(st.sampled_from(near), st.sampled_from(near), st.sampled_from(LEAP_DAYS))
    )
    away = draw(
        st.one_of(
            st.integers(-2 * 3600, 2 * 3600),
            st.integers(-3 * 24, 3 * 24).map(lambda hours: hours * 3600),
            st.integers(-400 * 86400, 400 * 86400),
        )
    )
    micros = draw(st.sampled_from((0, 0, 0, 1, 500_000, 999_999)))
    at = anchor + timedelta(seconds=away, microseconds=micros)
    return at.astimezone(astimezone(zone))


_RANGES = {
    "month": (1, 12),
    "day": (1, 31),
    "week": (1, 53),
    "day_of_week": (0, 6),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_POSITIONS = ("1st", "2nd", "3rd", "4th", "5th", "last")


@st.composite
def _numbers(draw: Callable[..., Any], least: int, greatest: int) -> str:
    shape = draw(st.sampled_from("aaabbcde*/"))
    first = draw(st.integers(least, greatest))
    last = draw(st.integers(first, greatest))
    if shape == "a" or (shape in "cd" and first == greatest):
        return str(first)
    if shape == "b":
        return f"{first}-{last}"
    if shape == "c":
        return f"{first}/{draw(st.integers(1, greatest - first))}"
    if shape == "d" and last > first:
        return f"{first}-{last}/{draw(st.integers(1, last - first))}"
    if shape == "/":
        return f"*/{draw(st.integers(1, greatest - least))}"
    return "*"


def _expressions(name: str) -> st.SearchStrategy[str]:
    kinds = [_numbers(*_RANGES[name])]
    names = {"month": _MONTHS, "day_of_week": _WEEKDAYS}.get(name)
    if names:
        pairs = st.tuples(st.sampled_from(names), st.sampled_from(names))
        kinds.append(st.sampled_from(names))
        kinds.append(pairs.filter(lambda p: names.index(p[0]) <= names.index(p[1])).map("-".join))
    if name == "day":
        kinds.append(st.just("last"))
        kinds.append(
            st.tuples(st.sampled_from(_POSITIONS), st.sampled_from(_WEEKDAYS)).map(" ".join)
        )
    return st.lists(st.one_of(kinds), min_size=1, max_size=2).map(",".join)


@st.composite
def cron_fields(draw: Callable[..., Any], year: int) -> dict[str, Any]:
    """The fields of a cron trigger; it is now some year near ``year``."""
    fields: dict[str, Any] = {}
    chance = draw(st.sampled_from((2, 3, 6)))
    for name, (least, greatest) in _RANGES.items():
        if draw(st.integers(0, chance)) == 0:
            fields[name] = draw(st.one_of(_expressions(name), st.integers(least, greatest)))
    if draw(st.integers(0, 9)) == 0:
        first = draw(st.integers(max(1970, year - 1), year + 4))
        fields["year"] = draw(
            st.sampled_from((first, f"{first}-{first + 3}", f"{max(1970, first - 8)}/4", "*/2"))
        )
    return fields


@st.composite
def calendar_steps(draw: Callable[..., Any]) -> dict[str, int]:
    """The step and the time of day of a calendar interval trigger."""
    step = {
        "years": draw(st.sampled_from((0, 0, 0, 1, 4))),
        "months": draw(st.sampled_from((0, 0, 1, 1, 2, 6, 7, 12, 25))),
        "weeks": draw(st.sampled_from((0, 0, 0, 1, 2))),
        "days": draw(st.sampled_from((0, 0, 1, 2, 10))),
    }
    if not any(step.values()):
        step["days"] = 1
    step["hour"] = draw(st.sampled_from((0, 0, 1, 2, 2, 3, 12, 23)))
    step["minute"] = draw(st.sampled_from((0, 0, 1, 15, 30, 59)))
    step["second"] = draw(st.sampled_from((0, 0, 30)))
    return step


#: Interval arguments in whole seconds.
intervals = st.one_of(
    st.integers(0, 200_000).map(lambda seconds: {"seconds": seconds}),
    st.sampled_from(
        ({"days": 1}, {"weeks": 1}, {"hours": 5}, {"minutes": 7}, {"days": 3, "hours": 1})
    ),
)
