"""Who is measured: scheduler libraries by their import name, and the floor beneath them.

A workload gets a subject and must treat all libraries alike, so that it cannot favour one: it asks
this file for a scheduler and uses the API that both have.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import time
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any

MAINSPRING = "mainspring"
APSCHEDULER = "apscheduler"
#: Plain asyncio (or a plain thread pool) doing the same work with no scheduler.
FLOOR = "floor"
#: The floor with eagerly started tasks, which CPython has from 3.12 on.
FLOOR_EAGER = "floor-eager"

LIBRARIES = (MAINSPRING, APSCHEDULER)


def asyncio_scheduler(library: str) -> Any:
    """A new AsyncIOScheduler of `library`, in UTC."""
    module = importlib.import_module(f"{library}.schedulers.asyncio")
    return module.AsyncIOScheduler(timezone="UTC")


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


def add_due_together(scheduler: Any, work: Callable[[int], Any], size: int) -> float:
    """Adds `size` jobs due at one instant that lies just far enough ahead; returns it in Unix time.

    The scheduler is started and paused; it is running when this returns. Job number i gets i.
    """
    # A hundred jobs tell how long adding all of them will take.
    begin = time.perf_counter()
    far = datetime.now(timezone.utc) + timedelta(days=1)
    for _ in range(100):
        scheduler.add_job(work, "date", run_date=far, args=[0])
    scheduler.remove_all_jobs()
    lead = 0.5 + 1.5 * size * (time.perf_counter() - begin) / 100

    due = datetime.now(timezone.utc) + timedelta(seconds=lead)
    for index in range(size):
        scheduler.add_job(work, "date", run_date=due, args=[index], misfire_grace_time=None)
    gc.collect()
    scheduler.resume()
    if datetime.now(timezone.utc) > due - timedelta(seconds=0.1):
        raise RuntimeError("adding the jobs took longer than foreseen")
    return due.timestamp()
