"""Memory of a job in the memory store: growth of the resident set over many jobs, all included."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Any

from benchmarks.rivals import rival
from benchmarks.subjects import LIBRARIES, MAINSPRING, Cannot, background_scheduler, sizes

CASES: dict[str, dict[str, Any]] = {
    "interval": {"trigger": {"trigger": "interval", "hours": 1}},
    "cron": {"trigger": {"trigger": "cron", "hour": 4, "minute": "*/5"}},
}
LOOPS = ("",)
SIZES = {**sizes(libraries=20_000, rivals=20_000), MAINSPRING: 200_000}
METRICS = {"job_bytes": "lower"}
ROUNDS = 3
QUICK = {("cron", ""): 1}


def work() -> None:
    """The function that all jobs share."""


def resident_bytes() -> int:
    """The resident set of this process now; where /proc is missing, its peak until now."""
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_bytes()


def peak_bytes() -> int:
    """The largest resident set of this process until now."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(subject: str, size: int, trigger: dict[str, Any]) -> dict[str, float]:
    """Growth by `size` jobs of a scheduler that is started and paused, or not started yet."""
    if subject not in LIBRARIES:
        return asyncio.run(_measure_rival(subject, size, trigger))
    scheduler = background_scheduler(subject)
    scheduler.start(paused=True)
    for _ in range(100):  # what is made once, on first use
        scheduler.add_job(work, **trigger)
    gc.collect()
    before = resident_bytes()
    for _ in range(size):
        scheduler.add_job(work, **trigger)
    gc.collect()
    grown = resident_bytes() - before
    scheduler.shutdown(wait=False)
    return {"job_bytes": grown / size}


async def _measure_rival(subject: str, size: int, trigger: dict[str, Any]) -> dict[str, float]:
    scheduler = rival(subject)
    if scheduler.no_jobs:
        raise Cannot(scheduler.no_jobs)
    await scheduler.open(work)

    async def add() -> None:
        if trigger["trigger"] == "cron":
            await scheduler.add_cron(trigger["hour"], trigger["minute"])
        else:
            await scheduler.add_hourly()

    for _ in range(100):
        await add()
    gc.collect()
    before = resident_bytes()
    for _ in range(size):
        await add()
    gc.collect()
    grown = resident_bytes() - before
    await scheduler.close()
    return {"job_bytes": grown / size}
