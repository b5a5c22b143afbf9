"""What does it cost to list the jobs of a memory store?"""

from __future__ import annotations

import statistics
import time

from benchmarks.subjects import add_many, background_scheduler, sizes

CASES: dict[str, dict[str, int]] = {"100,000 jobs": {}}
LOOPS = ("",)
SIZES = sizes(libraries=100_000)
METRICS = {"ms": "lower"}
QUICK = {("100,000 jobs", ""): 1}

#: How often they are listed.
TIMES = 7


def work() -> None:
    """The function that all jobs share."""


def measure(subject: str, size: int) -> dict[str, float]:
    """The median time of `get_jobs`, until all jobs are there."""
    scheduler = background_scheduler(subject)
    scheduler.start(paused=True)
    add_many(scheduler, work, size)
    times = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        jobs = scheduler.get_jobs()
        times.append(time.perf_counter() - begin)
        if len(jobs) != size:
            raise RuntimeError("a job is missing, or is there twice")
        del jobs
    scheduler.shutdown(wait=False)
    return {"ms": statistics.median(times) * 1e3}
