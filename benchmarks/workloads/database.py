"""Jobs in a database that are all overdue when the scheduler begins: SQLAlchemy on an SQLite file.

The rate of the runs counts from the scheduler's first look to the end of the last run. SQLite is told
not to wait for the disk: a library that commits once for each job would be slowed down by it much
more than one that commits once for all.
"""

from __future__ import annotations

import importlib
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from benchmarks.subjects import APSCHEDULER, MAINSPRING, background_scheduler

CASES: dict[str, dict[str, Any]] = {
    "interval": {"trigger": "interval", "options": {"hours": 1}},
    "cron": {"trigger": "cron", "options": {"hour": 3}},
    "date": {"trigger": "date", "options": {}},
}
LOOPS = ("",)
SIZES = {MAINSPRING: 2_000, APSCHEDULER: 2_000}
METRICS = {"add_per_s": "higher", "run_per_s": "higher"}

_runs: list[int] = []
_left = 0
_lock = threading.Lock()
_ended = threading.Event()


def work(index: int) -> None:
    """What each job calls; stored jobs can only call what has a name."""
    global _left
    with _lock:
        _runs[index] += 1
        _left -= 1
        if not _left:
            _ended.set()


def measure(subject: str, size: int, trigger: str, options: dict[str, Any]) -> dict[str, float]:
    """Adds `size` jobs, and runs each exactly once."""
    from sqlalchemy import create_engine, event

    global _left
    _runs[:] = [0] * size
    _left = size
    _ended.clear()
    stores = importlib.import_module(f"{subject}.jobstores.sqlalchemy")
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'jobs.db'}")
        event.listen(engine, "connect", _do_not_wait_for_the_disk)
        scheduler = background_scheduler(subject)
        scheduler.add_jobstore(stores.SQLAlchemyJobStore(engine=engine))
        scheduler.start(paused=True)

        due = datetime.now(timezone.utc) - timedelta(seconds=1)
        begin = time.perf_counter()
        for index in range(size):
            scheduler.add_job(
                f"{__name__}:work",
                trigger,
                args=[index],
                next_run_time=due,
                misfire_grace_time=None,
                **options,
            )
        added = time.perf_counter()
        scheduler.resume()
        _ended.wait()
        ran = time.perf_counter()
        scheduler.get_jobs()  # waits until the scheduler has saved what it has submitted
        scheduler.shutdown()
    if _runs != [1] * size:
        raise RuntimeError("a job did not run exactly once")
    return {"add_per_s": size / (added - begin), "run_per_s": size / (ran - added)}


def _do_not_wait_for_the_disk(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
