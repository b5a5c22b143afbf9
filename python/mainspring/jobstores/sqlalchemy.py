"""The job store that keeps its jobs in a table of a relational database."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring._logs import names_caller
from mainspring._pickles import WriteFormat
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.persistent import PersistentJobStore
from mainspring.util import maybe_ref

try:
    from sqlalchemy import (
        Column,
        Float,
        LargeBinary,
        MetaData,
        Table,
        Unicode,
        bindparam,
        create_engine,
        delete,
        insert,
        select,
        update,
    )
    from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
    from sqlalchemy.pool import SingletonThreadPool, StaticPool
except ImportError as exc:
    raise ImportError(
        "SQLAlchemyJobStore requires SQLAlchemy installed: pip install mainspring[sqlalchemy]"
    ) from exc

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

    from mainspring._contract import Scheduler
    from mainspring.job import Job

__all__ = ("SQLAlchemyJobStore",)

T = TypeVar("T")

#: How many ids go into one statement: all databases take so many parameters.
IDS_AT_ONCE = 500


class SQLAlchemyJobStore(PersistentJobStore):
    """Keeps jobs in a table, which is made if it is not there. Plugin alias: ``sqlalchemy``.

    The table is APScheduler 3.x's, and so are the jobs in it: an existing one is used as it is. A job
    that cannot be loaded is parked, see :meth:`get_parked_jobs`.

    :param url: the database, as SQLAlchemy writes it
    :param engine: an engine, or a textual reference to one, instead of ``url``
    :param tablename: the table's name
    :param metadata: the :class:`~sqlalchemy.schema.MetaData` to put the table into, or a textual
        reference to one
    :param pickle_protocol: the pickle protocol to write jobs with
    :param tableschema: the schema that the table is in
    :param engine_options: further arguments of :func:`~sqlalchemy.create_engine`
    :param write_format: ``"mainspring"``, or ``"apscheduler"`` to write jobs that APScheduler 3.11 can
        read; either is read
    :raises ValueError: if neither ``url`` nor ``engine`` is given, or there is no such format

    >>> SQLAlchemyJobStore("sqlite:///:memory:")
    <SQLAlchemyJobStore (url=sqlite:///:memory:)>
    """

    def __init__(
        self,
        url: str | URL | None = None,
        engine: Engine | str | None = None,
        tablename: str = "apscheduler_jobs",
        metadata: MetaData | str | None = None,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        tableschema: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
        *,
        write_format: WriteFormat = "mainspring",
    ) -> None:
        super().__init__(pickle_protocol, write_format)
        if engine:
            self.engine: Engine = maybe_ref(engine)
        elif url:
            self.engine = _make_engine(url, dict(engine_options or {}))
        else:
            raise ValueError('Need either "engine" or "url" defined')
        self.jobs_t = jobs = Table(
            tablename,
            MetaData() if metadata is None else maybe_ref(metadata),
            # As MySQL limits the length of an index.
            Column("id", Unicode(191), primary_key=True),
            # Seconds since the epoch; 25 bits of precision or more are a double in every database.
            Column("next_run_time", Float(25), index=True),
            Column("job_state", LargeBinary, nullable=False),
            schema=tableschema,
        )
        rows = select(jobs.c.id, jobs.c.job_state)
        order = (jobs.c.next_run_time, jobs.c.id)
        self._select_one = rows.where(jobs.c.id == bindparam("job_id"))
        self._select_all = rows.order_by(*order)
        self._select_due = self._select_all.where(jobs.c.next_run_time <= bindparam("now"))
        self._select_earliest = (
            select(jobs.c.id, jobs.c.next_run_time)
            .where(jobs.c.next_run_time.isnot(None))
            .order_by(*order)
            .limit(bindparam("count"))
        )
        self._select_existing = select(jobs.c.id).where(
            jobs.c.id.in_(bindparam("job_ids", expanding=True))
        )
        # Statements are made once: SQLAlchemy looks up what it has compiled by the whole of them.
        self._insert = insert(jobs)
        self._update = (
            update(jobs)
            .where(jobs.c.id == bindparam("job_id"))
            .values(next_run_time=bindparam("at"), job_state=bindparam("state"))
        )
        self._delete = delete(jobs).where(jobs.c.id.in_(bindparam("job_ids", expanding=True)))

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        if scheduler is not None and isinstance(self.engine.pool, SingletonThreadPool):
            self._logger.warning(
                "The engine of job store %r makes a database in memory for each thread, and the "
                "scheduler has several: give the store the URL alone, or make the engine with "
                'poolclass=StaticPool and connect_args={"check_same_thread": False}',
                alias,
            )
        self.jobs_t.create(self.engine, checkfirst=True)

    def shutdown(self) -> None:
        self.engine.dispose()

    def lookup_job(self, job_id: str) -> Job | None:
        jobs = self._load_all(self._query(self._select_one, job_id=job_id))
        return jobs[0] if jobs else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        rows = self._query(self._select_due, now=now.timestamp())
        return self._load_all(rows, when_due=True)

    def get_next_run_time(self) -> datetime | None:
        rows = self._query(self._select_earliest, count=len(self._parked) + 1)
        return self._earliest_not_parked(
            (job_id, datetime.fromtimestamp(at, timezone.utc)) for job_id, at in rows
        )

    def get_all_jobs(self) -> list[Job]:
        rows = self._query(self._select_all)
        self._forget_parked(self._parked.keys() - {job_id for job_id, _ in rows})
        jobs = self._load_all(rows)
        self._fix_paused_jobs_sorting(jobs)
        return jobs

    def add_job(self, job: Job) -> None:
        row = {"id": job.id, "next_run_time": _timestamp(job), "job_state": self._dump(job)}
        try:
            with self.engine.begin() as connection:
                connection.execute(self._insert, row)
        except IntegrityError:
            raise ConflictingIdError(job.id) from None

    def update_job(self, job: Job) -> None:
        row = self._update_of(job, self._dump(job))
        with self.engine.begin() as connection:
            if connection.execute(self._update, row).rowcount == 0:
                raise JobLookupError(job.id)
        self._forget_parked([job.id])

    def remove_job(self, job_id: str) -> None:
        with self.engine.begin() as connection:
            if connection.execute(self._delete, {"job_ids": [job_id]}).rowcount == 0:
                raise JobLookupError(job_id)
        self._forget_parked([job_id])

    def remove_all_jobs(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(self.jobs_t))
        self._parked.clear()

    def _save_due_jobs(
        self, updated: Sequence[Job], removed: Sequence[str]
    ) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        updates = [self._update_of(*dumped) for dumped in self._dump_all(updated, failures)]
        try:
            with self.engine.begin() as connection:
                if updates:
                    connection.execute(self._update, updates)
                missing = self._delete_all(connection, removed)
        except (OperationalError, InterfaceError):
            raise
        except SQLAlchemyError:
            # The database is there but does not take one of the rows: find out which.
            return super()._save_due_jobs(updated, removed)
        failures.update((job_id, JobLookupError(job_id)) for job_id in missing)
        return failures

    def _delete_all(self, connection: Connection, job_ids: Sequence[str]) -> set[str]:
        """Delete jobs; return the ids of those that were not there."""
        missing = set(job_ids)
        for some in _chunks(job_ids):
            found = connection.execute(self._select_existing, {"job_ids": some}).scalars()
            missing.difference_update(found)
            connection.execute(self._delete, {"job_ids": some})
        return missing

    def _query(self, statement: Any, **parameters: Any) -> Sequence[Any]:
        with self.engine.connect() as connection:
            return connection.execute(statement, parameters).fetchall()

    @staticmethod
    def _update_of(job: Job, state: bytes) -> dict[str, Any]:
        return {"job_id": job.id, "at": _timestamp(job), "state": state}

    def __repr__(self) -> str:
        url = self.engine.url.render_as_string(hide_password=True)
        return f"<{type(self).__name__} (url={url})>"


def _make_engine(url: str | URL, options: dict[str, Any]) -> Engine:
    """Make an engine whose connections, or whose only one, any thread may use."""
    engine = create_engine(url, **options)
    if isinstance(engine.pool, SingletonThreadPool) and "poolclass" not in options:
        # A database in SQLite's memory is one for each connection, and this pool has one for each
        # thread. A store is used by one thread at a time.
        options["poolclass"] = StaticPool
        options["connect_args"] = {"check_same_thread": False, **options.get("connect_args", {})}
        engine = create_engine(url, **options)
    return engine


def _timestamp(job: Job) -> float | None:
    return None if job.next_run_time is None else job.next_run_time.timestamp()


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[i : i + IDS_AT_ONCE] for i in range(0, len(items), IDS_AT_ONCE))


names_caller(globals(), "jobstores.sqlalchemy")
