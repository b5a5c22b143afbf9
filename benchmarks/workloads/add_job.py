"""How fast does `add_job` go when the memory store holds many jobs already? And many in one call?"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from benchmarks.rivals import rival
from benchmarks.subjects import (
    LIBRARIES,
    Cannot,
    add_many,
    background_scheduler,
    log_to_nobody,
    sizes,
)

#: As many times the size are there already; `bulk`: as many times the size are added by one call.
CASES: dict[str, dict[str, Any]] = {
    "interval, into 10,000 jobs": {"trigger": "interval", "times": 5},
    "interval, into 100,000 jobs": {"trigger": "interval", "times": 50},
    "cron, into 100,000 jobs": {"trigger": "cron", "times": 50},
    "interval, a listener": {"trigger": "interval", "listener": True},
    "interval, INFO logging to a handler that drops": {"trigger": "interval", "log": True},
    "interval, before the start": {"trigger": "interval", "starts": False},
    "add_jobs, interval, 100,000 at once": {"trigger": "interval", "bulk": 50},
    "add_jobs, cron, 100,000 at once": {"trigger": "cron", "bulk": 50},
}
LOOPS = ("",)
#: How many are added for the measurement.
SIZES = sizes(libraries=2_000, rivals=2_000)
METRICS = {"add_per_s": "higher"}
QUICK = {
    ("interval, into 100,000 jobs", ""): 1,
    ("cron, into 100,000 jobs", ""): 1,
    ("interval, a listener", ""): 1,
    ("interval, before the start", ""): 1,
}


def work() -> None:
    """The function that all jobs share."""


def measure(
    subject: str,
    size: int,
    trigger: str,
    times: int = 0,
    bulk: int = 0,
    listener: bool = False,
    log: bool = False,
    starts: bool = True,
) -> dict[str, float]:
    """Rate of adding jobs at random places in the queue."""
    if subject not in LIBRARIES:
        if bulk:
            raise Cannot("has no such call")
        if listener or log or not starts:
            raise Cannot("is measured without")
        return asyncio.run(_measure_rival(subject, size, trigger, times))
    scheduler = background_scheduler(subject)
    if bulk and not hasattr(scheduler, "add_jobs"):
        raise Cannot("has no such call")
    if starts:
        scheduler.start(paused=True)
    if listener:
        scheduler.add_listener(lambda event: None)
    if log:
        log_to_nobody(subject)
    add_many(scheduler, work, times * size)
    draw = random.Random(1)

    def arguments() -> dict[str, Any]:
        if trigger == "interval":
            return {"seconds": draw.randint(3_600, 1_000_000)}
        return {"hour": draw.randint(0, 23), "minute": draw.randint(0, 59)}

    count = size * (bulk or 1)
    jobs = [{"func": work, "trigger": trigger, **arguments()} for _ in range(count)]
    begin = time.perf_counter()
    if bulk:
        added = scheduler.add_jobs(jobs)
        if len(added) != count:
            raise RuntimeError("add_jobs did not return each job")
    else:
        for job in jobs:
            scheduler.add_job(**job)
    rate = count / (time.perf_counter() - begin)
    if not starts:
        scheduler.start(paused=True)
    if len(scheduler.get_jobs()) != times * size + count:
        raise RuntimeError("a job is missing, or was added twice")
    scheduler.shutdown(wait=False)
    return {"add_per_s": rate}


async def _measure_rival(subject: str, size: int, trigger: str, times: int) -> dict[str, float]:
    scheduler = rival(subject)
    if scheduler.no_jobs:
        raise Cannot(scheduler.no_jobs)
    await scheduler.open(work)
    for _ in range(times * size):
        await scheduler.add_hourly()
    draw = random.Random(1)
    begin = time.perf_counter()
    for _ in range(size):
        if trigger == "interval":
            await scheduler.add_hourly()
        else:
            await scheduler.add_cron(draw.randint(0, 23), str(draw.randint(0, 59)))
    rate = size / (time.perf_counter() - begin)
    await scheduler.close()
    return {"add_per_s": rate}
