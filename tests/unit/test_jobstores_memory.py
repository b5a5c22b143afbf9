from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import MagicMock

import pytest

from mainspring.job import Job
from mainspring.jobstores.base import (
    BaseJobStore,
    ConflictingIdError,
    JobLookupError,
    TransientJobError,
)
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.base import BaseScheduler
from tests.support import DAY, make_job


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


@pytest.fixture(params=[False, True], ids=["stand-alone", "started"])
def store(request: Any) -> MemoryJobStore:
    store = MemoryJobStore()
    if request.param:
        store.start(MagicMock(BaseScheduler, timezone=timezone.utc), "memory")
    return store


class TestMemoryJobStore:
    def test_lookup(self, store: MemoryJobStore) -> None:
        job = make_job("a")
        store.add_job(job)
        assert store.lookup_job("a") == job
        assert store.lookup_job("b") is None

    def test_jobs_know_their_scheduler_and_store(self) -> None:
        store = MemoryJobStore()
        scheduler = MagicMock(BaseScheduler, timezone=timezone.utc)
        store.start(scheduler, "memory")
        store.add_job(make_job("a"))
        for job in (store.lookup_job("a"), *store.get_all_jobs(), *store.get_due_jobs(DAY)):
            assert job is not None
            assert job._scheduler is scheduler
            assert job._jobstore_alias == "memory"

    def test_order(self, store: MemoryJobStore) -> None:
        for id_, time in [
            ("paused", None),
            ("third", DAY + timedelta(days=2)),
            ("first", DAY),
            ("also third", DAY + timedelta(days=2)),
            ("second", DAY + timedelta(days=1)),
        ]:
            store.add_job(make_job(id_, time))
        assert ids(store.get_all_jobs()) == ["first", "second", "also third", "third", "paused"]

    def test_due_jobs(self, store: MemoryJobStore) -> None:
        for id_, days in [("c", 2), ("a", 0), ("b", 1)]:
            store.add_job(make_job(id_, DAY + timedelta(days=days)))
        store.add_job(make_job("paused", None))
        assert ids(store.get_due_jobs(DAY - timedelta(microseconds=1))) == []
        assert ids(store.get_due_jobs(DAY)) == ["a"]
        assert ids(store.get_due_jobs(DAY + timedelta(days=1))) == ["a", "b"]
        assert ids(store.get_due_jobs(DAY + timedelta(days=9))) == ["a", "b", "c"]

    def test_next_run_time(self, store: MemoryJobStore) -> None:
        assert store.get_next_run_time() is None
        store.add_job(make_job("paused", None))
        assert store.get_next_run_time() is None
        store.add_job(make_job("b", DAY + timedelta(days=1)))
        store.add_job(make_job("a", DAY))
        assert store.get_next_run_time() == DAY
        store.remove_job("a")
        assert store.get_next_run_time() == DAY + timedelta(days=1)

    def test_conflicting_id(self, store: MemoryJobStore) -> None:
        store.add_job(make_job("a"))
        with pytest.raises(ConflictingIdError, match=r"\(a\) conflicts with an existing job"):
            store.add_job(make_job("a"))

    @pytest.mark.parametrize("time", [DAY, DAY + timedelta(days=5), None])
    def test_update(self, store: MemoryJobStore, time: datetime | None) -> None:
        store.add_job(make_job("a"))
        store.add_job(make_job("b", DAY + timedelta(days=1)))
        store.update_job(make_job("a", time, max_instances=6, name="new"))
        job = store.lookup_job("a")
        assert job is not None
        assert (job.next_run_time, job.max_instances, job.name) == (time, 6, "new")
        assert ids(store.get_all_jobs()) == (["a", "b"] if time == DAY else ["b", "a"])

    def test_update_after_a_change_of_the_job_that_was_added(self, store: MemoryJobStore) -> None:
        job = make_job("a")
        store.add_job(job)
        store.add_job(make_job("b", DAY + timedelta(days=1)))
        job._modify(next_run_time=DAY + timedelta(days=2))
        store.update_job(job)
        assert ids(store.get_all_jobs()) == ["b", "a"]

    def test_update_of_no_job(self, store: MemoryJobStore) -> None:
        with pytest.raises(JobLookupError, match="No job by the id of a was found"):
            store.update_job(make_job("a"))

    def test_remove(self, store: MemoryJobStore) -> None:
        store.add_job(make_job("a"))
        store.remove_job("a")
        assert store.get_all_jobs() == []
        with pytest.raises(JobLookupError, match="No job by the id of a was found"):
            store.remove_job("a")

    def test_remove_all(self, store: MemoryJobStore) -> None:
        for id_ in "abc":
            store.add_job(make_job(id_))
        store.remove_all_jobs()
        assert store.get_all_jobs() == []
        assert store.get_next_run_time() is None

    def test_shutdown_forgets_the_jobs(self, store: MemoryJobStore) -> None:
        store.add_job(make_job("a"))
        store.shutdown()
        assert store.get_all_jobs() == []

    def test_job_outlives_its_removal(self, store: MemoryJobStore) -> None:
        job = make_job("a", name="kept")
        store.add_job(job)
        found = store.lookup_job("a")
        store.remove_job("a")
        assert found is not None
        for removed in (job, found):
            assert (removed.id, removed.name, removed.next_run_time) == ("a", "kept", DAY)

    def test_repr(self, store: MemoryJobStore) -> None:
        assert repr(store) == "<MemoryJobStore>"


class TestBaseJobStore:
    def test_is_abstract(self) -> None:
        with pytest.raises(TypeError, match="abstract"):
            BaseJobStore()  # type: ignore[abstract]

    def test_start(self) -> None:
        store = MemoryJobStore()
        scheduler = MagicMock(BaseScheduler, timezone=timezone.utc)
        store.start(scheduler, "mine")
        assert (store._scheduler, store._alias) == (scheduler, "mine")
        assert store._logger.name == "mainspring.jobstores.mine"

    @pytest.mark.parametrize(
        ("before", "after"),
        [("", ""), ("a", "a"), ("PPab", "abPP"), ("aPb", "aPb"), ("PP", "PP"), ("ab", "ab")],
    )
    def test_fix_paused_jobs_sorting(self, before: str, after: str) -> None:
        jobs: list[Any] = [
            MagicMock(Job, id=letter, next_run_time=None if letter == "P" else DAY)
            for letter in before
        ]
        MemoryJobStore()._fix_paused_jobs_sorting(jobs)
        assert "".join(job.id for job in jobs) == after

    def test_errors(self) -> None:
        assert issubclass(JobLookupError, KeyError)
        assert issubclass(ConflictingIdError, KeyError)
        assert issubclass(TransientJobError, ValueError)
        assert "(a) cannot be added to this job store" in str(TransientJobError("a"))
