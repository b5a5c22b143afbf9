"""Many jobs that each run ten times a second: how late is a run, and what does it take of a core?

All at the same instants, or spread evenly over the tenth of a second. A run's lateness is that of a
job's n-th run against its n-th instant, so that skipped ones count.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from array import array
from datetime import datetime, timedelta, timezone
from typing import Any

from benchmarks.rivals import rival
from benchmarks.subjects import (
    FLOOR,
    LIBRARIES,
    MAINSPRING,
    add_in_bulk,
    asyncio_scheduler,
    percentiles,
    sizes,
    task_starter,
)

CASES: dict[str, dict[str, Any]] = {
    "1,000 jobs, together": {"jobs": 1_000, "spread": False},
    "1,000 jobs, spread": {"jobs": 1_000, "spread": True},
    "10,000 jobs, together": {"jobs": 10_000, "spread": False},
    "10,000 jobs, spread": {"jobs": 10_000, "spread": True},
}
LOOPS = ("asyncio",)
#: Runs of each job.
SIZES = {**sizes(libraries=50, rivals=50), FLOOR: 50}
METRICS = {
    "p50_ms": "lower",
    "p95_ms": "lower",
    "p99_ms": "lower",
    "core_percent": "lower",
    "run_percent": "higher",
}
QUICK = {("1,000 jobs, together", "asyncio"): 1}

PERIOD = 0.1


async def measure(subject: str, size: int, jobs: int, spread: bool) -> dict[str, float]:
    """Runs `jobs` jobs `size` times each; `run_percent` tells how many of all that came to run."""
    loop = asyncio.get_running_loop()
    late = array("d")
    offsets = [index / jobs * PERIOD if spread else 0.0 for index in range(jobs)]
    due: list[float]
    runs = [0] * jobs
    all_ran = asyncio.Event()

    async def work(index: int) -> None:
        late.append(time.time() - due[index])
        due[index] += PERIOD
        runs[index] += 1
        if len(late) == jobs * size:
            all_ran.set()

    # Far enough ahead that all are added: a millisecond for each is more than any library takes.
    first = datetime.now(timezone.utc) + timedelta(seconds=1 + 0.001 * jobs)
    due = [first.timestamp() + offset for offset in offsets]
    length = timedelta(seconds=(size - 0.5) * PERIOD)
    starts = [first + timedelta(seconds=offset) for offset in offsets]
    scheduler: Any = None
    if subject == FLOOR:
        start_task = task_starter(subject)
        since = loop.time() + first.timestamp() - time.time()

        def fire(index: int, number: int) -> None:
            start_task(work(index))
            if number < size:
                instant = since + offsets[index] + number * PERIOD
                loop.call_at(instant, fire, index, number + 1)

        for index, offset in enumerate(offsets):
            loop.call_at(since + offset, fire, index, 1)
    elif subject in LIBRARIES:
        scheduler = asyncio_scheduler(subject)
        scheduler.start(paused=True)
        add_in_bulk(
            scheduler,
            (
                {
                    "func": work,
                    "trigger": "interval",
                    "seconds": PERIOD,
                    "start_date": start,
                    "end_date": start + length,
                    "args": [index],
                    "misfire_grace_time": None,
                    # A run that is late delays the next, but costs none.
                    "coalesce": False,
                    "max_instances": size,
                }
                for index, start in enumerate(starts)
            ),
        )
        scheduler.resume()
    else:
        scheduler = rival(subject)
        await scheduler.open(work)
        for index, start in enumerate(starts):
            await scheduler.add_every(PERIOD, start, start + length, index)
        await scheduler.start()
    gc.collect()

    if time.time() > first.timestamp() - 0.1:
        raise RuntimeError("adding the jobs took longer than foreseen")
    await asyncio.sleep(first.timestamp() - time.time() - 0.05)
    cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.sleep((size + 1) * PERIOD)
    core = (time.process_time() - cpu) / (time.perf_counter() - begin)
    # Those that are late; who skips some will not have all.
    patience = 30 if subject in (MAINSPRING, FLOOR) else 1
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(all_ran.wait(), patience)
    if subject in LIBRARIES:
        scheduler.shutdown(wait=False)
    elif scheduler:
        await scheduler.close()

    if min(late) < -0.001 or max(runs) > size:
        raise RuntimeError("a run was early, or ran twice")
    if subject in (MAINSPRING, FLOOR) and runs != [size] * jobs:
        raise RuntimeError(f"{jobs * size - len(late)} of {jobs * size} runs did not come")
    return {
        **percentiles(late),
        "core_percent": core * 100,
        "run_percent": len(late) / (jobs * size) * 100,
    }
