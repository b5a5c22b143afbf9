"""How late does a job start that is due every 50 ms, on a loop with nothing else to do?"""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import datetime, timedelta, timezone

from benchmarks.subjects import APSCHEDULER, FLOOR, LIBRARIES, MAINSPRING, asyncio_scheduler

CASES: dict[str, dict[str, object]] = {"every 50 ms": {}}
LOOPS = ("asyncio", "uvloop")
SIZES = {MAINSPRING: 100, APSCHEDULER: 100, FLOOR: 100}
METRICS = {"p50_ms": "lower", "p95_ms": "lower", "p99_ms": "lower"}

PERIOD = 0.05


async def measure(subject: str, size: int) -> dict[str, float]:
    """Lateness of `size` runs, the n-th against the n-th instant, so that a skip counts."""
    first = datetime.now(timezone.utc) + timedelta(seconds=0.3)
    first_at = first.timestamp()
    starts: list[float] = []
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        starts.append(time.time())
        if len(starts) == size:
            ended.set_result(None)

    if subject in LIBRARIES:
        scheduler = asyncio_scheduler(subject)
        scheduler.add_job(work, "interval", seconds=PERIOD, start_date=first)
        scheduler.start()
        await ended
        scheduler.shutdown()
    else:
        for index in range(size):
            await asyncio.sleep(first_at + index * PERIOD - time.time())
            await work()

    late = [start - first_at - index * PERIOD for index, start in enumerate(starts[:size])]
    if min(late) < -0.001:
        raise RuntimeError(f"a run was {-min(late)} s early, or ran twice")
    cuts = statistics.quantiles(late, n=100, method="inclusive")
    return {f"p{percent}_ms": cuts[percent - 1] * 1e3 for percent in (50, 95, 99)}
