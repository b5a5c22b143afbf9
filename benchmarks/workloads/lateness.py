"""How late does a job start that is due every 50 ms?

On a loop with nothing else to do; with many other jobs loaded, none of which is due; beside threads
that run Python code all the time, of the program's own or of the scheduler's worker pool.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

from benchmarks.rivals import rival
from benchmarks.subjects import (
    FLOOR,
    LIBRARIES,
    MAINSPRING,
    RIVALS,
    Cannot,
    add_many,
    asyncio_scheduler,
    percentiles,
    sizes,
)

#: `others`: as many times the size are loaded besides; `threads`: run Python beside the loop;
#: `workers`: threads of the scheduler's pool that do, in jobs of `job_us` or in one that does not end.
CASES: dict[str, dict[str, int]] = {
    "idle loop": {},
    "1,000,000 other jobs": {"others": 10_000},
    "beside a busy thread": {"threads": 1},
    "beside 10 workers full of short jobs": {"workers": 10, "job_us": 100},
    "beside 10 workers that never pause": {"workers": 10},
}
LOOPS = ("asyncio", "uvloop")
SIZES = {**sizes(libraries=100, rivals=100), FLOOR: 100}
METRICS = {"p50_ms": "lower", "p95_ms": "lower", "p99_ms": "lower"}
QUICK = {("idle loop", "asyncio"): 1}

PERIOD = 0.05
#: More jobs than this take others than mainspring minutes to load.
MANY = 100_000


def run_python(seconds: float, stop: threading.Event) -> None:
    """Runs Python code until it has had so much of the processor, or is told to stop."""
    end = time.thread_time() + seconds
    while time.thread_time() < end and not stop.is_set():
        sum(range(100))


def never_due() -> None:
    """What the other jobs would call."""


async def measure(
    subject: str, size: int, others: int = 0, threads: int = 0, workers: int = 0, job_us: int = 0
) -> dict[str, float]:
    """Lateness of `size` runs, the n-th against the n-th instant."""
    if others and subject == FLOOR:
        raise Cannot("has no jobs")
    if others * size > MANY and subject != MAINSPRING:
        raise Cannot("takes minutes to load a million jobs: see add_job")
    if workers and subject in RIVALS:
        raise Cannot("not measured")

    starts: list[float] = []
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(index: int = 0) -> None:
        starts.append(time.time())
        if len(starts) == size:
            ended.set_result(None)

    stop = threading.Event()
    seconds = job_us / 1e6 or float("inf")
    # As much work for the pool as there is time: Python code of all threads has one core together.
    tasks = round((1 + size * PERIOD) / seconds) if job_us else workers
    pool = ThreadPoolExecutor(max(1, workers)) if subject == FLOOR else None
    scheduler: Any = None
    if subject in LIBRARIES:
        scheduler = asyncio_scheduler(subject, workers)
        scheduler.start(paused=True)
        add_many(scheduler, never_due, others * size)
        now = datetime.now(timezone.utc)
        for _ in range(tasks):
            args = [seconds, stop]
            scheduler.add_job(
                run_python,
                "date",
                args=args,
                executor="pool",
                run_date=now,
                misfire_grace_time=None,
            )
    elif subject in RIVALS:
        scheduler = rival(subject)
        await scheduler.open(work)
    elif pool:
        for _ in range(tasks):
            pool.submit(run_python, seconds, stop)
    gc.collect()

    first = datetime.now(timezone.utc) + timedelta(seconds=0.3)
    first_at = first.timestamp()
    forever = float("inf")
    for _ in range(threads):
        threading.Thread(target=run_python, args=[forever, stop], daemon=True).start()
    try:
        if pool:
            for index in range(size):
                await asyncio.sleep(first_at + index * PERIOD - time.time())
                await work()
        elif subject in LIBRARIES:
            # Every instant has its run, however late: one that is skipped would count for all after it.
            scheduler.add_job(
                work,
                "interval",
                seconds=PERIOD,
                start_date=first,
                max_instances=size,
                misfire_grace_time=None,
                coalesce=False,
            )
            scheduler.resume()
            await ended
        else:
            last = first + timedelta(seconds=(size + 10) * PERIOD)
            await scheduler.add_every(PERIOD, first, last, 0)
            await scheduler.start()
            await ended
    finally:
        stop.set()
    if pool:
        pool.shutdown()
    elif subject in LIBRARIES:
        scheduler.shutdown()
    else:
        await scheduler.close()

    late = [start - first_at - index * PERIOD for index, start in enumerate(starts[:size])]
    # uvloop's own timers count in milliseconds and may be one and a little early.
    if min(late) < -0.002:
        raise RuntimeError(f"a run was {-min(late)} s early, or ran twice")
    return percentiles(late)
