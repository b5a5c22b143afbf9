from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from mainspring.events import EVENT_JOB_REMOVED
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.redis import RedisJobStore
from mainspring.schedulers.background import BackgroundScheduler
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.conformance_persistent import PersistentConformance
from tests.stores.samples import PAST, ids
from tests.support import DAY, listen, make_job


class TestRedis(PersistentConformance):
    @pytest.fixture
    def open_store(self, redis_server: dict[str, Any]) -> OpenStore:
        return lambda **options: RedisJobStore(**redis_server, **options)


@pytest.fixture
def store(redis_server: dict[str, Any]) -> Iterator[RedisJobStore]:
    store = RedisJobStore(**redis_server)
    store.start(None, "alias")  # type: ignore[arg-type]
    yield store
    store.shutdown()


class TestConstructor:
    def test_defaults(self) -> None:
        store = RedisJobStore()
        assert store.jobs_key == "apscheduler.jobs"
        assert store.run_times_key == "apscheduler.run_times"
        assert store.pickle_protocol == pickle.HIGHEST_PROTOCOL
        assert store.redis.connection_pool.connection_kwargs["db"] == 0
        assert repr(store) == "<RedisJobStore>"

    def test_arguments(self, redis_server: dict[str, Any]) -> None:
        store = RedisJobStore("3", "my jobs", "my times", 4, **redis_server)  # type: ignore[arg-type]
        store.add_job(make_job("a"))
        assert store.pickle_protocol == 4
        assert store.redis.connection_pool.connection_kwargs["db"] == 3
        assert sorted(store.redis.keys()) == [b"my jobs", b"my times"]
        store.shutdown()


class TestTransactions:
    def test_one_for_all_updates_of_a_sweep(self, redis_server: dict[str, Any]) -> None:
        store = RedisJobStore(**redis_server)
        scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": store},
            job_defaults={"misfire_grace_time": None},
        )
        scheduler.start(paused=True)
        for number in range(20):
            scheduler.add_job(jobs.record, "interval", hours=1, next_run_time=PAST, args=[number])
            scheduler.add_job(jobs.record, "date", run_date=PAST, args=[number])
        store.redis.config_resetstat()
        removed = listen(scheduler)
        scheduler.resume()
        removed.wait_for(EVENT_JOB_REMOVED, 20)
        calls = {
            name.removeprefix("cmdstat_"): counts["calls"]
            for name, counts in store.redis.info("commandstats").items()
        }
        scheduler.shutdown()
        assert (calls["exec"], calls["hset"], calls["hdel"]) == (1, 20, 1)

    @pytest.mark.parametrize("change", ["add", "update", "remove"])
    def test_somebody_else_is_faster(
        self,
        store: RedisJobStore,
        redis_server: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        change: str,
    ) -> None:
        """What another process does between a look and the change that follows counts."""
        other = RedisJobStore(**redis_server)
        looks = []
        if change != "add":
            store.add_job(make_job("a"))

        def and_then(look: Any) -> Any:
            def looked(*arguments: Any) -> Any:
                seen = look(*arguments)
                if not looks:
                    other.add_job(make_job("a")) if change == "add" else other.remove_job("a")
                looks.append(seen)
                return seen

            return looked

        monkeypatch.setattr(store, "_missing", and_then(store._missing))
        method = getattr(store, f"{change}_job")
        argument = "a" if change == "remove" else make_job("a", None, name="late")
        with pytest.raises(ConflictingIdError if change == "add" else JobLookupError):
            method(argument)
        assert len(looks) == 2
        monkeypatch.undo()
        assert [job.name for job in store.get_all_jobs()] == (
            ["nothing"] if change == "add" else []
        )
        assert (store.get_next_run_time() == DAY) is (change == "add")
        other.shutdown()


class TestStrays:
    """Run times whose job an operator has deleted by hand."""

    def test_they_are_removed(self, store: RedisJobStore) -> None:
        store.add_job(make_job("a", PAST))
        store.add_job(make_job("b", PAST))
        store.redis.hdel(store.jobs_key, "a")
        assert ids(store.get_due_jobs(datetime.now(timezone.utc))) == ["b"]
        assert store.redis.zrange(store.run_times_key, 0, -1) == [b"b"]
        assert store.get_parked_jobs() == []

    def test_job_that_comes_back_meanwhile(
        self, store: RedisJobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.add_job(make_job("a", PAST))
        store.redis.hdel(store.jobs_key, "a")
        remove = store._remove_run_times

        def and_then(job_ids: Any) -> None:
            store.add_job(make_job("a", PAST))
            remove(job_ids)

        monkeypatch.setattr(store, "_remove_run_times", and_then)
        assert store.get_due_jobs(DAY) == []
        assert store.get_next_run_time() == PAST


def test_jobs_that_were_due_before_1970(store: RedisJobStore) -> None:
    # DIFFERENCE: APScheduler never runs them.
    store.add_job(make_job("a", datetime(1960, 1, 1, tzinfo=timezone.utc)))
    assert ids(store.get_due_jobs(DAY)) == ["a"]
