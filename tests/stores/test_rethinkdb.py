from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from rethinkdb import RethinkDB
from rethinkdb.errors import ReqlAuthError, ReqlDriverError, ReqlOpFailedError

from mainspring.jobstores.base import JobLookupError
from mainspring.jobstores.rethinkdb import RethinkDBJobStore
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.conformance_persistent import PersistentConformance
from tests.stores.rethink_server import RethinkServer
from tests.stores.samples import PAST
from tests.support import DAY, make_job


class TestRethinkDB(PersistentConformance):
    @pytest.fixture
    def open_store(self, rethink_server: RethinkServer) -> OpenStore:
        return lambda **options: RethinkDBJobStore(port=rethink_server.port, **options)


@pytest.fixture
def store(rethink_server: RethinkServer) -> Iterator[RethinkDBJobStore]:
    store = RethinkDBJobStore(port=rethink_server.port)
    store.start(None, "alias")  # type: ignore[arg-type]
    yield store
    store.shutdown()


@pytest.fixture
def connection(rethink_server: RethinkServer) -> Any:
    return RethinkDB().connect(port=rethink_server.port)


class TestConstructor:
    def test_defaults(self) -> None:
        store = RethinkDBJobStore()
        assert (store.database, store.table_name) == ("apscheduler", "jobs")
        assert (store.client, store.conn, store.table) == (None, None, None)
        assert store.pickle_protocol == pickle.HIGHEST_PROTOCOL
        assert repr(store) == "<RethinkDBJobStore (connection=None)>"
        store.shutdown()

    def test_arguments(self, rethink_server: RethinkServer) -> None:
        store = RethinkDBJobStore("mine", "tasks", None, 4, port=rethink_server.port)
        assert store.connect_args == {"port": rethink_server.port}
        store.start(None, "alias")  # type: ignore[arg-type]
        store.add_job(make_job("a"))
        assert rethink_server.data["mine"]["tasks"].rows.keys() == {"a"}
        store.shutdown()

    def test_password(self) -> None:
        server = RethinkServer("secret")
        for password, error in (("secret", None), ("wrong", ReqlAuthError)):
            store = RethinkDBJobStore(port=server.port, password=password)
            if error is None:
                store.start(None, "alias")  # type: ignore[arg-type]
            else:
                with pytest.raises(error):
                    store.start(None, "alias")  # type: ignore[arg-type]
            store.shutdown()
        server.stop()

    @pytest.mark.parametrize("by_reference", [False, True])
    def test_client(
        self, connection: Any, monkeypatch: pytest.MonkeyPatch, by_reference: bool
    ) -> None:
        # DIFFERENCE: APScheduler makes the table in the connection's own database, and then fails.
        monkeypatch.setattr(jobs, "connection", connection, raising=False)
        client = "tests.stores.jobs:connection" if by_reference else connection
        store = RethinkDBJobStore(client=client)
        store.start(None, "alias")  # type: ignore[arg-type]
        assert store.conn is connection
        store.add_job(make_job("a"))
        assert len(store.get_all_jobs()) == 1
        store.shutdown()
        assert not connection.is_open()
        with pytest.raises(ReqlDriverError, match="Connection is closed"):
            store.get_all_jobs()


class TestWrites:
    def test_what_is_not_there(self, store: RethinkDBJobStore) -> None:
        for id_ in "ab":
            store.add_job(make_job(id_))
        failures = store._save_due_jobs([make_job("a", PAST), make_job("x")], ["b", "y"])
        assert {id_: type(exc) for id_, exc in failures.items()} == {
            "x": JobLookupError,
            "y": JobLookupError,
        }
        assert [(job.id, job.next_run_time) for job in store.get_all_jobs()] == [("a", PAST)]

    def test_nothing_to_save(self, store: RethinkDBJobStore, rethink_server: RethinkServer) -> None:
        assert store._save_due_jobs([], []) == {}
        assert rethink_server.writes == []

    def test_what_the_server_does_not_take(
        self, store: RethinkDBJobStore, rethink_server: RethinkServer
    ) -> None:
        # DIFFERENCE: APScheduler says that there is no such job, or two of them.
        store.add_job(make_job("a"))
        rethink_server.refused.update("ab")
        for change in (
            lambda: store.add_job(make_job("b")),
            lambda: store.update_job(make_job("a", None)),
            lambda: store.remove_job("a"),
        ):
            with pytest.raises(ReqlOpFailedError, match="not this one"):
                change()
        assert store.get_next_run_time() == DAY

    def test_update_that_changes_nothing(self, store: RethinkDBJobStore) -> None:
        job = make_job("a")
        store.add_job(job)
        store.update_job(job)
        assert store._save_due_jobs([job], []) == {}
