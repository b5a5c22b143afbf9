"""Where stored jobs are, as both libraries and the tests see it.

    python -m tests.stores.places PYTHON VERSION

has the APScheduler of another environment, by the path of its interpreter, fill each of them but SQLite's
file, and keeps what it has written in the folder ``rows``.
"""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import redis

from tests.stores.mongo_server import MongoServer
from tests.stores.rethink_server import RethinkServer, Table
from tests.stores.servers import Facts, run_reference
from tests.stores.valkey_server import ValkeyServer

ROWS = Path(__file__).parent / "rows"


class Place(ABC):
    """A place for jobs that is empty at first."""

    #: The name of the store's plugin.
    alias: str
    #: The file names in ``rows``, but for what is before and after.
    tail: str
    suffix = ".rows"
    #: What either library's job store is to be called with; JSON can hold it.
    arguments: dict[str, Any]

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write all that is there into a file."""

    @abstractmethod
    def load(self, path: Path) -> None:
        """Bring back what is in a file."""

    @abstractmethod
    def states(self) -> dict[str, bytes]:
        """Return each job's bytes."""

    @abstractmethod
    def make_due(self) -> None:
        """Change the run times, all that there are, to 1970."""

    @abstractmethod
    def layout(self) -> Any:
        """Return all that is there but for what the jobs' bytes are."""

    def close(self) -> None:
        """Stop the server."""

    def rows_of(self, version: str) -> Path:
        """Return the path of the rows that an APScheduler has written here; JSON beside it has the facts."""
        return ROWS / f"apscheduler-{version}{self.tail}{self.suffix}"

    def ask_reference(self, command: str, python: str = sys.executable) -> Facts:
        """Have an installed APScheduler fill the place, or read it, without mainspring."""
        return run_reference(command, self.alias, self.arguments, python)


class SQLiteFile(Place):
    alias, tail, suffix = "sqlalchemy", "", ".db"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arguments = {"url": f"sqlite:///{path}"}

    def save(self, path: Path) -> None:
        shutil.copy(self.path, path)

    def load(self, path: Path) -> None:
        shutil.copy(path, self.path)

    def states(self) -> dict[str, bytes]:
        connection = sqlite3.connect(self.path)
        states = dict(connection.execute("SELECT id, job_state FROM apscheduler_jobs"))
        connection.close()
        return states

    def layout(self) -> Any:
        connection = sqlite3.connect(self.path)
        schema = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
        times = "SELECT id, next_run_time, typeof(job_state) FROM apscheduler_jobs ORDER BY id"
        found = [*schema.fetchall(), *connection.execute(times).fetchall()]
        connection.close()
        return found

    def make_due(self) -> None:
        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute(
                "UPDATE apscheduler_jobs SET next_run_time = 0 WHERE next_run_time NOT NULL"
            )
        connection.close()


class RedisDatabase(Place):
    alias, tail = "redis", "-redis"

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        self.client: Any = redis.Redis(**arguments)
        self.client.flushall()

    def save(self, path: Path) -> None:
        jobs = {job_id: _text(state) for job_id, state in self.states().items()}
        times = self.client.zrange("apscheduler.run_times", 0, -1, withscores=True)
        keys = sorted(key.decode() for key in self.client.scan_iter())
        assert keys == ["apscheduler.jobs", "apscheduler.run_times"]
        _write(path, {"jobs": jobs, "run_times": {job_id.decode(): at for job_id, at in times}})

    def load(self, path: Path) -> None:
        kept = json.loads(path.read_text("utf-8"))
        jobs = {job_id: base64.b64decode(state) for job_id, state in kept["jobs"].items()}
        self.client.hset("apscheduler.jobs", mapping=jobs)
        self.client.zadd("apscheduler.run_times", kept["run_times"])

    def states(self) -> dict[str, bytes]:
        states = self.client.hgetall("apscheduler.jobs")
        return {job_id.decode(): state for job_id, state in states.items()}

    def layout(self) -> Any:
        keys = {key: self.client.type(key) for key in self.client.scan_iter()}
        times = self.client.zrange("apscheduler.run_times", 0, -1, withscores=True)
        return keys, self.states().keys(), times

    def make_due(self) -> None:
        for job_id in self.client.zrange("apscheduler.run_times", 0, -1):
            self.client.zadd("apscheduler.run_times", {job_id: 0})

    def close(self) -> None:
        self.client.close()


