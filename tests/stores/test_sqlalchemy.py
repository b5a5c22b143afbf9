from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import sqlalchemy
import sqlalchemy.event
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore as TheirStore
from sqlalchemy.pool import StaticPool

from mainspring.events import EVENT_JOB_REMOVED
from mainspring.job import Job
from mainspring.jobstores.sqlalchemy import SQLAlchemyJobStore
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.base import BaseScheduler
from tests.stores import jobs
from tests.stores.conformance import OpenStore
from tests.stores.conformance_persistent import PersistentConformance
from tests.stores.conformance_pickled import PickledConformance
from tests.stores.samples import PAST, ForeignExecutor
from tests.support import ManualScheduler, listen, make_job


def sqlite_engine(path: Path) -> Any:
    """An engine on a file that does not wait for the disk, as tests have no need to."""
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")

    @sqlalchemy.event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    return engine


class TestSQLiteFile(PersistentConformance):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        def open_store(**options: Any) -> SQLAlchemyJobStore:
            return SQLAlchemyJobStore(engine=sqlite_engine(tmp_path / "jobs.db"), **options)

        return open_store


class TestSQLiteMemory(PickledConformance):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        return lambda **options: SQLAlchemyJobStore("sqlite:///:memory:", **options)


class TestPostgreSQL(PersistentConformance):
    @pytest.fixture
    def open_store(self, postgresql: str) -> Iterator[OpenStore]:
        yield lambda **options: SQLAlchemyJobStore(postgresql, **options)
        engine = sqlalchemy.create_engine(postgresql)
        sqlalchemy.Table("apscheduler_jobs", sqlalchemy.MetaData()).drop(engine, checkfirst=True)
        engine.dispose()


class TestConstructor:
    def test_defaults(self) -> None:
        store = SQLAlchemyJobStore("sqlite://")
        assert store.jobs_t.name == "apscheduler_jobs"
        assert store.pickle_protocol == pickle.HIGHEST_PROTOCOL
        assert store.write_format == "mainspring"
        assert store.jobs_t.schema is None

    def test_neither_url_nor_engine(self) -> None:
        with pytest.raises(ValueError, match='Need either "engine" or "url" defined'):
            SQLAlchemyJobStore()

    def test_positional_arguments(self) -> None:
        metadata = sqlalchemy.MetaData()
        store = SQLAlchemyJobStore(
            "sqlite://", None, "mine", metadata, 3, "schema", {"echo": False}
        )
        assert metadata.tables["schema.mine"] is store.jobs_t
        assert store.pickle_protocol == 3

    def test_engine_and_metadata_by_reference(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "engine", sqlalchemy.create_engine("sqlite://"), raising=False)
        monkeypatch.setattr(jobs, "metadata", sqlalchemy.MetaData(), raising=False)
        store = SQLAlchemyJobStore(
            engine="tests.stores.jobs:engine", metadata="tests.stores.jobs:metadata"
        )
        assert store.engine is jobs.engine  # type: ignore[attr-defined]
        assert store.jobs_t.metadata is jobs.metadata  # type: ignore[attr-defined]

    def test_engine_options(self, tmp_path: Path) -> None:
        store = SQLAlchemyJobStore(
            f"sqlite:///{tmp_path}/jobs.db", engine_options={"poolclass": StaticPool}
        )
        assert isinstance(store.engine.pool, StaticPool)

    def test_repr_hides_the_password(self) -> None:
        store = SQLAlchemyJobStore("sqlite://")
        store.engine = Mock(url=sqlalchemy.engine.make_url("postgresql://me:secret@host/jobs"))
        assert repr(store) == "<SQLAlchemyJobStore (url=postgresql://me:***@host/jobs)>"

    def test_plugin(self, tmp_path: Path) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        scheduler.add_jobstore("sqlalchemy", url=f"sqlite:///{tmp_path}/jobs.db", tablename="mine")
        store = scheduler._jobstores["default"]
        assert isinstance(store, SQLAlchemyJobStore)
        assert store.jobs_t.name == "mine"

    def test_without_sqlalchemy(self) -> None:
        program = (
            "import sys; sys.modules['sqlalchemy'] = None\n"
            "try: import mainspring.jobstores.sqlalchemy\n"
            "except ImportError as exc: print(exc)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout == (
            "SQLAlchemyJobStore requires SQLAlchemy installed: pip install mainspring[sqlalchemy]\n"
        )


