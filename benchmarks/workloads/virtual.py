"""Jobs on a clock that is moved by hand: what does a fire cost that nobody waits for?

Twenty interval jobs, every ten minutes, for as many days as the size says. APScheduler has no such clock: a
scheduler class that calls `_process_jobs` itself stands for it, with the time that its modules read replaced.
"""

from __future__ import annotations

import importlib
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

from benchmarks.subjects import APSCHEDULER, MAINSPRING, Cannot

CASES: dict[str, dict[str, Any]] = {
    "DebugExecutor": {"executor": "debug"},
    "thread pool": {"executor": "threadpool"},
}
LOOPS = ("",)
#: In days.
SIZES = {MAINSPRING: 365, APSCHEDULER: 20}
METRICS = {"fire_us": "lower"}
ROUNDS = 3
QUICK = {("DebugExecutor", ""): 1}

JOBS = 20
EVERY = timedelta(minutes=10)
START = datetime(2030, 1, 1, tzinfo=timezone.utc)


class Work:
    """The function of all jobs, which counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> None:
        self.runs += 1


def measure(subject: str, size: int, executor: str) -> dict[str, float]:
    """What a fire takes, the time of adding the jobs left out."""
    fires = JOBS * size * (timedelta(days=1) // EVERY)
    work = Work()
    run = _on_manual_clock if subject == MAINSPRING else _on_patched_clock
    seconds = run(work, timedelta(days=size), executor, subject)
    if abs(work.runs - fires) > JOBS:
        raise RuntimeError(f"{work.runs} runs of {fires}")
    return {"fire_us": seconds / work.runs * 1e6}


def _on_manual_clock(work: Work, time_span: timedelta, executor: str, subject: str) -> float:
    from mainspring.schedulers.background import BackgroundScheduler
    from mainspring.testing import ManualClock

    clock = ManualClock(START)
    scheduler = BackgroundScheduler(
        timezone="UTC", clock=clock, executors={"default": {"type": executor}}
    )
    scheduler.start()
    for _ in range(JOBS):
        scheduler.add_job(work, "interval", seconds=EVERY.total_seconds())
    begin = time.perf_counter()
    clock.advance(time_span)
    seconds = time.perf_counter() - begin
    scheduler.shutdown()
    return seconds


def _on_patched_clock(work: Work, time_span: timedelta, executor: str, subject: str) -> float:
    if executor != "debug":
        raise Cannot("has no clock that waits for threads")
    base = importlib.import_module(f"{subject}.schedulers.base")
    executors = importlib.import_module(f"{subject}.executors.base")
    triggers = importlib.import_module(f"{subject}.triggers.interval")

    class Frozen(datetime):
        at = START

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.at if tz is None else cls.at.astimezone(tz)

    class Scheduler(base.BaseScheduler):  # type: ignore[misc,name-defined]
        def shutdown(self, wait: bool = True) -> None:
            super().shutdown(wait)

        def wakeup(self) -> None:
            pass

    patches = [patch.object(module, "datetime", Frozen) for module in (base, executors, triggers)]
    for each in patches:
        each.start()
    scheduler = Scheduler(timezone="UTC", executors={"default": {"type": executor}})
    scheduler.start()
    for _ in range(JOBS):
        scheduler.add_job(work, "interval", seconds=EVERY.total_seconds())
    begin = time.perf_counter()
    while Frozen.at < START + time_span:
        Frozen.at += EVERY
        scheduler._process_jobs()
    seconds = time.perf_counter() - begin
    scheduler.shutdown()
    for each in patches:
        each.stop()
    return seconds
