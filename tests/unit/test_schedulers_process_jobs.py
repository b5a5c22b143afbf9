"""``_process_jobs``, for schedulers that a user writes: it runs what is due and says how long to wait."""

from __future__ import annotations

import logging

import pytest

from mainspring.events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from tests.support import ManualScheduler, Recorder, nothing
from tests.unit.schedulers import FAR, PAST, messages


class TestProcessJobs:
    def test_due_job_is_run(
        self,
        scheduler: ManualScheduler,
        events: Recorder,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=PAST, id="a")
        events.events.clear()
        assert scheduler._process_jobs() is None
        assert set(events.codes()) == {EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED}
        assert scheduler.get_jobs() == []
        assert "Removed job a" in messages(caplog)

    def test_returns_the_seconds_to_the_next_run(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        scheduler.add_job(nothing, "interval", hours=1)
        wait = scheduler._process_jobs()
        assert wait is not None
        assert 3590 < wait <= 3600

    def test_very_long_waits_fit_a_lock(self, scheduler: ManualScheduler) -> None:
        import threading

        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR)
        wait = scheduler._process_jobs()
        assert wait is not None
        assert wait <= threading.TIMEOUT_MAX

    def test_without_a_start(self, scheduler: ManualScheduler) -> None:
        assert scheduler._process_jobs() is None

    def test_paused(self, scheduler: ManualScheduler) -> None:
        scheduler.start(paused=True)
        scheduler.add_job(nothing)
        assert scheduler._process_jobs() is None
        assert len(scheduler.get_jobs()) == 1

    def test_executor_that_does_not_exist(
        self,
        scheduler: ManualScheduler,
        events: Recorder,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        scheduler.start()
        job = scheduler.add_job(nothing, "interval", days=1, next_run_time=PAST, executor="nosuch")
        scheduler._process_jobs()
        assert scheduler.get_jobs() == []
        assert events.of(EVENT_JOB_REMOVED)[0].job_id == job.id
        (message,) = messages(caplog, logging.ERROR)
        assert message.startswith('Executor lookup ("nosuch") failed for job "nothing (trigger')
        assert message.endswith("-- removing it from the job store")
