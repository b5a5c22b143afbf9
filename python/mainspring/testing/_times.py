"""Points in time as a test writes them: datetimes, dates, or ISO 8601 text."""

from __future__ import annotations

import re
from datetime import date, datetime, time, tzinfo

from mainspring._mainspring import plain_datetime

# What datetime.fromisoformat() does not know before CPython 3.11.
_UTC = re.compile(r"[zZ]$")
_SHORT_OFFSET = re.compile(r"(?<=:\d\d)([+-]\d\d)(\d\d)?$")


def as_time(value: date | str, zone: tzinfo) -> datetime:
    """Return an aware datetime.

    :param value: a datetime, a date (its midnight), or ISO 8601 text
    :param zone: the time zone of what has no offset
    :raises ValueError: if the text is not of this form
    :raises TypeError: if the value is something else
    """
    if isinstance(value, str):
        at = _parsed(value)
    elif isinstance(value, datetime):
        at = plain_datetime(value)
    elif isinstance(value, date):
        at = datetime.combine(value, time())
    else:
        raise TypeError(f"a time is a datetime, or text such as '2026-03-29T02:30', not {value!r}")
    return at.replace(tzinfo=zone) if at.tzinfo is None else at


def _parsed(text: str) -> datetime:
    iso = _UTC.sub("+00:00", text.strip())
    iso = _SHORT_OFFSET.sub(lambda found: f"{found[1]}:{found[2] or '00'}", iso)
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write it as '2026-03-29T02:30'") from None
