from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import bson
import pymongo
import pytest
from bson.raw_bson import RawBSONDocument

from mainspring.jobstores.base import JobLookupError
from mainspring.jobstores.mongodb import MongoDBJobStore
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.conformance_persistent import PersistentConformance
from tests.stores.mongo_server import MongoServer
from tests.stores.samples import PAST, ids
from tests.support import DAY, make_job


class TestMongoDB(PersistentConformance):
    @pytest.fixture
    def open_store(self, mongo_server: MongoServer) -> OpenStore:
        return lambda **options: MongoDBJobStore(port=mongo_server.port, **options)


@pytest.fixture
def store(mongo_server: MongoServer) -> Iterator[MongoDBJobStore]:
    store = MongoDBJobStore(port=mongo_server.port)
    store.start(None, "alias")  # type: ignore[arg-type]
    yield store
    store.shutdown()


class TestConstructor:
    def test_defaults(self, store: MongoDBJobStore, mongo_server: MongoServer) -> None:
        assert store.collection.full_name == "apscheduler.jobs"
        assert store.pickle_protocol == pickle.HIGHEST_PROTOCOL
        assert store.client.write_concern.document == {"w": 1}
        assert repr(store).startswith("<MongoDBJobStore (client=MongoClient(host=[")
        assert f":{mongo_server.port}'" in repr(store)

    def test_arguments(self, mongo_server: MongoServer) -> None:
        store = MongoDBJobStore("mine", "tasks", None, 4, port=mongo_server.port, w=0)
        assert store.collection.full_name == "mine.tasks"
        assert store.pickle_protocol == 4
        assert store.client.write_concern.document == {"w": 0}
        store.shutdown()

    def test_client(self, mongo_server: MongoServer) -> None:
        client: Any = pymongo.MongoClient(port=mongo_server.port)
        client.close = Mock(side_effect=client.close)
        store = MongoDBJobStore(client=client)
        assert store.client is client
        store.start(None, "alias")  # type: ignore[arg-type]
        store.shutdown()
        client.close.assert_called_once_with()

    def test_client_by_reference(
        self, mongo_server: MongoServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client: Any = pymongo.MongoClient(port=mongo_server.port)
        monkeypatch.setattr(jobs, "client", client, raising=False)
        store = MongoDBJobStore(client="tests.stores.jobs:client")
        assert store.client is client
        store.shutdown()

    def test_connection_is_an_old_name(self, store: MongoDBJobStore) -> None:
        with pytest.warns(DeprecationWarning, match='"connection" member is deprecated'):
            assert store.connection is store.client


def test_types_of_the_fields(store: MongoDBJobStore) -> None:
    """Each as BSON has them: a string, a double or null, and binary data of subtype 0."""
    state = store._dump(make_job("a"))
    store.add_job(make_job("a"))
    store.add_job(make_job("b", None))
    options = bson.codec_options.CodecOptions(document_class=RawBSONDocument)
    first, second = store.collection.with_options(options).find(sort=[("_id", 1)])
    assert list(first) == ["_id", "next_run_time", "job_state"]
    binary = b"\x05job_state\0" + len(state).to_bytes(4, "little") + b"\x00" + state
    assert binary in first.raw
    assert b"\x02_id\0\x02\0\0\0a\0" in first.raw
    assert b"\x01next_run_time\0" in first.raw
    assert b"\x0anext_run_time\0" in second.raw


class TestBulkWrite:
    def test_what_is_not_there(self, store: MongoDBJobStore) -> None:
        for id_ in "ab":
            store.add_job(make_job(id_))
        failures = store._save_due_jobs([make_job("a", PAST), make_job("x")], ["b", "y"])
        assert {id_: type(exc) for id_, exc in failures.items()} == {
            "x": JobLookupError,
            "y": JobLookupError,
        }
        assert [(job.id, job.next_run_time) for job in store.get_all_jobs()] == [("a", PAST)]

    def test_nothing_to_save(self, store: MongoDBJobStore, mongo_server: MongoServer) -> None:
        assert store._save_due_jobs([], []) == {}
        assert mongo_server.writes == []


def test_more_jobs_than_come_at_once(store: MongoDBJobStore) -> None:
    for number in range(250):
        store.add_job(make_job(f"{number:03}", PAST))
    assert ids(store.get_due_jobs(DAY)) == [f"{number:03}" for number in range(250)]
