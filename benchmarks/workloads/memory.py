"""Memory of a job in the memory store: growth of the resident set over many jobs, all included."""

from __future__ import annotations

import gc
import os
import sys
import time
from typing import Any

from benchmarks.subjects import APSCHEDULER, MAINSPRING, background_scheduler

CASES: dict[str, dict[str, Any]] = {
    "interval": {"trigger": {"trigger": "interval", "hours": 1}},
    "cron": {"trigger": {"trigger": "cron", "hour": 4, "minute": "*/5"}},
}
LOOPS = ("",)
SIZES = {MAINSPRING: 200_000, APSCHEDULER: 20_000}
METRICS = {"job_bytes": "lower", "add_us": "lower"}


def work() -> None:
    """The function that all jobs share."""


def resident_bytes() -> int:
    """The resident set of this process now; where /proc is missing, its peak until now."""
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(subject: str, size: int, trigger: dict[str, Any]) -> dict[str, float]:
    """Adds `size` jobs to a scheduler that is started and paused."""
    scheduler = background_scheduler(subject)
    scheduler.start(paused=True)
    for _ in range(100):  # what is made once, on first use
        scheduler.add_job(work, **trigger)
    gc.collect()
    before = resident_bytes()
    begin = time.perf_counter()
    for _ in range(size):
        scheduler.add_job(work, **trigger)
    seconds = time.perf_counter() - begin
    gc.collect()
    grown = resident_bytes() - before
    scheduler.shutdown(wait=False)
    return {"job_bytes": grown / size, "add_us": seconds / size * 1e6}
