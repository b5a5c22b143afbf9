"""How fast are jobs paused, resumed, rescheduled, modified and removed, one by one, among many?"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.rivals import rival
from benchmarks.subjects import LIBRARIES, Cannot, add_many, background_scheduler, sizes

#: As many times the size are there.
CASES: dict[str, dict[str, Any]] = {"among 100,000 jobs": {"times": 50}}
LOOPS = ("",)
#: How many are changed, each in each way.
SIZES = sizes(libraries=2_000, rivals=2_000)
METRICS = {
    "pause_per_s": "higher",
    "resume_per_s": "higher",
    "reschedule_per_s": "higher",
    "modify_per_s": "higher",
    "remove_per_s": "higher",
}
QUICK = {("among 100,000 jobs", ""): 1}


def work() -> None:
    """The function that all jobs share."""


def measure(subject: str, size: int, times: int) -> dict[str, float]:
    """Rates of the five changes, made by the scheduler's methods to `size` jobs chosen at random."""
    if subject not in LIBRARIES:
        return asyncio.run(_measure_rival(subject, size, times))
    scheduler = background_scheduler(subject)
    scheduler.start(paused=True)
    add_many(scheduler, work, times * size)
    draw = random.Random(2)
    chosen = draw.sample([job.id for job in scheduler.get_jobs()], size)
    changes: dict[str, Callable[[str], Any]] = {
        "pause_per_s": scheduler.pause_job,
        "resume_per_s": scheduler.resume_job,
        "reschedule_per_s": lambda job_id: scheduler.reschedule_job(
            job_id, trigger="interval", seconds=draw.randint(3_600, 1_000_000)
        ),
        "modify_per_s": lambda job_id: scheduler.modify_job(job_id, name="changed"),
        "remove_per_s": scheduler.remove_job,
    }
    rates = {}
    for name, change in changes.items():
        begin = time.perf_counter()
        for job_id in chosen:
            change(job_id)
        rates[name] = size / (time.perf_counter() - begin)
    if len(scheduler.get_jobs()) != (times - 1) * size:
        raise RuntimeError("a job was not removed")
    scheduler.shutdown(wait=False)
    return rates


async def _measure_rival(subject: str, size: int, times: int) -> dict[str, float]:
    scheduler = rival(subject)
    if scheduler.no_jobs:
        raise Cannot(scheduler.no_jobs)
    await scheduler.open(work)
    ids = [await scheduler.add_hourly() for _ in range(times * size)]
    # It looks through all jobs for each: a hundred tell as much.
    chosen = random.Random(2).sample(ids, min(size, 100))
    changes: dict[str, Callable[[str], Awaitable[None]]] = {
        "pause_per_s": scheduler.pause,
        "resume_per_s": scheduler.resume,
        "remove_per_s": scheduler.remove,
    }
    rates = {}
    for name, change in changes.items():
        begin = time.perf_counter()
        for job_id in chosen:
            await change(job_id)
        rates[name] = len(chosen) / (time.perf_counter() - begin)
    await scheduler.close()
    return rates
