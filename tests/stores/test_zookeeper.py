from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError

from mainspring.jobstores.base import JobLookupError
from mainspring.jobstores.zookeeper import ZooKeeperJobStore
from mainspring.schedulers.base import BaseScheduler
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.documents import ConstructorConformance, DocumentConformance, OutageConformance
from tests.stores.samples import ids
from tests.stores.servers import free_port, run_example, running_zookeeper
from tests.support import PATIENCE, ManualScheduler, make_job

numbers = itertools.count()


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server."""
    with running_zookeeper(tmp_path_factory.mktemp("zookeeper")) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def path() -> str:
    return f"/test {next(numbers)}"


@pytest.fixture
def client(zookeeper: str) -> Iterator[KazooClient]:
    client = KazooClient(zookeeper)
    client.start()
    yield client
    client.stop()
    client.close()


class TestServer(DocumentConformance):
    ties: ClassVar = ["third", "also third"]  # as with APScheduler

    @pytest.fixture
    def open_store(self, zookeeper: str, path: str) -> OpenStore:
        def open_store(**options: Any) -> ZooKeeperJobStore:
            return ZooKeeperJobStore(**{"path": path, "hosts": zookeeper, **options})

        return open_store

    @pytest.fixture
    def place(self, zookeeper: str, path: str) -> tuple[str, dict[str, Any]]:
        arguments = {"path": path, "hosts": zookeeper, "close_connection_on_exit": True}
        return "zookeeper", arguments

    @pytest.fixture
    def raw(self, client: KazooClient, path: str) -> Callable[..., bytes | None]:
        def raw(name: str, data: bytes | None = None) -> bytes | None:
            node = f"{path}/{name}"
            if data is not None:
                try:
                    client.create(node, data, makepath=True)
                except NodeExistsError:
                    client.set(node, data)
            try:
                found: bytes = client.get(node)[0]
            except NoNodeError:
                return None
            return found

        return raw

    @pytest.mark.parametrize("id_", [".", "..", "a/b", "/a"])
    def test_id_that_is_no_name_of_a_node(self, store: Any, id_: str) -> None:
        # DIFFERENCE: APScheduler takes "/a" for "a", and reports the others as missing or conflicting.
        store.add_job(make_job("a"))
        with pytest.raises(ValueError, match=f"cannot have the id '{id_}'"):
            store.add_job(make_job(id_))
        assert store.lookup_job(id_) is None
        with pytest.raises(JobLookupError):
            store.update_job(make_job(id_))
        with pytest.raises(JobLookupError):
            store.remove_job(id_)
        assert ids(store.get_all_jobs()) == ["a"]

    def test_nodes_without_data_are_no_jobs(
        self, store: Any, open_store: OpenStore, path: str
    ) -> None:
        inner = open_store(path=f"{path}/inner")
        inner.start(Mock(BaseScheduler), "inner")
        store.add_job(make_job("a"))
        inner.add_job(make_job("b"))
        assert ids(store.get_all_jobs()) == ["a"]
        assert store.get_parked_jobs() == []
        assert ids(inner.get_all_jobs()) == ["b"]
        inner.shutdown()


class TestOutage(OutageConformance):
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def serve(self, tmp_path: Path, port: int) -> Any:
        return lambda: running_zookeeper(tmp_path, port)

    @pytest.fixture
    def unconnected(self, port: int) -> ZooKeeperJobStore:
        often = {"max_tries": -1, "delay": 0.05, "max_delay": 0.05}
        return ZooKeeperJobStore(hosts=f"127.0.0.1:{port}", connection_retry=often)

    def shorten_waits(self, patched: pytest.MonkeyPatch) -> None:
        patched.setattr("mainspring.jobstores.zookeeper.TIMEOUT", 0.1)

    def wait_until_back(self, store: Any) -> None:
        back = threading.Event()
        store.client.add_listener(lambda state: back.set() if state == "CONNECTED" else None)
        if not store.client.connected:
            assert back.wait(PATIENCE)


class TestClient:
    def test_one_that_is_given_is_left_open(
        self, client: KazooClient, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "client", client, raising=False)
        for given in (client, "tests.stores.jobs:client"):
            store = ZooKeeperJobStore(path, given)
            assert store.client is client
            store.start(Mock(BaseScheduler), "alias")
            store.shutdown()
            assert client.connected
        store = ZooKeeperJobStore(path, client, True)
        store.start(Mock(BaseScheduler), "alias")
        store.shutdown()
        assert not client.connected

    def test_one_of_the_stores_own_is_closed(self, zookeeper: str, path: str) -> None:
        # DIFFERENCE: APScheduler leaves its session and its threads running.
        store = ZooKeeperJobStore(path, hosts=zookeeper)
        for id_ in "ab":
            store.start(Mock(BaseScheduler), "alias")
            assert store.client.connected
            store.add_job(make_job(id_))
            store.shutdown()
            assert not store.client.connected

    def test_no_server(self) -> None:
        client = KazooClient("127.0.0.1:1")
        client.start = Mock(side_effect=client.handler.timeout_exception("Connection time-out"))
        store = ZooKeeperJobStore(client=client)
        with pytest.raises(client.handler.timeout_exception):
            store.start(Mock(BaseScheduler), "alias")


def test_example(zookeeper: str) -> None:
    for _ in range(2):  # the second finds what the first has stored
        assert run_example("zookeeper_store.py", zookeeper).startswith("Tick! The time is: ")


class TestConstructor(ConstructorConformance):
    store_class = ZooKeeperJobStore
    default_protocol = pickle.HIGHEST_PROTOCOL

    def test_plugin(self) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        scheduler.add_jobstore("zookeeper", path="/mine", hosts="127.0.0.1:1")
        store = scheduler._jobstores["default"]
        assert isinstance(store, ZooKeeperJobStore)
        assert store.path == "/mine"

    def test_without_kazoo(self) -> None:
        program = (
            "import sys; sys.modules['kazoo'] = None\n"
            "try: import mainspring.jobstores.zookeeper\n"
            "except ImportError as exc: print(exc)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout == (
            "ZooKeeperJobStore requires Kazoo installed: pip install mainspring[zookeeper]\n"
        )
