"""The job store that keeps its jobs in a table of a RethinkDB database."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mainspring._pickles import WriteFormat
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.persistent import PersistentJobStore
from mainspring.util import maybe_ref

try:
    from rethinkdb import RethinkDB
    from rethinkdb.errors import ReqlOpFailedError
except ImportError as exc:
    raise ImportError(
        "RethinkDBJobStore requires rethinkdb installed: pip install mainspring[rethinkdb]"
    ) from exc

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.job import Job

__all__ = ("RethinkDBJobStore",)

INDEX = "next_run_time"


class RethinkDBJobStore(PersistentJobStore):
    """Keeps jobs in a table, which is made if it is not there. Plugin alias: ``rethinkdb``.

    The table is APScheduler 3.x's, and so are the documents in it: an existing one is used as it is.
    What a wake-up changes is sent as one query, of which each document is changed at once; the server
    has no transactions. A connection of the store's own that is lost is made anew by the next call. A
    job that cannot be loaded is parked, see :meth:`get_parked_jobs`.

    :param database: the database's name
    :param table: the table's name
    :param client: an open connection, or a textual reference to one, instead of ``connect_args``; it is
        closed when the store is shut down
    :param pickle_protocol: the pickle protocol to write jobs with
    :param write_format: ``"mainspring"``, or ``"apscheduler"`` to write jobs that APScheduler 3.11 can
        read; either is read
    :param connect_args: arguments of ``RethinkDB().connect``: ``host``, ``port`` and so on
    :raises ValueError: if one of the first two is empty, or there is no such format

    >>> RethinkDBJobStore(host="localhost", port=28015)
    <RethinkDBJobStore (connection=None)>
    """

    def __init__(
        self,
        database: str = "apscheduler",
        table: str = "jobs",
        client: Any = None,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        write_format: WriteFormat = "mainspring",
        **connect_args: Any,
    ) -> None:
        super().__init__(pickle_protocol, write_format)
        for name, value in (("database", database), ("table", table)):
            if not value:
                raise ValueError(f'The "{name}" parameter must not be empty')
        self.database = database
        self.table_name = table
        self.table: Any = None
        self.client = client
        self.connect_args = connect_args
        self.r: Any = RethinkDB()
        self.conn: Any = None

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self.conn = maybe_ref(self.client)
        database = self.r.db(self.database)
        self.table = database.table(self.table_name)
        if self.database not in self._run(self.r.db_list()):
            self._run(self.r.db_create(self.database))
        if self.table_name not in self._run(database.table_list()):
            self._run(database.table_create(self.table_name))
        if INDEX not in self._run(self.table.index_list()):
            self._run(self.table.index_create(INDEX))
        self._run(self.table.index_wait(INDEX))

    def shutdown(self) -> None:
        if self.conn is not None:
            self.conn.close(noreply_wait=False)

    def lookup_job(self, job_id: str) -> Job | None:
        jobs = self._load_all(self._rows(self.table.get_all(job_id)))
        return jobs[0] if jobs else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        # Paused jobs have null for a run time, which an index leaves out.
        due = self.table.between(self.r.minval, now.timestamp(), index=INDEX, right_bound="closed")
        return self._load_all(self._rows(due), when_due=True)

    def get_next_run_time(self) -> datetime | None:
        earliest = self.table.order_by(index=INDEX).limit(len(self._parked) + 1)
        return self._earliest_not_parked(
            (row["id"], datetime.fromtimestamp(row[INDEX], timezone.utc))
            for row in self._run(earliest.pluck("id", INDEX))
        )

    def get_all_jobs(self) -> list[Job]:
        rows = self._rows(self.table)
        self._forget_parked(self._parked.keys() - {job_id for job_id, _ in rows})
        jobs = self._load_all(rows)
        self._fix_paused_jobs_sorting(jobs)
        return jobs

    def add_job(self, job: Job) -> None:
        result = self._run(self.table.insert(self._document(job, self._dump(job))))
        if result["errors"] and "Duplicate primary key" in result["first_error"]:
            raise ConflictingIdError(job.id)
        _check(result)

    def update_job(self, job: Job) -> None:
        document = self._document(job, self._dump(job))
        result = _check(self._run(self.table.get_all(job.id).update(document)))
        if result["replaced"] + result["unchanged"] == 0:
            raise JobLookupError(job.id)
        self._forget_parked([job.id])

    def remove_job(self, job_id: str) -> None:
        if _check(self._run(self.table.get_all(job_id).delete()))["deleted"] == 0:
            raise JobLookupError(job_id)
        self._forget_parked([job_id])

    def remove_all_jobs(self) -> None:
        self._run(self.table.delete())
        self._parked.clear()

    def _save_due_jobs(
        self, updated: Sequence[Job], removed: Sequence[str]
    ) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        documents = [self._document(*dumped) for dumped in self._dump_all(updated, failures)]
        job_ids = [*(document["id"] for document in documents), *removed]
        if not job_ids:
            return failures
        # What a write of many returns tells only how many there were.
        found = self._run(self.table.get_all(*job_ids).pluck("id"))
        missing = set(job_ids) - {row["id"] for row in found}
        if documents:
            result = self._run(
                self.r.expr(documents).for_each(
                    lambda document: self.table.get_all(document["id"]).update(document)
                )
            )
            if result["errors"]:
                # The server is there but does not take one of the documents: find out which.
                return super()._save_due_jobs(updated, removed)
        if removed:
            _check(self._run(self.table.get_all(*removed).delete()))
        failures.update((job_id, JobLookupError(job_id)) for job_id in missing)
        return failures

    def _document(self, job: Job, state: bytes) -> dict[str, Any]:
        at = None if job.next_run_time is None else job.next_run_time.timestamp()
        return {"id": job.id, INDEX: at, "job_state": self.r.binary(state)}

    def _rows(self, selection: Any) -> list[tuple[str, bytes]]:
        """Return ids and states by run time, paused jobs first."""
        # Sorted here, since the server sorts at most a hundred thousand without an index.
        found = list(self._run(selection.pluck("id", INDEX, "job_state")))
        found.sort(key=lambda row: (row[INDEX] is not None, row[INDEX] or 0, row["id"]))
        return [(row["id"], row["job_state"]) for row in found]

    def _run(self, query: Any) -> Any:
        if self.client is None and (self.conn is None or not self.conn.is_open()):
            # Not by reconnecting: a connection that cannot is of no use any more.
            self.conn = self.r.connect(db=self.database, **self.connect_args)
        return query.run(self.conn)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (connection={self.conn})>"


def _check(result: dict[str, Any]) -> dict[str, Any]:
    """Return what a write has returned, unless it has failed."""
    if result["errors"]:
        raise ReqlOpFailedError(result["first_error"])
    return result
