"""Lengths of time as a test writes them: seconds, a timedelta, or text."""

from __future__ import annotations

import re
from datetime import timedelta
from math import isfinite

_UNITS = {
    "us": ("us", "microsecond", "microseconds"),
    "ms": ("ms", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
_LENGTHS = {
    "us": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_LENGTH_OF = {name: _LENGTHS[unit] for unit, names in _UNITS.items() for name in names}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*,?\s*")


def duration(value: float | timedelta | str) -> timedelta:
    """Return a length of time.

    :param value: seconds, a timedelta, or text such as ``36h``, ``8h30m``, ``31 days``: numbers with a
        unit, which is one of ``us``, ``ms``, ``s``, ``m`` (minutes), ``h``, ``d`` (24 hours) and ``w``
        or its English name; a minus sign in front makes all of it negative
    :raises ValueError: if the text is not of this form, or the number is not finite
    :raises TypeError: if the value is something else

    >>> duration("8h30m"), duration("31 days"), duration(90)
    (datetime.timedelta(seconds=30600), datetime.timedelta(days=31), datetime.timedelta(seconds=90))
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return _parsed(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(
            f"a duration is seconds, a timedelta or text such as '8h30m', not {value!r}"
        )
    if not isfinite(value):
        raise ValueError(f"a duration must be finite, not {value!r}")
    return timedelta(seconds=value)


def _parsed(text: str) -> timedelta:
    rest = text.strip().lower()
    sign = -1 if rest.startswith("-") else 1
    rest = rest.lstrip("+-").strip() if rest[:1] in ("+", "-") else rest
    total = timedelta()
    if not rest:
        raise ValueError(f"{text!r} is not a duration; write it as '36h', '8h30m' or '31 days'")
    while rest:
        part = _PART.match(rest)
        length = None if part is None else _LENGTH_OF.get(part[2])
        if part is None or length is None:
            raise ValueError(f"{text!r} is not a duration; write it as '36h', '8h30m' or '31 days'")
        total += float(part[1]) * length
        rest = rest[part.end() :]
    return sign * total


def microseconds(value: float | timedelta | str) -> int:
    """Return a length of time in whole microseconds."""
    return duration(value) // timedelta(microseconds=1)
