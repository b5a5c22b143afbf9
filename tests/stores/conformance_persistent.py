"""What a job store must do whose data outlive it: after a restart, with two schedulers on one database."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import Any

import pytest

from mainspring.events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOB_REMOVED,
)
from mainspring.job import Job
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.schedulers.background import BackgroundScheduler
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.conformance_pickled import PickledConformance
from tests.stores.samples import PAST, TRIGGERS, facts, ids
from tests.support import listen


class PersistentConformance(PickledConformance):
    """A store whose data outlive it."""

    def test_restart_keeps_jobs(self, open_store: OpenStore) -> None:
        first = self.make_scheduler(open_store())
        first.start(paused=True)
        for number, trigger in enumerate(TRIGGERS):
            first.add_job(jobs.record, trigger, id=str(number))
        first.add_job(jobs.record, "interval", hours=1, id="paused", next_run_time=None)
        expected = {job.id: facts(job) for job in first.get_jobs()}
        first.shutdown()
        assert len(expected) == len(TRIGGERS) + 1
        second = self.make_scheduler(open_store())
        second.start(paused=True)
        assert {job.id: facts(job) for job in second.get_jobs()} == expected
        second.shutdown()
        # The first scheduler and its store can be started anew.
        first.start(paused=True)
        assert {job.id: facts(job) for job in first.get_jobs()} == expected
        first.shutdown()

    def test_shutdown_in_the_middle(self, open_store: OpenStore) -> None:
        """What a scheduler has submitted is saved when it has been shut down."""
        store = open_store()
        scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": store},
            job_defaults={"misfire_grace_time": None},
        )
        scheduler.start(paused=True)
        for number in range(20):
            scheduler.add_job(jobs.record, "interval", hours=1, next_run_time=PAST, args=[number])
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.resume()
        events.wait_for(EVENT_JOB_EXECUTED)
        scheduler.shutdown()
        executed = {event.job_id for event in events.events}
        store = open_store()
        store.start(None, "alias")
        due = {job.id for job in store.get_due_jobs(datetime.now(timezone.utc))}
        assert not executed & due
        store.shutdown()

    def test_two_schedulers_on_one_database(self, open_store: OpenStore) -> None:
        schedulers = [self.make_scheduler(open_store()) for _ in range(2)]
        for scheduler in schedulers:
            scheduler.start()
        one, other = schedulers
        one.add_job(jobs.record, "interval", hours=1, id="a")
        with pytest.raises(ConflictingIdError):
            other.add_job(jobs.record, "interval", hours=1, id="a")
        assert ids(other.get_jobs()) == ["a"]
        other.modify_job("a", name="changed")
        (job,) = one.get_jobs()
        assert job.name == "changed"
        other.remove_job("a")
        for change in (lambda: one.remove_job("a"), lambda: one.modify_job("a", name="b")):
            with pytest.raises(JobLookupError):
                change()
        assert one.get_jobs() == []
        for scheduler in schedulers:
            scheduler.shutdown()

    @pytest.mark.parametrize("trigger", ["interval", "date"])
    def test_due_job_that_another_scheduler_has_removed(
        self,
        open_store: OpenStore,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        trigger: str,
    ) -> None:
        one, other = self.make_scheduler(open_store()), open_store()
        one.start()
        other.start(None, "other")
        options = {"hours": 1} if trigger == "interval" else {"run_date": PAST}
        one.add_job(jobs.record, trigger, next_run_time=PAST, id="a", **options)
        one.add_job(jobs.record, "interval", hours=1, next_run_time=PAST, id="b")
        store: Any = one._jobstores["default"]
        get_due_jobs = store.get_due_jobs

        def and_then_it_is_gone(now: datetime) -> list[Job]:
            due: list[Job] = get_due_jobs(now)
            other.remove_job("a")
            return due

        removed = listen(one, EVENT_JOB_REMOVED)
        with monkeypatch.context() as patched:
            patched.setattr(store, "get_due_jobs", and_then_it_is_gone)
            wait = one._process_jobs()
        assert wait is not None
        assert wait > one.jobstore_retry_interval
        assert ids(one.get_jobs()) == ["b"]
        assert removed.events == []
        assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
        one.shutdown()
        other.shutdown()
