"""How fast does `add_job` go when the memory store holds many jobs already?"""

from __future__ import annotations

import random
import time
from typing import Any

from benchmarks.subjects import APSCHEDULER, MAINSPRING, background_scheduler

CASES = {"into 10,000 jobs": {"times": 5}, "into 100,000 jobs": {"times": 50}}
LOOPS = ("",)
#: How many are added for the measurement; so many times this number are there already.
SIZES = {MAINSPRING: 2_000, APSCHEDULER: 2_000}
METRICS = {"interval_per_s": "higher", "cron_per_s": "higher"}


def work() -> None:
    """The function that all jobs share."""


def measure(subject: str, size: int, times: int) -> dict[str, float]:
    """Rates of adding `size` interval and `size` cron jobs, at random places in the queue."""
    scheduler = background_scheduler(subject)
    scheduler.start(paused=True)
    draw = random.Random(0)

    def add_interval() -> None:
        scheduler.add_job(work, "interval", seconds=draw.randint(3_600, 1_000_000))

    def add_cron() -> None:
        scheduler.add_job(work, "cron", hour=draw.randint(0, 23), minute=draw.randint(0, 59))

    rates = {}
    for _ in range(times * size):
        add_interval()
    steps: list[tuple[str, Any]] = [("interval_per_s", add_interval), ("cron_per_s", add_cron)]
    for name, add in steps:
        begin = time.perf_counter()
        for _ in range(size):
            add()
        rates[name] = size / (time.perf_counter() - begin)
    scheduler.shutdown(wait=False)
    return rates
