"""Plain functions that are all due at the same instant, on ten worker threads.

The time counts from that instant to the end of the last run.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.rivals import due_together
from benchmarks.subjects import (
    APSCHEDULER4,
    APSCHEDULER4_TUNED,
    FLOOR,
    LIBRARIES,
    add_due_together,
    background_scheduler,
    sizes,
)

CASES: dict[str, dict[str, object]] = {"10 threads": {}}
LOOPS = ("",)
SIZES = {
    **sizes(libraries=20_000, rivals=20_000),
    FLOOR: 20_000,
    # What a run of theirs costs grows with their number: 20,000 would take minutes.
    APSCHEDULER4: 2_000,
    APSCHEDULER4_TUNED: 2_000,
}
METRICS = {"run_us": "lower"}
QUICK = {("10 threads", ""): 2}

WORKERS = 10


def measure(subject: str, size: int) -> dict[str, float]:
    """Runs `size` jobs due at one instant, each exactly once."""
    runs = [0] * size
    done = itertools.count(1)
    ended = threading.Event()
    end = 0.0

    def work(index: int) -> None:
        nonlocal end
        runs[index] += 1
        if next(done) == size:  # atomic, as each index is a thread's own
            end = time.time()
            ended.set()

    if subject in LIBRARIES:
        scheduler = background_scheduler(subject, WORKERS)
        scheduler.start(paused=True)
        due_at = add_due_together(scheduler, work, size)
        ended.wait()
        # APScheduler's thread may still be removing the jobs, which a shutdown would disturb; this waits for
        # its lock.
        scheduler.get_jobs()
        scheduler.shutdown()
    elif subject == FLOOR:
        gc.collect()
        with ThreadPoolExecutor(WORKERS) as executor:
            due_at = time.time()
            for index in range(size):
                executor.submit(work, index)
            ended.wait()
    else:
        due_at = asyncio.run(_run_rival(subject, work, size, ended))

    if runs != [1] * size:
        raise RuntimeError("a job did not run exactly once")
    return {"run_us": (end - due_at) / size * 1e6}


async def _run_rival(
    subject: str, work: Callable[[int], None], size: int, ended: threading.Event
) -> float:
    scheduler, due_at = await due_together(subject, work, size, WORKERS)
    await asyncio.to_thread(ended.wait)
    await asyncio.sleep(0.2)
    await scheduler.close()
    return due_at
