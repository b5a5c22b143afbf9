"""What does a scheduler take of the processor while it has many jobs, none of them due?"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.rivals import rival
from benchmarks.subjects import FLOOR, LIBRARIES, add_many, asyncio_scheduler, sizes

CASES: dict[str, dict[str, int]] = {"10,000 jobs": {"jobs": 10_000}}
LOOPS = ("asyncio",)
#: Seconds.
SIZES = {**sizes(libraries=10, rivals=10), FLOOR: 10}
METRICS = {"cpu_s_per_10_s": "lower"}
ROUNDS = 3


def work() -> None:
    """The function that all jobs share."""


async def measure(subject: str, size: int, jobs: int) -> dict[str, float]:
    """CPU time of the process in `size` seconds, as for ten."""
    scheduler: Any = None
    if subject in LIBRARIES:
        scheduler = asyncio_scheduler(subject)
        add_many(scheduler, work, jobs)
        scheduler.start()
    elif subject != FLOOR:
        scheduler = rival(subject)
        await scheduler.open(work)
        for number in range(jobs):
            # Not due within the next hour, whatever the time is now.
            await scheduler.add_cron((time.gmtime().tm_hour + 2 + number % 20) % 24, "7")
        await scheduler.start()
    await asyncio.sleep(1.5)  # what it does once, after it has started
    cpu = time.process_time()
    await asyncio.sleep(size)
    cpu = time.process_time() - cpu
    if subject in LIBRARIES:
        scheduler.shutdown()
    elif scheduler:
        await scheduler.close()
    return {"cpu_s_per_10_s": cpu / size * 10}
