"""What a job store must do that keeps pickles: their formats, and jobs that cannot be loaded or saved."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from mainspring.events import (
    EVENT_JOB_ERROR,
)
from mainspring.job import Job
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.persistent import PersistentJobStore
from tests.stores import jobs
from tests.stores.conformance import Conformance, OpenStore
from tests.stores.samples import PAST, TRIGGERS, facts, ids
from tests.support import DAY, ManualScheduler, listen, make_job


class PickledConformance(Conformance):
    """A store that derives from ``PersistentJobStore``."""

    def test_function_without_a_name(self, store: PersistentJobStore) -> None:
        with pytest.raises(ValueError, match="reference to its callable"):
            store.add_job(make_job("a", func=lambda: None))
        assert store.get_all_jobs() == []

    @pytest.mark.parametrize("write_format", ["mainspring", "apscheduler"])
    @pytest.mark.parametrize("protocol", [2, 5])
    def test_formats(self, open_store: OpenStore, write_format: str, protocol: int) -> None:
        store = open_store(write_format=write_format, pickle_protocol=protocol)
        store.start(None, "alias")
        job = make_job("a", trigger=TRIGGERS[-1])
        expected = facts(job)
        store.add_job(job)
        assert (store.write_format, store.pickle_protocol) == (write_format, protocol)
        (found,) = store.get_all_jobs()
        assert facts(found) == expected
        assert store._dump(found)[1] == protocol
        store.shutdown()

    def test_rows_of_apscheduler(
        self, store: PersistentJobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = Path(__file__).parent / "rows" / "apscheduler-3.11.3.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            states = dict(connection.execute("SELECT id, job_state FROM apscheduler_jobs"))
        connection.close()
        with monkeypatch.context() as patched:
            for job_id, state in states.items():
                patched.setattr(store, "_dump", lambda job, state=state: state)
                store.add_job(make_job(job_id))
        assert sorted(ids(store.get_all_jobs())) == sorted(states)
        assert store.get_parked_jobs() == []

    # DIFFERENCE: APScheduler deletes the jobs that it cannot load.

    @pytest.fixture(params=["function that cannot be imported", "bytes that cannot be read"])
    def spoil(self, request: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
        """A function that adds a job under the id "bad" which is due and cannot be loaded, to the store
        of a scheduler, and returns a function that repairs it where it is."""

        def spoil(scheduler: ManualScheduler) -> Callable[[], None]:
            store = scheduler._jobstores["default"]
            if request.param.startswith("function"):
                monkeypatch.setattr(jobs, "vanishing", jobs.record, raising=False)
                scheduler.add_job(
                    "tests.stores.jobs:vanishing", "date", run_date=PAST, id="bad", args=["bad"]
                )
                monkeypatch.delattr(jobs, "vanishing")
                return lambda: monkeypatch.setattr(jobs, "vanishing", jobs.record, raising=False)
            with monkeypatch.context() as patched:
                patched.setattr(store, "_dump", lambda job: b"no pickle")
                job = scheduler.add_job(jobs.record, "date", run_date=PAST, id="bad", args=["bad"])
            return lambda: store.update_job(job)

        return spoil

    def test_job_that_cannot_be_loaded_is_parked(
        self, scheduler: ManualScheduler, spoil: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        store: Any = scheduler._jobstores["default"]
        repair = spoil(scheduler)
        scheduler.add_job(jobs.record, "interval", hours=1, next_run_time=PAST, id="z", args=["z"])
        scheduler.add_job(jobs.record, "date", run_date=PAST - timedelta(1), id="a", args=["a"])
        events = listen(scheduler, EVENT_JOB_ERROR)
        for _ in range(3):
            wait = scheduler._process_jobs()
            # It is tried again, and not all the time.
            assert wait is not None
            assert 0 < wait <= scheduler.jobstore_retry_interval
        assert jobs.calls == [(("a",), {}), (("z",), {})]
        assert ids(scheduler.get_jobs()) == ["z"]
        assert scheduler.get_job("bad") is None
        next_run_time = store.get_next_run_time()
        assert next_run_time is not None
        assert next_run_time > datetime.now(timezone.utc)

        (parked,) = store.get_parked_jobs()
        (event,) = events.events
        (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert parked.job_id == event.job_id == "bad"
        assert str(parked.reason) == str(event.exception)
        assert record.levelno == logging.ERROR
        assert 'job "bad"' in record.getMessage()
        assert str(parked.reason) in record.getMessage()
        with pytest.raises(ConflictingIdError):
            scheduler.add_job(jobs.record, id="bad")

        repair()
        job = scheduler.get_job("bad")
        assert job is not None
        assert store.get_parked_jobs() == []
        scheduler._process_jobs()
        assert jobs.calls[2:] == [(("bad",), {})]
        assert ids(scheduler.get_jobs()) == ["z"]

    def test_parked_job_is_tried_again(self, scheduler: ManualScheduler, spoil: Any) -> None:
        repair = spoil(scheduler)
        scheduler._process_jobs()
        repair()
        scheduler.jobstore_retry_interval = 0
        store: Any = scheduler._jobstores["default"]
        for job_id, parked in store._parked.items():
            store._parked[job_id] = parked._replace(retry_at=0)  # as if the interval had gone by
        assert scheduler._process_jobs() is None
        assert jobs.calls == [(("bad",), {})]
        assert scheduler.get_jobs() == []

    def test_parked_job_that_is_not_due_is_tried_again(
        self, scheduler: ManualScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store: Any = scheduler._jobstores["default"]
        monkeypatch.setattr(jobs, "vanishing", jobs.record, raising=False)
        scheduler.add_job("tests.stores.jobs:vanishing", "date", run_date=DAY, id="bad")
        monkeypatch.delattr(jobs, "vanishing")
        assert scheduler.get_jobs() == []

        def sweep() -> float | None:
            for job_id, parked in store._parked.items():
                store._parked[job_id] = parked._replace(retry_at=0)  # as if it were time
            return scheduler._process_jobs()

        wait = sweep()
        assert wait is not None
        assert 0 < wait <= scheduler.jobstore_retry_interval
        monkeypatch.setattr(jobs, "vanishing", jobs.record, raising=False)
        wait = sweep()
        assert store.get_parked_jobs() == []
        assert wait is not None
        assert wait > scheduler.jobstore_retry_interval
        monkeypatch.delattr(jobs, "vanishing")
        assert scheduler.get_jobs() == []
        # One that is gone without a word is not looked for any longer.
        monkeypatch.setattr(store, "lookup_job", lambda job_id: None)
        sweep()
        assert store.get_parked_jobs() == []

    def test_parked_job_can_be_removed(self, scheduler: ManualScheduler, spoil: Any) -> None:
        store: Any = scheduler._jobstores["default"]
        spoil(scheduler)
        scheduler._process_jobs()
        scheduler.remove_job("bad")
        assert store.get_parked_jobs() == []
        with pytest.raises(JobLookupError):
            scheduler.remove_job("bad")
        spoil(scheduler)
        scheduler._process_jobs()
        scheduler.remove_all_jobs()
        assert store.get_parked_jobs() == []
        assert scheduler._process_jobs() is None

    def test_parked_job_can_be_replaced(self, scheduler: ManualScheduler, spoil: Any) -> None:
        store: Any = scheduler._jobstores["default"]
        spoil(scheduler)
        scheduler._process_jobs()
        scheduler.add_job(jobs.record, id="bad", args=["new"], replace_existing=True)
        assert store.get_parked_jobs() == []
        scheduler._process_jobs()
        assert jobs.calls == [(("new",), {})]

    def test_one_job_that_cannot_be_saved(
        self,
        scheduler: ManualScheduler,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        store: Any = scheduler._jobstores["default"]
        for id_ in "abc":
            scheduler.add_job(
                jobs.record, "interval", hours=1, next_run_time=PAST, id=id_, args=[id_]
            )
        dump = store._dump

        def fails_for_b(job: Job) -> Any:
            if job.id == "b":
                raise ValueError("no good")
            return dump(job)

        with monkeypatch.context() as patched:
            patched.setattr(store, "_dump", fails_for_b)
            wait = scheduler._process_jobs()
        assert wait is not None
        assert 0 < wait <= scheduler.jobstore_retry_interval
        (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert record.getMessage() == "Error updating job b in job store 'default': no good"
        saved = {job.id for job in scheduler.get_jobs() if job.next_run_time != PAST}
        assert saved == {"a", "c"}
        scheduler._process_jobs()
        # What was run before the store failed is not run again when it works again.
        assert [args[0] for args, _ in jobs.calls] == ["a", "b", "c"]
        assert all(job.next_run_time != PAST for job in scheduler.get_jobs())

    def test_store_that_takes_nothing(
        self,
        scheduler: ManualScheduler,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        store: Any = scheduler._jobstores["default"]
        for id_ in "ab":
            scheduler.add_job(
                jobs.record, "interval", hours=1, next_run_time=PAST, id=id_, args=[id_]
            )
        scheduler.add_job(jobs.record, "date", run_date=PAST, id="c", args=["c"])
        with monkeypatch.context() as patched:
            patched.setattr(store, "_save_due_jobs", Mock(side_effect=OSError("gone")))
            for _ in range(2):
                wait = scheduler._process_jobs()
                assert wait is not None
                assert 0 < wait <= scheduler.jobstore_retry_interval
        messages = {r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING}
        assert messages == {"Error saving 3 jobs to job store 'default': gone"}
        scheduler._process_jobs()
        assert [args[0] for args, _ in jobs.calls] == ["a", "b", "c"]
        assert ids(scheduler.get_jobs()) == ["a", "b"]

    def test_subclass_with_an_update_of_its_own(self, scheduler: ManualScheduler) -> None:
        store: Any = scheduler._jobstores["default"]
        store.update_job = Mock(side_effect=store.update_job)
        scheduler.add_job(jobs.record, "interval", hours=1, next_run_time=PAST)
        scheduler._process_jobs()
        store.update_job.assert_called_once()
