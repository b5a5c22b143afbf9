"""What a trigger does, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

from mainspring.testing._fires import preview, trigger_of, zone_of
from mainspring.testing._times import as_time
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.combining import AndTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger

if TYPE_CHECKING:
    from mainspring.job import Job
    from mainspring.triggers.base import BaseTrigger

_DAYS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}
_DAY_NAMES = list(_DAYS.values())
_MONTHS = {
    "jan": "January",
    "feb": "February",
    "mar": "March",
    "apr": "April",
    "may": "May",
    "jun": "June",
    "jul": "July",
    "aug": "August",
    "sep": "September",
    "oct": "October",
    "nov": "November",
    "dec": "December",
}
_MONTH_NAMES = ["", *_MONTHS.values()]


def explain(trigger: BaseTrigger | Job, start: date | str | None = None) -> str:
    """Say in one sentence when a trigger fires, and list its next five fire times.

    A fire time after the clocks have changed, or on a clock that shows it twice, has a remark.

    :param trigger: the trigger, or a job that has it
    :param start: the time from which to list; by default now. A naive one is in the trigger's zone.
    :return: lines of text

    >>> from mainspring import CronTrigger
    >>> print(explain(CronTrigger(hour=2, minute=30, timezone="Europe/Berlin"), "2026-03-28"))
    Fires every day at 02:30 (Europe/Berlin).
      1. Sat 2026-03-28 02:30:00 CET
      2. Mon 2026-03-30 02:30:00 CEST - before it, on 2026-03-29, the clocks go forward from 02:00 to 03:00
      3. Tue 2026-03-31 02:30:00 CEST
      4. Wed 2026-04-01 02:30:00 CEST
      5. Thu 2026-04-02 02:30:00 CEST
    """
    found = trigger_of(trigger)
    zone = zone_of(found)
    now = datetime.now(zone) if start is None else as_time(start, zone)
    times = preview(trigger, now)
    lines = [f"Fires {_phrase(found)}{_limits(found)} ({_zone_name(zone)})."]
    before = now
    for number, time in enumerate(times, 1):
        remarks = "; ".join(_remarks(before, time))
        shown = f"{time:%a %Y-%m-%d %H:%M:%S} {time.tzname() or time.strftime('%z')}"
        lines.append(f"  {number}. {shown}{remarks and ' - '}{remarks}")
        before = time
    if len(times) < 5:
        lines.append("  then never again" if times else "  never")
    return "\n".join(lines)


def _zone_name(zone: tzinfo) -> str:
    return getattr(zone, "key", None) or str(zone)


def _phrase(trigger: BaseTrigger) -> str:
    if isinstance(trigger, DateTrigger):
        return f"once, on {_day(trigger.run_date)} at {_clock(trigger.run_date)}"
    if isinstance(trigger, IntervalTrigger):
        start = trigger.start_date
        counted = f"counted from {start:%Y-%m-%d} {_clock(start)}"
        return f"every {_length(trigger.interval)} of elapsed time, {counted}"
    if isinstance(trigger, CalendarIntervalTrigger):
        units = ("years", "months", "weeks", "days")
        every = _sum((count, unit) for unit in units if (count := getattr(trigger, unit)))
        time = trigger._time
        shown = f"{time:%H:%M}" if time.second == 0 else f"{time:%H:%M:%S}"
        return f"every {every} at {shown}, from {trigger.start_date} on"
    if isinstance(trigger, CronTrigger):
        return _cron({field.name: str(field) for field in trigger.fields})
    if isinstance(trigger, AndTrigger):
        return "when all of these fire at once: " + "; ".join(map(_phrase, trigger.triggers))
    if isinstance(trigger, OrTrigger):
        return "when any of these fires: " + "; ".join(map(_phrase, trigger.triggers))
    return f"when {type(trigger).__name__} says so: {trigger}"


def _limits(trigger: BaseTrigger) -> str:
    text = ""
    if isinstance(trigger, CronTrigger) and trigger.start_date is not None:
        text += f", not before {trigger.start_date}"
    end = getattr(trigger, "end_date", None)
    if end is not None:
        text += f", not after {end}"
    jitter = getattr(trigger, "jitter", None)
    if jitter:
        text += f", up to {jitter:g} seconds late by chance"
    return text


def _cron(fields: dict[str, str]) -> str:
    day, time = _cron_day(fields), _cron_time(fields["hour"], fields["minute"], fields["second"])
    parts = [time] if day == "every day" and time.startswith("every") else [day, time]
    if fields["week"] != "*":
        parts.append(f"in ISO week {_listed(fields['week'])}")
    if fields["month"] != "*":
        parts.append(_unit(fields["month"], "month", "in ", _month))
    if fields["year"] != "*":
        parts.append(f"in the year {_listed(fields['year'])}")
    return " ".join(part for part in parts if part)


def _cron_day(fields: dict[str, str]) -> str:
    day, weekday = fields["day"], fields["day_of_week"]
    parts = []
    if day != "*":
        parts.append(_unit(day, "day", "on ", _day_of_month))
    if weekday != "*":
        parts.append(_unit(weekday, "day of the week", "on ", _weekday))
    if parts:
        return " if that is ".join([parts[0], *(part.removeprefix("on ") for part in parts[1:])])
    return "" if fields["hour"].startswith("*") else "every day"


def _cron_time(hour: str, minute: str, second: str) -> str:
    if minute.isdigit() and second.isdigit() and all(h.isdigit() for h in hour.split(",")):
        seconds = "" if second == "0" else f":{int(second):02}"
        return "at " + _and(f"{int(h):02}:{int(minute):02}{seconds}" for h in hour.split(","))
    parts = []
    if second != "0":
        parts.append(_unit(second, "second", "at second ", _listed))
    on_the_hour = second == minute == "0" and hour.startswith("*")
    every_second = second.startswith("*") and minute == "*"
    if not (on_the_hour or every_second):
        parts.append(_unit(minute, "minute", "at minute ", _listed))
    if hour != "*":
        parts.append(_unit(hour, "hour", "of hour " if parts else "in hour ", _listed))
    elif minute.isdigit():
        parts.append("of every hour" if parts else "every hour")
    return " ".join(parts)


def _unit(expression: str, unit: str, before: str, listed: object) -> str:
    """Say what a field of a cron trigger asks for."""
    if expression == "*":
        return f"every {unit}"
    if expression.startswith("*/") and expression[2:].isdigit():
        return f"every {_counted(int(expression[2:]), unit + 's')}"
    assert callable(listed)
    return f"{before}{listed(expression)}"


def _listed(expression: str) -> str:
    return _and(_range(part, str) for part in expression.split(","))


def _weekday(expression: str) -> str:
    def name(text: str) -> str:
        return _DAY_NAMES[int(text)] if text.isdigit() else _DAYS.get(text.lower(), text)

    return _and(_range(part, name) for part in expression.split(","))


def _month(expression: str) -> str:
    def name(text: str) -> str:
        return _MONTH_NAMES[int(text)] if text.isdigit() else _MONTHS.get(text.lower(), text)

    return _and(_range(part, name) for part in expression.split(","))


def _day_of_month(expression: str) -> str:
    names = []
    for part in expression.split(","):
        words = part.split()
        if part == "last":
            names.append("the last day of the month")
        elif len(words) == 2:
            names.append(f"the {words[0]} {_DAYS.get(words[1].lower(), words[1])} of the month")
        else:
            names.append(f"day {_range(part, str)} of the month")
    return _and(names)


def _range(part: str, name: object) -> str:
    assert callable(name)
    span, _, step = part.partition("/")
    first, dash, last = span.partition("-")
    text = f"{name(first)} to {name(last)}" if dash else str(name(first))
    return f"{text} in steps of {step}" if step else text


def _remarks(before: datetime, time: datetime) -> Iterator[str]:
    """Say what the clocks do between two times, and at the second one."""
    change = _change(before, time)
    if change is not None:
        old, new = change
        way = "forward" if new.utcoffset() > old.utcoffset() else "back"  # type: ignore[operator]
        yield f"before it, on {new:%Y-%m-%d}, the clocks go {way} from {old:%H:%M} to {new:%H:%M}"
    first, second = time.replace(fold=0), time.replace(fold=1)
    if first.utcoffset() > second.utcoffset():  # type: ignore[operator]
        which = "second" if time.utcoffset() == second.utcoffset() else "first"
        yield f"the clocks show this time twice; this is the {which} time"


def _change(before: datetime, time: datetime) -> tuple[datetime, datetime] | None:
    """Return what the clocks show when they are changed last between two times, before and after that."""
    zone = time.tzinfo
    low, high = before.astimezone(timezone.utc), time.astimezone(timezone.utc)
    if zone is None or low.astimezone(zone).utcoffset() == time.utcoffset():
        return None
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == time.utcoffset():
            high = middle
        else:
            low = middle
    moment = high.replace(microsecond=0)
    after = moment.astimezone(zone)
    offset = low.astimezone(zone).utcoffset()
    assert offset is not None
    return moment.astimezone(timezone(offset)), after


def _day(time: datetime) -> str:
    return f"{time:%A} {time.day} {time:%B %Y}"


def _clock(time: datetime) -> str:
    return f"{time:%H:%M}" if time.second == time.microsecond == 0 else f"{time:%H:%M:%S}"


def _length(length: timedelta) -> str:
    seconds, hours = length.seconds % 60, length.seconds // 3600
    parts = [
        (length.days, "days"),
        (hours, "hours"),
        (length.seconds // 60 % 60, "minutes"),
        (seconds + length.microseconds / 1e6, "seconds"),
    ]
    return _sum(part for part in parts if part[0])


def _sum(parts: Iterable[tuple[float, str]]) -> str:
    given = list(parts)
    if len(given) == 1:
        return _counted(*given[0])
    return _and(f"1 {u.removesuffix('s')}" if n == 1 else _counted(n, u) for n, u in given)


def _counted(count: float, unit: str) -> str:
    return unit.removesuffix("s") if count == 1 else f"{count:g} {unit}"


def _and(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
