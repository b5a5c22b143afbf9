"""Libraries with an API of their own, each behind the few calls that the workloads need.

A rival raises `Cannot`, with the reason, where it has nothing like what is asked for.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from benchmarks.subjects import AIOCRON, APSCHEDULER4_TUNED, TASKIQ, Cannot


class Rival:
    """A scheduler on the running loop; jobs are added before `start`."""

    #: Why it has no jobs that could be added to and changed while it runs.
    no_jobs = ""

    async def open(self, work: Callable[..., Any], threads: int = 0) -> None:
        """Makes the scheduler; `work` is what all its jobs call, in `threads` threads if any."""
        raise NotImplementedError

    async def add_at(self, due: datetime, index: int) -> None:
        """Adds a job that calls `work(index)` once, at `due`, which is a whole second."""
        raise NotImplementedError

    async def add_every(self, seconds: float, first: datetime, last: datetime, index: int) -> None:
        """Adds a job that calls `work(index)` periodically."""
        raise Cannot("has no periods below a second")

    async def add_hourly(self) -> str:
        """Adds an interval job that calls `work()`; returns its id."""
        raise Cannot(self.no_jobs)

    async def add_cron(self, hour: int, minute: str) -> str:
        """Adds a cron job that calls `work()`; returns its id."""
        raise Cannot(self.no_jobs)

    async def pause(self, job_id: str) -> None:
        """Pauses one job."""
        raise Cannot(self.no_jobs)

    async def resume(self, job_id: str) -> None:
        """Resumes one job."""
        raise Cannot(self.no_jobs)

    async def remove(self, job_id: str) -> None:
        """Removes one job."""
        raise Cannot(self.no_jobs)

    async def start(self) -> None:
        """From here on jobs run."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stops it."""
        raise NotImplementedError


def rival(subject: str) -> Rival:
    """A new scheduler of a subject of `RIVALS`."""
    if subject == AIOCRON:
        from benchmarks.rivals.aiocron import Aiocron

        return Aiocron()
    if subject == TASKIQ:
        from benchmarks.rivals.taskiq import Taskiq

        return Taskiq()
    from benchmarks.rivals.apscheduler4 import APScheduler4

    return APScheduler4(tuned=subject == APSCHEDULER4_TUNED)


async def due_together(
    subject: str, work: Callable[..., Any], size: int, threads: int = 0
) -> tuple[Rival, float]:
    """A running scheduler with `size` jobs due at one instant, and that instant in Unix time.

    It is a whole second, which is all that some know. Job number i calls `work(i)`.
    """
    # A few jobs tell how long adding all of them and starting will take.
    trial, few = rival(subject), 200
    begin = time.perf_counter()
    await trial.open(work, threads)
    for _ in range(few):
        await trial.add_at(_whole_second(600), 0)
    await trial.start()
    lead = 1 + 1.5 * size * (time.perf_counter() - begin) / few
    await trial.close()

    scheduler, due = rival(subject), _whole_second(lead)
    await scheduler.open(work, threads)
    for index in range(size):
        await scheduler.add_at(due, index)
    gc.collect()
    await scheduler.start()
    if time.time() > due.timestamp() - 0.1:
        raise RuntimeError("adding the jobs took longer than foreseen")
    return scheduler, due.timestamp()


def _whole_second(seconds_from_now: float) -> datetime:
    return datetime.fromtimestamp(math.ceil(time.time() + seconds_from_now), timezone.utc)
