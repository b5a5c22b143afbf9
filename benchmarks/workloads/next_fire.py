"""How fast does Python code get one fire time after another from a cron trigger?"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.subjects import (
    AIOCRON,
    APSCHEDULER4,
    APSCHEDULER4_TUNED,
    LIBRARIES,
    Cannot,
    sizes,
)

FIELDS: dict[str, dict[str, Any]] = {
    "every five minutes": {"minute": "*/5"},
    "leap day": {"month": 2, "day": 29, "hour": 0},
    "last friday": {"day": "last fri", "hour": 12},
}
CASES: dict[str, dict[str, Any]] = {
    f"{name}, {zone}": {"name": name, "zone": zone}
    for name in FIELDS
    for zone in ("UTC", "Europe/Berlin")
}
#: The same for cronsim, which aiocron asks.
EXPRESSIONS = {
    "every five minutes": "*/5 * * * *",
    "leap day": "0 0 29 2 *",
    "last friday": "0 12 * * 5L",
}
LOOPS = ("",)
SIZES = {
    name: size
    for name, size in sizes(libraries=4_000, rivals=4_000).items()
    if name != APSCHEDULER4_TUNED
}
METRICS = {"next_per_s": "higher"}
QUICK = {(case, ""): 1 for case in CASES}


def measure(subject: str, size: int, name: str, zone: str) -> dict[str, float]:
    """Rate of `size` calls in all; begins anew after 400 fire times, so that no calendar ends."""
    tz = ZoneInfo(zone)
    start = datetime(2025, 1, 1, tzinfo=tz)
    after, expected = _asker(subject, name, tz, start), _expected(name, tz)
    begin = time.perf_counter()
    left = size
    first: datetime | None = None
    while left > 0:
        ask = after()
        for number in range(min(left, 400)):
            fire = ask()
            if not number:
                first = fire
        left -= 400
    rate = size / (time.perf_counter() - begin)
    if first != expected:
        raise RuntimeError(f"{first} instead of {expected}")
    return {"next_per_s": rate}


def _expected(name: str, tz: ZoneInfo) -> datetime:
    return {
        "every five minutes": datetime(2025, 1, 1, tzinfo=tz),
        "leap day": datetime(2028, 2, 29, tzinfo=tz),
        "last friday": datetime(2025, 1, 31, 12, tzinfo=tz),
    }[name]


def _asker(
    subject: str, name: str, tz: ZoneInfo, start: datetime
) -> Callable[[], Callable[[], datetime]]:
    """A function that makes a function which gives the next fire time, from `start` on."""
    if subject in LIBRARIES:
        cron = importlib.import_module(f"{subject}.triggers.cron")
        trigger = cron.CronTrigger(timezone=tz, **FIELDS[name])

        def ask_a_trigger() -> Callable[[], datetime]:
            previous: Any = None

            def ask() -> datetime:
                nonlocal previous
                previous = trigger.get_next_fire_time(previous, previous or start)
                return previous  # type: ignore[no-any-return]

            return ask

        return ask_a_trigger
    if subject == APSCHEDULER4:
        cron = importlib.import_module("apscheduler.triggers.cron")
        arguments = {"start_time": start, "timezone": tz, **FIELDS[name]}
        return lambda: cron.CronTrigger(**arguments).next
    if subject == AIOCRON:
        cronsim = importlib.import_module("cronsim")
        before = start - timedelta(seconds=1)
        return lambda: cronsim.CronSim(EXPRESSIONS[name], before).__next__
    raise Cannot("looks at the present minute only")