class MongoDBDatabase(Place):
    alias, tail = "mongodb", "-mongodb"

    def __init__(self) -> None:
        self.server = MongoServer()
        self.arguments = {"host": "127.0.0.1", "port": self.server.port}
        self.collection = self.server.data["apscheduler"]["jobs"]

    def save(self, path: Path) -> None:
        assert self.server.data.list_database_names() == ["apscheduler"]
        assert self.server.data["apscheduler"].list_collection_names() == ["jobs"]
        _write(path, [_text(bson.encode(document)) for document in self.collection.find()])

    def load(self, path: Path) -> None:
        kept = json.loads(path.read_text("utf-8"))
        self.collection.insert_many(bson.decode(base64.b64decode(document)) for document in kept)

    def states(self) -> dict[str, bytes]:
        return {document["_id"]: document["job_state"] for document in self.collection.find()}

    def layout(self) -> Any:
        # BSON's binary data of the subtype that APScheduler writes are bytes, others are not.
        documents = [
            [(k, type(v) if k == "job_state" else v) for k, v in document.items()]
            for document in self.collection.find(sort=[("_id", 1)])
        ]
        names = {name: db.list_collection_names() for name, db in self.databases()}
        return documents, self.collection.index_information(), names

    def databases(self) -> list[tuple[str, Any]]:
        return [(name, self.server.data[name]) for name in self.server.data.list_database_names()]

    def make_due(self) -> None:
        self.collection.update_many(
            {"next_run_time": {"$ne": None}}, {"$set": {"next_run_time": 0.0}}
        )

    def close(self) -> None:
        self.server.stop()


class RethinkDBDatabase(Place):
    alias, tail = "rethinkdb", "-rethinkdb"

    def __init__(self) -> None:
        self.server = RethinkServer()
        self.arguments = {"host": "127.0.0.1", "port": self.server.port}

    @property
    def table(self) -> Table:
        return self.server.data["apscheduler"]["jobs"]

    def save(self, path: Path) -> None:
        assert self.server.data.keys() == {"test", "apscheduler"}
        assert self.server.data["apscheduler"].keys() == {"jobs"}
        _write(path, {"rows": self.table.rows, "indexes": list(self.table.indexes)})

    def load(self, path: Path) -> None:
        kept = json.loads(path.read_text("utf-8"))
        table = Table("jobs")
        table.rows.update(kept["rows"])
        table.indexes.update(dict.fromkeys(kept["indexes"], False))
        self.server.data["apscheduler"] = {"jobs": table}

    def states(self) -> dict[str, bytes]:
        rows = self.table.rows
        return {key: base64.b64decode(row["job_state"]["data"]) for key, row in rows.items()}

    def layout(self) -> Any:
        rows = {
            key: {**row, "job_state": row["job_state"]["$reql_type$"]}
            for key, row in self.table.rows.items()
        }
        names = {name: list(tables) for name, tables in self.server.data.items()}
        return rows, self.table.indexes.keys(), names

    def make_due(self) -> None:
        for row in self.table.rows.values():
            if row["next_run_time"] is not None:
                row["next_run_time"] = 0

    def close(self) -> None:
        self.server.stop()


PLACES = ["sqlalchemy", "redis", "mongodb", "rethinkdb"]


def make_place(alias: str, get_fixture: Callable[[str], Any], folder: Path) -> Place:
    """Make the place of a store's kind.

    :param get_fixture: returns what the fixture of a name gives, as pytest's requests do
    :param folder: for files
    """
    if alias == "sqlalchemy":
        return SQLiteFile(folder / "jobs.db")
    if alias == "redis":
        return RedisDatabase(get_fixture("valkey").arguments)
    return MongoDBDatabase() if alias == "mongodb" else RethinkDBDatabase()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _write(path: Path, kept: Any) -> None:
    path.write_text(f"{json.dumps(kept, indent=1, sort_keys=True)}\n", "utf-8")


def main(python: str, version: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(Path(folder))
        for place in (RedisDatabase(server.arguments), MongoDBDatabase(), RethinkDBDatabase()):
            facts = place.ask_reference("make", python)
            rows = place.rows_of(version)
            place.save(rows)
            _write(rows.with_suffix(".json"), facts)
            place.close()
        server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