def ask_both(folder: Path, statement: str, *added: Job) -> list[list[Any]]:
    """Have each library make a database with these jobs; return the rows that a query finds in either."""
    found = []
    for cls in (TheirStore, SQLAlchemyJobStore):
        path = folder / f"{cls.__module__}.db"
        store: Any = cls(f"sqlite:///{path}")
        store.start(None, "alias")
        for job in added:
            store.add_job(job)
        store.shutdown()
        connection = sqlite3.connect(path)
        found.append(connection.execute(statement).fetchall())
        connection.close()
    return found


class TestTable:
    def test_it_is_that_of_apscheduler(self, tmp_path: Path) -> None:
        theirs, ours = ask_both(tmp_path, "SELECT type, name, sql FROM sqlite_master")
        assert theirs == ours
        assert len(theirs) == 3

    def test_on_postgresql(self, postgresql: str) -> None:
        engine = sqlalchemy.create_engine(postgresql)
        schemas = []
        for cls in (TheirStore, SQLAlchemyJobStore):
            store: Any = cls(engine=engine, tablename="mine")
            store.start(None, "alias")
            inspector = sqlalchemy.inspect(engine)
            columns = [{**c, "type": repr(c["type"])} for c in inspector.get_columns("mine")]
            schemas.append(
                (columns, inspector.get_pk_constraint("mine"), inspector.get_indexes("mine"))
            )
            store.jobs_t.drop(engine)
        assert schemas[0] == schemas[1]
        engine.dispose()

    def test_next_run_time_is_the_same_number(self, tmp_path: Path) -> None:
        time = datetime(2031, 7, 8, 9, 10, 11, 999_999, tzinfo=timezone.utc)
        statement = "SELECT next_run_time FROM apscheduler_jobs"
        theirs, ours = ask_both(tmp_path, statement, make_job("a", time))
        assert theirs == ours != []


class TestInMemory:
    """SQLite's memory is one database for each connection, and a scheduler has several threads."""

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///"])
    def test_threads_share_it(self, url: str) -> None:
        store = SQLAlchemyJobStore(url)
        store.start(Mock(BaseScheduler), "alias")
        adding = threading.Thread(target=store.add_job, args=[make_job("a")])
        adding.start()
        adding.join()
        assert len(store.get_all_jobs()) == 1
        store.shutdown()

    def test_arguments_of_connections_are_kept(self) -> None:
        store = SQLAlchemyJobStore(
            "sqlite://", engine_options={"connect_args": {"isolation_level": None}}
        )
        with store.engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            assert raw.isolation_level is None
        store.shutdown()

    def test_engine_that_has_one_for_each_thread(self, caplog: pytest.LogCaptureFixture) -> None:
        engine = sqlalchemy.create_engine("sqlite://")
        store = SQLAlchemyJobStore(engine=engine)
        store.start(Mock(BaseScheduler), "alias")
        (record,) = caplog.records
        assert "StaticPool" in record.getMessage()
        store.shutdown()


