"""What there is to see of a scheduler as plain values: how its runs have ended, and its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.testing import ManualClock
from tests.support import ListJobStore

HOUR = timedelta(hours=1)
START = datetime(2030, 1, 1, tzinfo=timezone.utc)


def fail() -> None:
    raise ValueError


def nothing() -> None: ...


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, DebugExecutor])
@pytest.mark.parametrize("store", [MemoryJobStore, ListJobStore])
def test_how_runs_have_ended(executor: Any, store: Any) -> None:
    clock = ManualClock(START)
    scheduler = BackgroundScheduler(
        timezone="UTC",
        clock=clock,
        executors={"default": executor()},
        jobstores={"default": store()},
    )
    scheduler.start()
    scheduler.add_job(nothing, "interval", hours=1)
    scheduler.add_job(fail, "interval", hours=2)
    clock.advance(6 * HOUR)
    counts = scheduler._engine.counts()
    assert (counts["executed"], counts["failed"], counts["missed"]) == (6, 3, 0)
    assert counts["skipped"] == counts["running"] == 0
    scheduler.shutdown()


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


def test_jobs_in_memory(scheduler: BackgroundScheduler) -> None:
    scheduler.add_jobstore("memory", "other")
    scheduler.add_jobstore(ListJobStore(), "python")
    scheduler.add_job(nothing, id="b", next_run_time=START, executor="threads")
    scheduler.add_job(nothing, id="c", next_run_time=None)
    scheduler.add_job(nothing, id="a", next_run_time=START + HOUR, name="A", jobstore="other")
    scheduler.add_job(nothing, id="d", next_run_time=START, jobstore="python")
    at = int(START.timestamp()) * 1_000_000
    assert scheduler._engine.jobs() == [
        ("default", "b", "nothing", "threads", at),
        ("default", "c", "nothing", "default", None),
        ("other", "a", "A", "default", at + 3_600_000_000),
    ]


def test_jobs_are_listed_by_time_and_id(scheduler: BackgroundScheduler) -> None:
    ids = [f"{n * 7 % 600:04}" for n in range(600)]
    scheduler.add_jobs(
        {"func": nothing, "id": each, "next_run_time": START + HOUR * (int(each) // 200)}
        for each in ids
    )
    scheduler.add_job(nothing, id="paused", next_run_time=None)
    scheduler.remove_job("0300")
    listed = [job.id for job in scheduler.get_jobs()]
    assert listed == [each for each in sorted(ids) if each != "0300"] + ["paused"]
    assert [each[1] for each in scheduler._engine.jobs()] == listed
