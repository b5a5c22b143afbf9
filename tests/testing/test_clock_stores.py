"""Job stores, executors and triggers of every kind under a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mainspring.events import EVENT_JOB_EXECUTED
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.jobstores.sqlalchemy import SQLAlchemyJobStore
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.testing import ManualClock
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.combining import OrTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.support import (
    PATIENCE,
    ListJobStore,
    coroutine_five,
    listen,
    nothing,
    return_five,
)
from tests.testing.clocks import START, times


class EveryHour(BaseTrigger):
    """A trigger as a user writes one."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return (previous or now) + timedelta(hours=1)


class TestStoresExecutorsAndTriggers:
    @pytest.mark.parametrize(
        "make", [MemoryJobStore, ListJobStore, lambda: SQLAlchemyJobStore("sqlite://")]
    )
    def test_stores(self, clock, start, make):
        scheduler = start(jobstores={"default": make()})
        job = scheduler.add_job(nothing, "interval", hours=1, id="a", misfire_grace_time=None)
        scheduler.add_job(nothing, "date", run_date="2026-01-01 05:30:00", id="once")
        recorder = listen(scheduler, EVENT_JOB_EXECUTED)
        clock.advance("24h")
        assert len([e for e in recorder.events if e.job_id == "a"]) == 24
        assert [e.job_id for e in recorder.events].index("once") == 5
        assert [run.scheduled_run_time for run in clock.runs("a")] == [
            START + timedelta(hours=hour) for hour in range(1, 25)
        ]
        clock.suspend("5h")
        assert len(clock.runs("a")) == 25
        assert [job.id for job in scheduler.get_jobs()] == ["a"]
        assert scheduler.get_job(job.id).next_run_time == START + timedelta(hours=30)

    def test_a_job_added_to_a_python_store_by_a_run(self, clock, start):
        scheduler = start(jobstores={"list": ListJobStore()})
        scheduler.add_job(
            lambda: scheduler.add_job(
                nothing, "interval", minutes=30, jobstore="list", id="new", max_instances=3
            ),
            "date",
            run_date="2026-01-02",
        )
        clock.advance("26h")
        assert len(clock.runs("new")) == 4

    def test_a_parked_job_is_tried_again_by_the_clock(self, clock, start, monkeypatch):
        store = SQLAlchemyJobStore("sqlite://")
        scheduler = start(jobstores={"default": store}, jobstore_retry_interval=3600)
        scheduler.add_job(return_now, "interval", minutes=10, misfire_grace_time=None)
        clock.suspend(timedelta(days=20 * 365))  # later than it really is
        assert len(clock.runs()) == 1
        with monkeypatch.context() as without:
            without.delattr("tests.testing.test_clock_stores.return_now")
            clock.advance("10m")
            assert len(store.get_parked_jobs()) == 1
        clock.advance("59m")
        assert (len(store.get_parked_jobs()), len(clock.runs())) == (1, 1)
        clock.advance("11m")
        assert (store.get_parked_jobs(), len(clock.runs())) == ([], 3)

    @pytest.mark.parametrize("store", [MemoryJobStore, ListJobStore])
    def test_executors_written_in_python(self, clock, start, store):
        scheduler = start(
            jobstores={"default": store()}, executors={"default": DebugExecutor(), "pool": Slow()}
        )
        scheduler.add_job(return_now, "interval", hours=1, id="debug")
        scheduler.add_job(return_now, "interval", hours=1, id="pool", executor="pool")
        scheduler.add_job(coroutine_five, "interval", hours=1, id="coroutine", executor="pool")
        clock.advance("3h")
        for job in ("debug", "pool", "coroutine"):
            assert times(clock.runs(job)) == [f"01 0{hour}:00:00" for hour in (1, 2, 3)]
            assert {run.outcome for run in clock.runs(job)} == {"executed"}

    def test_a_process_pool(self, clock, start):
        clock.patience = PATIENCE
        scheduler = start(executors={"default": ProcessPoolExecutor(1)})
        scheduler.add_job(return_five, "interval", hours=1)
        clock.advance("2h")
        assert [(run.value, run.outcome) for run in clock.runs()] == [(5, "executed")] * 2

    def test_a_trigger_written_in_python(self, clock, start):
        scheduler = start()
        scheduler.add_job(nothing, EveryHour())
        assert clock.advance("5h").run_count == 5

    def test_triggers_that_count_from_now(self, clock, start):
        scheduler = start()
        or_trigger = OrTrigger([IntervalTrigger(hours=7), DateTrigger()])
        scheduler.add_job(nothing, or_trigger, id="or")
        scheduler.add_job(nothing, IntervalTrigger(hours=10), id="interval")
        scheduler.add_job(nothing, "calendarinterval", days=1, hour=9, id="calendar")
        clock.advance("24h")
        assert times(clock.runs("or")) == [
            "01 00:00:00",
            "01 07:00:00",
            "01 14:00:00",
            "01 21:00:00",
        ]
        assert times(clock.runs("interval")) == ["01 10:00:00", "01 20:00:00"]
        assert times(clock.runs("calendar")) == ["01 09:00:00"]

    def test_jitter_follows_from_the_seed(self):
        def run(seed: int, make_store: Callable[[], Any]) -> list[str]:
            clock = ManualClock(START, seed=seed)
            scheduler = BackgroundScheduler(
                clock=clock, timezone="UTC", jobstores={"default": make_store()}
            )
            scheduler.start()
            for name in "abc":
                scheduler.add_job(
                    nothing, "interval", hours=1, jitter=600, id=name, start_date=START
                )
            clock.advance("10h")
            scheduler.shutdown()
            return [f"{run.job_id} {run.scheduled_run_time}" for run in clock.runs()]

        for store in (MemoryJobStore, ListJobStore):
            assert len(run(1, store)) >= 27
            assert run(1, store) == run(1, store)
            assert run(1, store) != run(2, store)


class Slow(ThreadPoolExecutor):
    """An executor that a user has derived."""

    def submit_job(self, job: Any, run_times: Any) -> None:
        super().submit_job(job, run_times)


def return_now() -> int:
    return 1
