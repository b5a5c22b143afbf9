"""Job stores on servers: APScheduler and mainspring share one, and one goes and comes back."""

from __future__ import annotations

import importlib
import random
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import apscheduler.job
import apscheduler.triggers.date
import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

from mainspring.events import EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.base import BaseScheduler
from tests.stores import jobs
from tests.stores.mongo_server import MongoServer
from tests.stores.places import Place, make_place
from tests.stores.rethink_server import RethinkServer
from tests.stores.samples import PAST, ForeignExecutor
from tests.stores.valkey_server import ValkeyServer
from tests.support import DAY, ManualScheduler, listen, make_job

CLASSES = {
    "sqlalchemy": "SQLAlchemyJobStore",
    "redis": "RedisJobStore",
    "mongodb": "MongoDBJobStore",
    "rethinkdb": "RethinkDBJobStore",
}


def store_class(package: str, alias: str) -> Any:
    return getattr(importlib.import_module(f"{package}.jobstores.{alias}"), CLASSES[alias])


def make_job_of(package: str, job_id: str, next_run_time: datetime | None) -> Any:
    if package == "mainspring":
        return make_job(job_id, next_run_time)
    job: Any = apscheduler.job.Job.__new__(apscheduler.job.Job)
    state = make_job(job_id, next_run_time).__getstate__()
    job.__setstate__({**state, "trigger": apscheduler.triggers.date.DateTrigger(DAY)})
    return job


class TestBesideAPScheduler:
    """Each library's store on the same data."""

    @pytest.fixture
    def stores(self, place: Place) -> Iterator[dict[str, Any]]:
        stores = {
            "apscheduler": store_class("apscheduler", place.alias)(**place.arguments),
            "mainspring": store_class("mainspring", place.alias)(
                **place.arguments, write_format="apscheduler"
            ),
        }
        for store in stores.values():
            store.start(Mock(BaseScheduler, timezone=timezone.utc), "alias")
        yield stores
        for store in stores.values():
            store.shutdown()

    def attempt(self, call: Callable[..., Any], *arguments: Any) -> str:
        try:
            call(*arguments)
        except KeyError as exc:
            return repr(exc)
        return "done"

    def change(self, chance: random.Random, package: str, store: Any) -> str:
        """Do something to a random job, whether or not it is there, and say how it went."""
        job_id = chance.choice("abcdefgh")
        time = chance.choice([None, DAY + timedelta(seconds=chance.random() * 1000)])
        what = chance.choice(["add", "add", "add", "update", "update", "remove"])
        if chance.random() < 0.03:
            store.remove_all_jobs()
            return "all removed"
        if what == "remove":
            return self.attempt(store.remove_job, job_id)
        method = store.add_job if what == "add" else store.update_job
        return self.attempt(method, make_job_of(package, job_id, time))

    def view(self, store: Any) -> Any:
        found = store.get_all_jobs()
        return {
            "all": [job.id for job in found if job.next_run_time],
            "paused": {job.id for job in found if not job.next_run_time},
            "times": {job.id: job.next_run_time for job in found},
            "due": [job.id for job in store.get_due_jobs(DAY + timedelta(seconds=500))],
            "next": store.get_next_run_time(),
            "one": getattr(store.lookup_job("a"), "id", None),
        }

    def test_each_sees_what_either_does(self, stores: dict[str, Any]) -> None:
        chance = random.Random(7)
        outcomes = set()
        for _ in range(80):
            package = chance.choice(list(stores))
            outcome = self.change(chance, package, stores[package])
            theirs, ours = self.view(stores["apscheduler"]), self.view(stores["mainspring"])
            assert theirs == ours
            outcomes.add(outcome.partition("(")[0])
        assert outcomes == {"done", "all removed", "ConflictingIdError", "JobLookupError"}

    def test_each_leaves_the_same(
        self, alias: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        contents = []
        for package in ("apscheduler", "mainspring"):
            (tmp_path / package).mkdir()
            place = make_place(alias, request.getfixturevalue, tmp_path / package)
            store = store_class(package, alias)(**place.arguments)
            store.start(Mock(BaseScheduler, timezone=timezone.utc), "alias")
            chance = random.Random(7)
            outcomes = [self.change(chance, package, store) for _ in range(80)]
            store.shutdown()
            contents.append((outcomes, place.layout()))
            place.close()
        assert contents[0] == contents[1]


@pytest.mark.parametrize("alias", ["redis", "mongodb", "rethinkdb"])
def test_bad_arguments(alias: str) -> None:
    names = {
        "redis": ["jobs_key", "run_times_key"],
        "mongodb": ["database", "collection"],
        "rethinkdb": ["database", "table"],
    }[alias]
    bad: list[dict[str, Any]] = [{name: ""} for name in names]
    for arguments in [*bad, {"db": None}] if alias == "redis" else bad:
        messages = []
        for package in ("apscheduler", "mainspring"):
            with pytest.raises(ValueError, match="parameter must not be empty") as caught:
                store_class(package, alias)(**arguments)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("alias", "library", "name"),
    [
        ("redis", "redis", "redis"),
        ("mongodb", "pymongo", "PyMongo"),
        ("rethinkdb", "rethinkdb", "rethinkdb"),
    ],
)
def test_without_its_client_library(
    alias: str, library: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"mainspring.jobstores.{alias}")
    with pytest.raises(ImportError) as caught:
        importlib.import_module(f"mainspring.jobstores.{alias}")
    assert str(caught.value) == (
        f"{CLASSES[alias]} requires {name} installed: pip install mainspring[{alias}]"
    )


