"""Coroutine jobs that are all due at the same instant: what does one run cost?

The time counts from that instant to the end of the last run. A beat every millisecond tells for how
long, meanwhile, nothing else got its turn on the loop.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import time
from typing import Any

from benchmarks.rivals import due_together
from benchmarks.subjects import (
    APSCHEDULER4,
    APSCHEDULER4_TUNED,
    FLOORS,
    LIBRARIES,
    RIVALS,
    Cannot,
    add_due_together,
    asyncio_scheduler,
    log_to_nobody,
    sizes,
    task_starter,
)

#: Unless a case says otherwise the jobs are coroutine functions with an argument, run once, and are added
#: to a scheduler that has been started and is paused.
CASES: dict[str, dict[str, Any]] = {
    "returns at once": {},
    "returns at once, interval jobs": {"periodic": True},
    "suspends once": {"suspends": True},
    "no arguments": {"arguments": False},
    "no arguments, interval jobs": {"arguments": False, "periodic": True},
    "added before the start": {"start": "after"},
    "added before the start, interval jobs": {"start": "after", "periodic": True},
    "added before the start, no arguments": {"start": "after", "arguments": False},
    "added while it runs": {"start": "before"},
    "added while it runs, interval jobs": {"start": "before", "periodic": True},
    "a listener to all events": {"listener": True},
    "INFO logging to a handler that drops": {"log": True},
}
LOOPS = ("asyncio", "uvloop")
SIZES = {
    **sizes(libraries=20_000, floors=20_000, rivals=20_000),
    # What a run of theirs costs grows with their number: 20,000 would take minutes.
    APSCHEDULER4: 2_000,
    APSCHEDULER4_TUNED: 2_000,
}
METRICS = {"run_us": "lower", "longest_stall_ms": "lower"}
QUICK = {
    ("returns at once", "asyncio"): 2,
    ("returns at once, interval jobs", "asyncio"): 1,
    ("suspends once", "asyncio"): 2,
    ("returns at once", "uvloop"): 1,
}

BEAT = 0.001


async def measure(
    subject: str,
    size: int,
    suspends: bool = False,
    periodic: bool = False,
    arguments: bool = True,
    start: str = "paused",
    listener: bool = False,
    log: bool = False,
) -> dict[str, float]:
    """Runs `size` jobs due at one instant, each exactly once.

    They are jobs that run once; `periodic` ones are due again in an hour. The scheduler has been started
    `before` they are added, or is `paused` meanwhile, or is started `after`.
    """
    if subject in RIVALS and (periodic or listener or log or not arguments or start != "paused"):
        raise Cannot("is measured with jobs that run once only, and in one shape")
    loop = asyncio.get_running_loop()
    runs = [0] * size
    left = size
    told = 0
    ended: asyncio.Future[float] = loop.create_future()

    def done(index: int) -> None:
        nonlocal left
        runs[index] += 1
        left -= 1
        if not left:
            ended.set_result(time.time())

    async def returns_at_once(index: int) -> None:
        done(index)

    async def without_arguments() -> None:
        done(size - left)

    async def suspends_once(index: int) -> None:
        await asyncio.sleep(0)
        done(index)

    def tell(event: object) -> None:
        nonlocal told
        told += 1

    work: Any = suspends_once if suspends else returns_at_once
    longest_stall = 0.0
    last_beat = 0.0

    def beat() -> None:
        nonlocal longest_stall, last_beat
        now = time.perf_counter()
        longest_stall = max(longest_stall, now - last_beat - BEAT)
        last_beat = now
        if not ended.done():
            loop.call_later(BEAT, beat)

    def start_beating() -> None:
        nonlocal last_beat
        last_beat = time.perf_counter()
        loop.call_soon(beat)

    if subject in FLOORS:
        start_task = task_starter(subject)
        gc.collect()
        start_beating()
        await asyncio.sleep(0.05)
        due_at = time.time()
        tasks = [start_task(work(index)) for index in range(size)]
        end = await ended
        await asyncio.gather(*tasks)
    elif subject in LIBRARIES:
        scheduler = asyncio_scheduler(subject)
        if log:
            log_to_nobody(subject)
        if listener:
            events = importlib.import_module(f"{subject}.events")
            scheduler.add_listener(tell, events.EVENT_ALL)
        if start != "after":
            scheduler.start(paused=start == "paused")
        if not arguments:
            work = without_arguments
        due_at = add_due_together(scheduler, work, size, periodic, arguments)
        await asyncio.sleep(due_at - time.time() - 0.05)
        start_beating()
        end = await ended
        await asyncio.sleep(0.05)
        scheduler.shutdown()
    else:
        rival, due_at = await due_together(subject, work, size)
        await asyncio.sleep(due_at - time.time() - 0.05)
        start_beating()
        end = await ended
        await asyncio.sleep(0.05)
        await rival.close()

    if runs != [1] * size:
        raise RuntimeError("a job did not run exactly once")
    if listener and subject in LIBRARIES and told < 2 * size:
        raise RuntimeError("the listener has not been told of each addition and each run")
    await asyncio.sleep(2 * BEAT)
    return {"run_us": (end - due_at) / size * 1e6, "longest_stall_ms": longest_stall * 1e3}
