"""What the job stores that keep documents under a path must do besides, on servers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import Mock

import pytest

import mainspring.jobstores._documents as documents
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.schedulers.base import BaseScheduler
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.conformance_persistent import PersistentConformance
from tests.stores.samples import PAST, ForeignExecutor, ids
from tests.stores.servers import Facts, run_reference
from tests.stores.test_rows import facts_in
from tests.support import DAY, ManualScheduler, make_job


class DocumentConformance(PersistentConformance):
    """A store that derives from ``DocumentJobStore``, on a server."""

    @pytest.fixture
    def place(self) -> tuple[str, dict[str, Any]]:
        """The store's alias, and the arguments with which APScheduler opens the jobs of a test."""
        raise NotImplementedError

    @pytest.fixture
    def raw(self) -> Callable[[str, bytes | None], bytes | None]:
        """A function that writes data beneath the path if there are some, and returns what is there."""
        raise NotImplementedError

    @pytest.fixture
    def scheduler_on(self, open_store: OpenStore) -> Any:
        """A function that makes a scheduler and starts it, paused."""

        def scheduler_on(**options: Any) -> ManualScheduler:
            scheduler = self.make_scheduler(open_store(**options))
            scheduler.start(paused=True)
            return scheduler

        return scheduler_on

    # What is stored

    def test_rows_of_apscheduler(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not the rows of tables: ``TestRows`` has what apscheduler writes here."""

    def test_document(self, store: Any, raw: Any) -> None:
        store.add_job(make_job("a"))
        document = pickle.loads(raw("a"))
        assert list(document) == ["next_run_time", "job_state"]
        assert document["next_run_time"] == DAY.timestamp()
        assert document["job_state"].keys() == make_job("a").__getstate__().keys()
        store.update_job(make_job("a", None))
        assert pickle.loads(raw("a"))["next_run_time"] is None
        store.remove_job("a")
        assert raw("a") is None

    @pytest.fixture
    def filled(self, place: Any) -> Facts:
        """What APScheduler says of the jobs it has put into the store."""
        return run_reference("make", *place)

    def test_jobs_of_apscheduler_are_read_and_run(self, filled: Facts, scheduler_on: Any) -> None:
        scheduler = scheduler_on()
        store = scheduler._jobstores["default"]
        facts = facts_in(scheduler)
        assert facts.keys() == filled.keys()
        for job_id, expected in filled.items():
            assert facts[job_id] == expected, job_id
        assert store.get_parked_jobs() == []
        due = store.get_due_jobs(datetime.max.replace(tzinfo=timezone.utc))
        assert {job.id for job in due} == filled.keys() - {"paused"}
        jobs.calls.clear()
        scheduler.modify_job("bound method", next_run_time=PAST, misfire_grace_time=None)
        scheduler.resume()
        scheduler._process_jobs()
        assert ((46,), {}) in jobs.calls
        scheduler.shutdown()

    @pytest.mark.parametrize("protocol", [2, 5])
    def test_apscheduler_reads_what_is_written_for_it(
        self, filled: Facts, scheduler_on: Any, place: Any, raw: Any, protocol: int
    ) -> None:
        scheduler = scheduler_on(write_format="apscheduler", pickle_protocol=protocol)
        for job in scheduler.get_jobs():
            scheduler._jobstores["default"].update_job(job)
        scheduler.shutdown()
        for job_id in filled:
            assert b"mainspring" not in raw(job_id)
        assert run_reference("read", *place) == filled

    def test_jobs_added_here_are_read_by_apscheduler(self, scheduler_on: Any, place: Any) -> None:
        scheduler = scheduler_on(write_format="apscheduler")
        scheduler.add_job(jobs.record, "cron", id="cron", day="last,2nd fri", hour="3-5")
        scheduler.add_job(jobs.Counter(1).add, "interval", hours=1, id="method", args=[1])
        scheduler.add_job(jobs.record, "date", run_date=DAY, id="paused", next_run_time=None)
        expected = json.loads(json.dumps(facts_in(scheduler)).replace("mainspring", "apscheduler"))
        scheduler.shutdown()
        assert run_reference("read", *place) == expected

    # What else is there

    def test_data_that_are_no_job_are_kept(self, scheduler: ManualScheduler, raw: Any) -> None:
        store: Any = scheduler._jobstores["default"]
        raw("foreign", b"\x80 something else")
        raw("list", pickle.dumps([1]))
        scheduler.add_job(jobs.record, "date", run_date=PAST, id="a")
        scheduler._process_jobs()
        assert len(jobs.calls) == 1
        assert sorted(parked.job_id for parked in store.get_parked_jobs()) == ["foreign", "list"]
        assert scheduler.get_jobs() == []
        assert raw("foreign") == b"\x80 something else"

    def test_job_that_is_not_due_when_it_can_be_read(self, store: Any, raw: Any) -> None:
        store.add_job(make_job("a", DAY))
        good = raw("a")
        raw("a", b"no pickle")
        assert store.get_due_jobs(PAST) == []
        assert [parked.job_id for parked in store.get_parked_jobs()] == ["a"]
        assert store.get_next_run_time() is None
        raw("a", good)
        store._parked["a"] = store._parked["a"]._replace(retry_at=0)
        store._retry_parked()
        assert store.get_due_jobs(PAST) == []
        assert store.get_next_run_time() == DAY

    def test_before_1970(self, store: Any) -> None:
        for days in (1, 0, -1):  # the beginning of the epoch is no pause
            time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(days)
            store.add_job(make_job(str(days), time))
            assert store.get_next_run_time() == time
        assert ids(store.get_due_jobs(PAST)) == ["-1", "0", "1"]

    def test_what_has_not_changed_is_not_unpickled_again(
        self, store: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for id_ in "abc":
            store.add_job(make_job(id_))
        store.get_due_jobs(PAST)
        loads = Mock(side_effect=documents.loads)
        monkeypatch.setattr(documents, "loads", loads)
        store.get_due_jobs(PAST)
        store.get_next_run_time()
        loads.assert_not_called()
        store.update_job(make_job("b", PAST))
        assert store.get_next_run_time() == PAST
        loads.assert_called_once()

    # Transactions

    def test_one_transaction_for_all_changes_of_a_sweep(self, scheduler: ManualScheduler) -> None:
        for number in range(20):
            scheduler.add_job(jobs.record, "interval", hours=1, next_run_time=PAST, args=[number])
            scheduler.add_job(jobs.record, "date", run_date=PAST, args=[number])
        client: Any = scheduler._jobstores["default"].client  # type: ignore[attr-defined]
        client.transaction = Mock(side_effect=client.transaction)
        scheduler._process_jobs()
        client.transaction.assert_called_once()
        assert len(scheduler.get_jobs()) == 20

    def test_more_than_a_server_takes_at_once(self, scheduler: ManualScheduler) -> None:
        for number in range(300):
            scheduler.add_job(
                jobs.record, "interval", hours=1, next_run_time=PAST, args=[number, "x" * 5000]
            )
        scheduler._process_jobs()
        assert sorted(args[0] for args, _ in jobs.calls) == [*range(300)]
        assert all(job.next_run_time > PAST for job in scheduler.get_jobs())  # type: ignore[operator]

    def test_changes_of_jobs_that_are_gone(self, store: Any) -> None:
        for number in range(200):
            store.add_job(make_job(str(number)))
        for number in range(0, 200, 7):
            store.remove_job(str(number))
        updated = [make_job(str(number), PAST) for number in range(150)]
        failures = store._save_due_jobs(updated, [str(number) for number in range(150, 200)])
        assert sorted(map(int, failures)) == [*range(0, 200, 7)]
        assert all(isinstance(failure, JobLookupError) for failure in failures.values())
        left = store.get_all_jobs()
        assert {job.id for job in left} == {str(n) for n in range(150) if n % 7}
        assert {job.next_run_time for job in left} == {PAST}

    # Paths and clients

    def test_empty_path(self, open_store: OpenStore) -> None:
        with pytest.raises(ValueError, match='The "path" parameter must not be empty'):
            open_store(path="")

    def test_path_that_begins_as_another(self, open_store: OpenStore) -> None:
        # DIFFERENCE: with etcd, APScheduler takes the jobs of "/one" and "/one more" together.
        one, other = open_store(), open_store()
        other.path += " more"
        for store in (one, other):
            store.start(Mock(BaseScheduler), "alias")
            store.add_job(make_job("a", name=store.path))
        one.remove_all_jobs()
        assert one.get_all_jobs() == []
        assert [job.name for job in other.get_all_jobs()] == [other.path]
        with pytest.raises(ConflictingIdError):
            other.add_job(make_job("a"))
        other.remove_all_jobs()
        for store in (one, other):
            store.shutdown()

    def test_another_scheduler_removes_all(self, open_store: OpenStore) -> None:
        # DIFFERENCE: with ZooKeeper, APScheduler's store fails from then on.
        stores = [open_store() for _ in range(2)]
        for store in stores:
            store.start(Mock(BaseScheduler), "alias")
        one, other = stores
        one.add_job(make_job("a"))
        assert len(other.get_all_jobs()) == 1
        one.remove_all_jobs()
        assert other.get_all_jobs() == []
        assert other.get_next_run_time() is None
        assert other.lookup_job("a") is None
        with pytest.raises(JobLookupError):
            other.update_job(make_job("a"))
        other.add_job(make_job("a"))
        assert ids(one.get_all_jobs()) == ["a"]
        for store in stores:
            store.shutdown()


class ConstructorConformance:
    store_class: Any
    default_protocol: int

    def test_defaults(self) -> None:
        store = self.store_class()
        assert store.path == "/apscheduler"
        assert store.close_connection_on_exit is False
        assert store.pickle_protocol == self.default_protocol
        assert store.write_format == "mainspring"

    def test_positional_arguments(self) -> None:
        client = Mock()
        store = self.store_class("/mine", client, True, 3, write_format="apscheduler")
        assert (store.path, store.client) == ("/mine", client)
        assert store.close_connection_on_exit is True
        assert (store.pickle_protocol, store.write_format) == (3, "apscheduler")

    def test_repr(self, caplog: pytest.LogCaptureFixture) -> None:
        # DIFFERENCE: APScheduler logs an exception that there is not.
        client = Mock(__str__=lambda self: "it")
        name = self.store_class.__name__
        assert repr(self.store_class(client=client)) == f"<{name} (client=it)>"
        assert caplog.records == []


class OutageConformance:
    """A store whose server goes away and comes back."""

    @pytest.fixture
    def serve(self) -> Callable[[], AbstractContextManager[None]]:
        """A function that runs a server, with the same data and at the same address each time."""
        raise NotImplementedError

    @pytest.fixture
    def unconnected(self) -> Any:
        """The store."""
        raise NotImplementedError

    def shorten_waits(self, patched: pytest.MonkeyPatch) -> None:
        """Have the store wait less for a server that is not there."""

    def wait_until_back(self, store: Any) -> None:
        """Wait until the store's client has a connection again."""
        raise NotImplementedError

    def test_gone_between_reading_and_saving(
        self,
        serve: Callable[[], AbstractContextManager[None]],
        unconnected: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        store = unconnected
        jobs.calls.clear()
        scheduler = ManualScheduler(
            timezone="UTC",
            executors={"default": ForeignExecutor()},
            jobstores={"default": store},
            job_defaults={"misfire_grace_time": None},
        )
        get_due_jobs = store.get_due_jobs
        with monkeypatch.context() as patched, ExitStack() as server:
            server.enter_context(serve())
            scheduler.start()
            scheduler.add_job(
                jobs.record, "interval", hours=1, next_run_time=PAST, id="a", args=["a"]
            )
            scheduler.add_job(jobs.record, "date", run_date=PAST, id="b", args=["b"])

            def and_then_it_is_gone(now: datetime) -> Any:
                due = get_due_jobs(now)
                server.close()
                self.shorten_waits(patched)
                return due

            store.get_due_jobs = and_then_it_is_gone
            for message in ("Error saving 2 jobs to", "Error getting due jobs from"):
                caplog.clear()
                wait = scheduler._process_jobs()
                store.get_due_jobs = get_due_jobs
                assert wait is not None
                assert 0 < wait <= scheduler.jobstore_retry_interval
                (said,) = [r.getMessage() for r in caplog.records if r.name.endswith("scheduler")]
                assert said.startswith(f"{message} job store 'default': ")
                assert not said.endswith(": ")
        with serve():
            self.wait_until_back(store)
            scheduler._process_jobs()
            assert [args for args, _ in jobs.calls] == [("a",), ("b",)]
            (job,) = scheduler.get_jobs()
            assert job.id == "a"
            assert job.next_run_time is not None
            assert job.next_run_time > PAST
            scheduler.shutdown()