class Remote(NamedTuple):
    """A server that a test may stop, and how to reach it."""

    alias: str
    server: Any
    #: For a client that does not wait for a server that is gone.
    arguments: dict[str, Any]


@pytest.fixture(params=["redis", "mongodb", "rethinkdb"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    server: Any
    if request.param == "redis":
        server = ValkeyServer(tmp_path)
        arguments = {**server.arguments, "retry": Retry(NoBackoff(), 1)}
    elif request.param == "mongodb":
        server = MongoServer()
        arguments = {"port": server.port, "serverSelectionTimeoutMS": 100}
    else:
        server = RethinkServer()
        arguments = {"port": server.port}
    yield Remote(request.param, server, arguments)
    server.stop()


@pytest.fixture
def scheduler(remote: Remote) -> Iterator[ManualScheduler]:
    jobs.calls.clear()
    scheduler = ManualScheduler(
        timezone="UTC",
        jobstores={"default": {"type": remote.alias, **remote.arguments}},
        executors={"default": ForeignExecutor()},
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


# RethinkDB's client leaves it to the garbage collection to close a socket that was lost.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
class TestServerThatFails:
    def add_due_jobs(self, scheduler: ManualScheduler) -> None:
        for id_ in "abc":
            scheduler.add_job(
                jobs.record, "interval", hours=1, next_run_time=PAST, id=id_, args=[id_]
            )
        scheduler.add_job(jobs.record, "date", run_date=PAST, id="d", args=["d"])

    def test_gone_while_jobs_are_due(
        self, scheduler: ManualScheduler, remote: Remote, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.add_due_jobs(scheduler)
        store: Any = scheduler._jobstores["default"]
        get_due_jobs = store.get_due_jobs

        def and_then_it_is_gone(now: datetime) -> Any:
            due = get_due_jobs(now)
            remote.server.stop()
            return due

        store.get_due_jobs = and_then_it_is_gone
        wait = scheduler._process_jobs()
        del store.get_due_jobs
        for _ in range(2):
            assert wait is not None
            assert 0 < wait <= scheduler.jobstore_retry_interval
            wait = scheduler._process_jobs()
        messages = [r.getMessage() for r in caplog.records if r.name.startswith("mainspring")]
        assert messages[0].startswith("Error saving 4 jobs to job store 'default': ")
        assert scheduler.running
        remote.server.start()
        for _ in range(2):  # a client may have to find out first
            scheduler._process_jobs()
        assert [args for args, _ in jobs.calls] == [("a",), ("b",), ("c",), ("d",)]
        left = scheduler.get_jobs()
        assert {job.id for job in left} == {"a", "b", "c"}
        assert all(job.next_run_time != PAST for job in left)

    def test_one_job_that_it_does_not_take(
        self, scheduler: ManualScheduler, remote: Remote, caplog: pytest.LogCaptureFixture
    ) -> None:
        if remote.alias == "redis":
            pytest.skip("takes whatever it has room for")
        self.add_due_jobs(scheduler)
        remote.server.refused.add("b")
        scheduler._process_jobs()
        saved = {job.id for job in scheduler.get_jobs() if job.next_run_time != PAST}
        assert saved == {"a", "c"}
        (message,) = [
            r.getMessage()
            for r in caplog.records
            if r.name == "mainspring.scheduler" and r.levelno > 20
        ]
        assert message.startswith("Error updating job b in job store 'default': ")
        remote.server.refused.clear()
        scheduler._process_jobs()
        assert [args for args, _ in jobs.calls] == [("a",), ("b",), ("c",), ("d",)]
        assert all(job.next_run_time != PAST for job in scheduler.get_jobs())

    def test_the_store_starts_again(self, remote: Remote) -> None:
        store = store_class("mainspring", remote.alias)(**remote.arguments)
        for count in range(3):
            store.start(None, "alias")
            assert len(store.get_all_jobs()) == count
            store.add_job(make_job(str(count)))
            store.shutdown()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops a process for a while")
def test_a_server_that_does_not_answer_delays_no_other_store(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path)
    scheduler = BackgroundScheduler(
        timezone="UTC",
        jobstores={"default": {"type": "memory"}, "redis": {"type": "redis", **server.arguments}},
        job_defaults={"misfire_grace_time": None},
    )
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.start(paused=True)
    scheduler.add_job(
        jobs.record, "interval", hours=1, next_run_time=PAST, jobstore="redis", id="redis"
    )
    scheduler.add_job(jobs.record, "interval", seconds=0.01, id="memory")
    server.stall()
    try:
        scheduler.resume()
        ids = {event.job_id for event in events.wait_for(EVENT_JOB_EXECUTED, 20)}
        assert ids == {"memory"}
    finally:
        server.go_on()
    events.wait_until(lambda: "redis" in {event.job_id for event in events.events}, lambda: None)
    scheduler.shutdown()
    server.stop()


def test_all_updates_of_a_sweep_are_one_request(remote: Remote) -> None:
    if remote.alias == "redis":
        pytest.skip("its transaction: tests/stores/test_redis.py")
    scheduler = BackgroundScheduler(
        timezone="UTC",
        jobstores={"default": {"type": remote.alias, **remote.arguments}},
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start(paused=True)
    for number in range(20):
        scheduler.add_job(jobs.record, "interval", hours=1, next_run_time=PAST, args=[number])
        scheduler.add_job(jobs.record, "date", run_date=PAST, args=[number])
    del remote.server.writes[:]
    removed = listen(scheduler)
    scheduler.resume()
    removed.wait_for(EVENT_JOB_REMOVED, 20)
    scheduler.shutdown()
    assert [name.lower() for name in remote.server.writes] == ["update", "delete"]
