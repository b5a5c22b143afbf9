"""A million jobs: loading them, and running each once, evenly spread over a minute.

`rss_mb` is the largest resident set of the whole process, with the list of jobs that it was given.
"""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from datetime import datetime, timedelta, timezone

from benchmarks.subjects import (
    APSCHEDULER,
    MAINSPRING,
    Cannot,
    add_in_bulk,
    asyncio_scheduler,
    percentiles,
)
from benchmarks.workloads.memory import peak_bytes

CASES: dict[str, dict[str, object]] = {"within a minute": {}}
LOOPS = ("asyncio",)
SIZES = {MAINSPRING: 1_000_000, APSCHEDULER: 1_000_000}
METRICS = {
    "load_s": "lower",
    "rss_mb": "lower",
    "p50_ms": "lower",
    "p99_ms": "lower",
    "core_percent": "lower",
}
ROUNDS = 3

SECONDS = 60.0
#: Jobs that are added in one call.
BATCH = 10_000
#: Between loading and the first run.
LEAD = 2.0


async def measure(subject: str, size: int) -> dict[str, float]:
    """Loads `size` jobs and runs each exactly once."""
    if subject == APSCHEDULER and size >= 1_000_000:
        raise Cannot("takes minutes to load a million jobs: see add_job")
    seconds = min(SECONDS, size / 1_000)  # a trial in small need not take the minute
    step = seconds / size
    runs = bytearray(size)
    late = array("d", bytes(8 * size))
    left = size
    first_at = 0.0
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(index: int) -> None:
        nonlocal left
        late[index] = time.time() - first_at - index * step
        runs[index] += 1
        left -= 1
        if not left:
            ended.set_result(None)

    scheduler = asyncio_scheduler(subject)
    scheduler.start(paused=True)
    # How long loading takes is not known beforehand: a tenth of the jobs tells, and is removed again.
    far = datetime.now(timezone.utc) + timedelta(days=1)

    def add(first: datetime, count: int) -> float:
        """Adds so many, in batches, since arguments take more room than jobs; returns the seconds it took."""
        seconds = 0.0
        for begin in range(0, count, BATCH):
            jobs = [
                {
                    "func": work,
                    "trigger": "date",
                    "run_date": first + timedelta(seconds=index * step),
                    "args": (index,),
                    "misfire_grace_time": None,
                }
                for index in range(begin, min(begin + BATCH, count))
            ]
            start = time.perf_counter()
            add_in_bulk(scheduler, jobs)
            seconds += time.perf_counter() - start
        return seconds

    begin = time.perf_counter()
    add(far, size // 10)
    lead = LEAD + 20 * (time.perf_counter() - begin)
    scheduler.remove_all_jobs()

    first = datetime.now(timezone.utc) + timedelta(seconds=lead)
    first_at = first.timestamp()
    load = add(first, size)
    gc.collect()
    scheduler.resume()
    if time.time() > first_at:
        raise RuntimeError("loading took longer than foreseen")
    await asyncio.sleep(first_at - time.time())
    cpu, begin = time.process_time(), time.perf_counter()
    await ended
    core = (time.process_time() - cpu) / (time.perf_counter() - begin)
    scheduler.shutdown()

    if runs != bytearray([1]) * size:
        raise RuntimeError("a job did not run exactly once")
    figures = percentiles(late)
    return {
        "load_s": load,
        "rss_mb": peak_bytes() / 1e6,
        "p50_ms": figures["p50_ms"],
        "p99_ms": figures["p99_ms"],
        "core_percent": core * 100,
    }
