"""Plain functions that are all due at the same instant, on ten worker threads.

The time counts from that instant to the end of the last run.
"""

from __future__ import annotations

import gc
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.subjects import (
    APSCHEDULER,
    FLOOR,
    LIBRARIES,
    MAINSPRING,
    add_due_together,
    background_scheduler,
)

CASES: dict[str, dict[str, object]] = {"10 threads": {}}
LOOPS = ("",)
SIZES = {MAINSPRING: 20_000, APSCHEDULER: 20_000, FLOOR: 20_000}
METRICS = {"run_us": "lower"}

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
    else:
        gc.collect()
        with ThreadPoolExecutor(WORKERS) as executor:
            due_at = time.time()
            for index in range(size):
                executor.submit(work, index)
            ended.wait()

    if runs != [1] * size:
        raise RuntimeError("a job did not run exactly once")
    return {"run_us": (end - due_at) / size * 1e6}
