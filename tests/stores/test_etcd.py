from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from mainspring.schedulers.base import BaseScheduler
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.documents import ConstructorConformance, DocumentConformance, OutageConformance
from tests.stores.samples import ids
from tests.stores.servers import ETCD3_IMPORTS, free_port, import_etcd3, run_example, running_etcd
from tests.support import PATIENCE, ManualScheduler, make_job

etcd3 = import_etcd3()

from mainspring.jobstores.etcd import EtcdJobStore  # noqa: E402

numbers = itertools.count()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server."""
    with running_etcd(tmp_path_factory.mktemp("etcd")) as port:
        yield port


@pytest.fixture
def path() -> str:
    return f"/test {next(numbers)}"


@pytest.fixture
def client(etcd: int) -> Iterator[Any]:
    with etcd3.client(port=etcd) as client:
        yield client


class TestServer(DocumentConformance):
    @pytest.fixture
    def open_store(self, etcd: int, path: str) -> OpenStore:
        return lambda **options: EtcdJobStore(**{"path": path, "port": etcd, **options})

    @pytest.fixture
    def place(self, etcd: int, path: str) -> tuple[str, dict[str, Any]]:
        return "etcd", {"path": path, "port": etcd}

    @pytest.fixture
    def raw(self, client: Any, path: str) -> Callable[..., bytes | None]:
        def raw(name: str, data: bytes | None = None) -> bytes | None:
            if data is not None:
                client.put(f"{path}/{name}", data)
            found: bytes | None = client.get(f"{path}/{name}")[0]
            return found

        return raw

    @pytest.mark.parametrize("id_", [".", "..", "a/b", "/a", "\x00"])
    def test_any_id(self, store: Any, id_: str) -> None:
        store.add_job(make_job(id_))
        store.add_job(make_job("a"))
        store.update_job(make_job(id_, None))
        assert ids(store.get_all_jobs()) == ["a", id_]
        store.remove_job(id_)
        assert ids(store.get_all_jobs()) == ["a"]


class TestOutage(OutageConformance):
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def serve(self, tmp_path: Path, port: int) -> Any:
        return lambda: running_etcd(tmp_path, port)

    @pytest.fixture
    def unconnected(self, port: int) -> EtcdJobStore:
        return EtcdJobStore(host="127.0.0.1", port=port)

    def wait_until_back(self, store: Any) -> None:
        import grpc

        grpc.channel_ready_future(store.client.channel).result(PATIENCE)


class TestClient:
    def test_one_that_is_given_is_left_open(
        self, client: Any, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # DIFFERENCE: APScheduler closes it, whatever close_connection_on_exit says.
        monkeypatch.setattr(jobs, "client", client, raising=False)
        for given in (client, "tests.stores.jobs:client"):
            store = EtcdJobStore(path, given)
            assert store.client is client
            store.start(Mock(BaseScheduler), "alias")
            store.shutdown()
            assert client.get("a") == (None, None)
        store = EtcdJobStore(path, client, True)
        store.start(Mock(BaseScheduler), "alias")
        store.shutdown()
        with pytest.raises(ValueError, match="closed channel"):
            client.get("a")

    def test_one_of_the_stores_own_is_closed_and_made_anew(self, etcd: int, path: str) -> None:
        store = EtcdJobStore(path, port=etcd)
        for id_ in "ab":
            store.start(Mock(BaseScheduler), "alias")
            store.add_job(make_job(id_))
            store.shutdown()
            with pytest.raises(ValueError, match="closed channel"):
                store.get_all_jobs()

    def test_no_server(self) -> None:
        # DIFFERENCE: APScheduler reports the job as missing.
        store = EtcdJobStore(port=1)
        store.start(Mock(BaseScheduler), "alias")
        with pytest.raises(etcd3.exceptions.ConnectionFailedError):
            store.lookup_job("a")
        store.shutdown()


def test_example(etcd: int) -> None:
    assert run_example("etcd_store.py", f"127.0.0.1:{etcd}").startswith("Alarm! It was set at ")


def test_through_the_alias() -> None:
    program = (
        "import mainspring; mainspring.install_as_apscheduler()\n"
        "from apscheduler.jobstores.etcd import EtcdJobStore; print(EtcdJobStore.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **ETCD3_IMPORTS},
    )
    assert done.stdout == "mainspring.jobstores.etcd\n", done.stderr


class TestConstructor(ConstructorConformance):
    store_class = EtcdJobStore
    default_protocol = pickle.DEFAULT_PROTOCOL

    def test_plugin(self) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        scheduler.add_jobstore("etcd", path="/mine", port=1)
        store = scheduler._jobstores["default"]
        assert isinstance(store, EtcdJobStore)
        assert store.path == "/mine"

    @pytest.mark.parametrize(
        ("etcd3", "message"),
        [
            ("sys.modules['etcd3'] = None", "installed: pip install mainspring[etcd]\n"),
            # As protobuf 4 and later do unless it is told to run in pure Python.
            (
                "sys.meta_path.insert(0, Refuse)",
                "set PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python",
            ),
        ],
    )
    def test_without_etcd3(self, etcd3: str, message: str) -> None:
        program = f"""if True:
            import sys
            class Refuse:
                def find_spec(name, path, target):
                    if name == "etcd3":
                        raise TypeError("Descriptors cannot be created directly.")
            {etcd3}
            try:
                import mainspring.jobstores.etcd
            except ImportError as exc:
                print(exc)
        """
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("EtcdJobStore requires etcd3")
        assert message in done.stdout
