"""Does the process grow over many runs, and jobs that come and go?

Jobs are added, run once on the loop, and are gone, 20,000 at a time.
"""

from __future__ import annotations

import asyncio
import gc
from datetime import datetime, timezone

from benchmarks.subjects import APSCHEDULER, MAINSPRING, add_in_bulk, asyncio_scheduler
from benchmarks.workloads.memory import resident_bytes

CASES: dict[str, dict[str, object]] = {"jobs that run once": {}}
LOOPS = ("asyncio",)
SIZES = {MAINSPRING: 10_000_000, APSCHEDULER: 400_000}
METRICS = {"grown_percent": "lower", "run_us": "lower"}
ROUNDS = 1

BATCH = 20_000


async def measure(subject: str, size: int) -> dict[str, float]:
    """Growth of the resident set from a tenth of `size` runs to all; `run_us` has adding in it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    left = 0
    runs = 0

    async def work() -> None:
        nonlocal left, runs
        runs += 1
        left -= 1
        if not left:
            ended.set()

    scheduler = asyncio_scheduler(subject)
    scheduler.start()
    batches = max(10, size // BATCH)
    batch = size // batches
    resident = []
    begin = loop.time()
    for _ in range(batches):
        scheduler.pause()
        now = datetime.now(timezone.utc)
        job = {"func": work, "trigger": "date", "run_date": now, "misfire_grace_time": None}
        left = batch
        add_in_bulk(scheduler, (job for _ in range(batch)))
        ended.clear()
        scheduler.resume()
        await ended.wait()
        gc.collect()
        resident.append(resident_bytes())
    seconds = loop.time() - begin
    await asyncio.sleep(0.1)
    if runs != batch * batches or scheduler.get_jobs():
        raise RuntimeError("a job did not run exactly once")
    scheduler.shutdown()
    early = max(resident[: batches // 10])
    late = max(resident[-batches // 10 :])
    return {
        "grown_percent": (late / early - 1) * 100,
        "run_us": seconds / (batch * batches) * 1e6,
    }
