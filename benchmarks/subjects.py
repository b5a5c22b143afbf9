"""Who is measured: scheduler libraries by their import name, and the floor beneath them.

A workload gets a subject and must treat all libraries alike, so that it cannot favour one: it asks
this file for a scheduler and uses the API that both have. Libraries with another API are behind
`benchmarks.rivals`.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import random
import statistics
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

MAINSPRING = "mainspring"
APSCHEDULER = "apscheduler"
#: Plain asyncio (or a plain thread pool) doing the same work with no scheduler.
FLOOR = "floor"
#: The floor with eagerly started tasks, which CPython has from 3.12 on.
FLOOR_EAGER = "floor-eager"

#: APScheduler 4.0.0a6 as it comes, and with its limits and its clean-up out of the way.
APSCHEDULER4 = "apscheduler4"
APSCHEDULER4_TUNED = "apscheduler4-tuned"
AIOCRON = "aiocron"
#: The scheduler loop of taskiq, with the broker that runs tasks in the same process.
TASKIQ = "taskiq"

#: They have APScheduler 3's API.
LIBRARIES = (MAINSPRING, APSCHEDULER)
FLOORS = (FLOOR, FLOOR_EAGER)
#: They have an environment of their own, and `benchmarks.rivals` for their APIs.
RIVALS = (APSCHEDULER4, APSCHEDULER4_TUNED, AIOCRON, TASKIQ)


class Cannot(Exception):  # noqa: N818 - it is an answer, no error
    """A workload makes no sense for the subject; the message says why."""


def sizes(libraries: int, floors: int = 0, rivals: int = 0) -> dict[str, int]:
    """`SIZES` of a workload that takes all subjects of a kind alike; 0 leaves them out."""
    kinds = ((LIBRARIES, libraries), (FLOORS, floors), (RIVALS, rivals))
    return {subject: size for subjects, size in kinds if size for subject in subjects}


def asyncio_scheduler(library: str, workers: int = 0) -> Any:
    """A new AsyncIOScheduler of `library`, in UTC; with a pool of `workers` threads named "pool"."""
    module = importlib.import_module(f"{library}.schedulers.asyncio")
    scheduler = module.AsyncIOScheduler(timezone="UTC")
    if workers:
        pool = importlib.import_module(f"{library}.executors.pool")
        scheduler.add_executor(pool.ThreadPoolExecutor(workers), "pool")
    return scheduler


def background_scheduler(library: str, workers: int = 10) -> Any:
    """A new BackgroundScheduler of `library`, in UTC, on a pool of `workers` threads."""
    schedulers = importlib.import_module(f"{library}.schedulers.background")
    pool = importlib.import_module(f"{library}.executors.pool")
    return schedulers.BackgroundScheduler(
        timezone="UTC", executors={"default": pool.ThreadPoolExecutor(workers)}
    )


def task_starter(floor: str) -> Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]:
    """How the floor starts a task on the running loop."""
    loop = asyncio.get_running_loop()
    if floor == FLOOR_EAGER:
        eager: Any = asyncio.Task
        return lambda coroutine: eager(coroutine, loop=loop, eager_start=True)
    return loop.create_task


def add_due_together(
    scheduler: Any,
    work: Callable[..., Any],
    size: int,
    periodic: bool = False,
    arguments: bool = True,
) -> float:
    """Adds `size` jobs due at one instant that lies just far enough ahead; returns it in Unix time.

    The scheduler is running when this returns; it may be paused before, or not have been started, or run.
    Job number i gets i, unless there are to be no arguments. The jobs run once; `periodic` ones are due
    again after an hour.
    """

    def add(scheduler: Any, index: int, due: datetime) -> None:
        when: dict[str, Any] = (
            {"trigger": "interval", "hours": 1, "next_run_time": due}
            if periodic
            else {"trigger": "date", "run_date": due}
        )
        if arguments:
            when["args"] = [index]
        scheduler.add_job(work, misfire_grace_time=None, **when)

    # A hundred jobs of another scheduler tell how long adding all of them will take.
    trial = type(scheduler)(timezone="UTC")
    begin = time.perf_counter()
    far = datetime.now(timezone.utc) + timedelta(days=1)
    for _ in range(100):
        add(trial, 0, far)
    trial.start(paused=True)
    adding = size * (time.perf_counter() - begin) / 100
    trial.shutdown()
    begin = time.perf_counter()
    gc.collect()  # a process with many objects takes its time
    lead = 0.5 + 1.5 * adding + 2 * (time.perf_counter() - begin)

    due = datetime.now(timezone.utc) + timedelta(seconds=lead)
    for index in range(size):
        add(scheduler, index, due)
    gc.collect()
    if scheduler.running:
        scheduler.resume()
    else:
        scheduler.start()
    if datetime.now(timezone.utc) > due - timedelta(seconds=0.1):
        raise RuntimeError("adding the jobs took longer than foreseen")
    return due.timestamp()


def add_in_bulk(scheduler: Any, jobs: Iterable[dict[str, Any]]) -> None:
    """Adds jobs, given by the arguments of `add_job`, as fast as the library can."""
    if hasattr(scheduler, "add_jobs"):
        scheduler.add_jobs(list(jobs))
    else:
        for job in jobs:
            scheduler.add_job(**job)


def add_many(scheduler: Any, work: Callable[..., Any], size: int) -> None:
    """Adds `size` interval jobs, in no order of their next run, none of which is due within the hour."""
    draw = random.Random(0)
    add_in_bulk(
        scheduler,
        (
            {"func": work, "trigger": "interval", "seconds": draw.randint(3_600, 1_000_000)}
            for _ in range(size)
        ),
    )


def log_to_nobody(library: str) -> None:
    """Enables the library's loggers from INFO on, with a handler that drops."""
    logger = logging.getLogger(library)
    logger.setLevel(logging.INFO)
    logger.addHandler(Drops())
    logger.propagate = False


class Drops(logging.Handler):
    """A handler to which records cost as little as can be."""

    def emit(self, record: logging.LogRecord) -> None:
        """Takes it and forgets it."""


def percentiles(late: Sequence[float]) -> dict[str, float]:
    """Median and tail of latenesses in seconds, as figures in milliseconds."""
    cuts = statistics.quantiles(late, n=100, method="inclusive")
    return {f"p{percent}_ms": cuts[percent - 1] * 1e3 for percent in (50, 95, 99)}