class TestDatabaseThatFails:
    @pytest.fixture
    def scheduler(self, tmp_path: Path) -> Iterator[ManualScheduler]:
        jobs.calls.clear()
        scheduler = ManualScheduler(
            timezone="UTC",
            jobstores={"default": SQLAlchemyJobStore(engine=sqlite_engine(tmp_path / "jobs.db"))},
            executors={"default": ForeignExecutor()},
            job_defaults={"misfire_grace_time": None},
        )
        scheduler.start()
        yield scheduler
        scheduler.shutdown()

    def execute(self, scheduler: ManualScheduler, statement: str) -> None:
        store: Any = scheduler._jobstores["default"]
        with store.engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))

    def test_one_row_that_it_does_not_take(
        self, scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        for id_ in "abc":
            scheduler.add_job(
                jobs.record, "interval", hours=1, next_run_time=PAST, id=id_, args=[id_]
            )
        self.execute(
            scheduler,
            "CREATE TRIGGER refuse BEFORE UPDATE ON apscheduler_jobs WHEN OLD.id = 'b' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        scheduler._process_jobs()
        saved = {job.id for job in scheduler.get_jobs() if job.next_run_time != PAST}
        assert saved == {"a", "c"}
        assert "Error updating job b" in caplog.records[-1].getMessage()
        self.execute(scheduler, "DROP TRIGGER refuse")
        scheduler._process_jobs()
        assert [args for args, _ in jobs.calls] == [("a",), ("b",), ("c",)]
        assert all(job.next_run_time != PAST for job in scheduler.get_jobs())

    def test_gone_while_jobs_are_due(
        self, scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        for id_ in "abc":
            scheduler.add_job(
                jobs.record, "interval", hours=1, next_run_time=PAST, id=id_, args=[id_]
            )
        store: Any = scheduler._jobstores["default"]
        get_due_jobs = store.get_due_jobs

        def and_then_it_is_gone(now: datetime) -> Any:
            due = get_due_jobs(now)
            self.execute(scheduler, "ALTER TABLE apscheduler_jobs RENAME TO elsewhere")
            return due

        store.get_due_jobs = and_then_it_is_gone
        wait = scheduler._process_jobs()
        del store.get_due_jobs
        assert wait is not None
        assert 0 < wait <= scheduler.jobstore_retry_interval
        (message,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert message.startswith("Error saving 3 jobs to job store 'default': ")
        scheduler._process_jobs()
        self.execute(scheduler, "ALTER TABLE elsewhere RENAME TO apscheduler_jobs")
        scheduler._process_jobs()
        assert [args for args, _ in jobs.calls] == [("a",), ("b",), ("c",)]
        assert all(job.next_run_time != PAST for job in scheduler.get_jobs())


class TestBatches:
    def test_more_ids_than_fit_a_statement(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import mainspring.jobstores.sqlalchemy as module

        monkeypatch.setattr(module, "IDS_AT_ONCE", 3)
        store = SQLAlchemyJobStore(engine=sqlite_engine(tmp_path / "jobs.db"))
        store.start(Mock(BaseScheduler), "alias")
        for number in range(10):
            store.add_job(make_job(str(number)))
        failures = store._save_due_jobs(
            [make_job("8", PAST), make_job("9", PAST)], [*map(str, range(8)), "missing"]
        )
        assert failures.keys() == {"missing"}
        assert [(job.id, job.next_run_time) for job in store.get_all_jobs()] == [
            ("8", PAST),
            ("9", PAST),
        ]
        store.shutdown()

    def test_one_transaction_for_all_updates_of_a_sweep(self, tmp_path: Path) -> None:
        engine = sqlite_engine(tmp_path / "jobs.db")
        scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": SQLAlchemyJobStore(engine=engine)},
            job_defaults={"misfire_grace_time": None},
        )
        scheduler.start(paused=True)
        for number in range(20):
            scheduler.add_job(jobs.record, "interval", hours=1, next_run_time=PAST, args=[number])
            scheduler.add_job(jobs.record, "date", run_date=PAST, args=[number])
        commits = []
        sqlalchemy.event.listen(engine, "commit", commits.append)
        removed = listen(scheduler)
        scheduler.resume()
        removed.wait_for(EVENT_JOB_REMOVED, 20)
        scheduler.shutdown()
        assert len(commits) == 1
