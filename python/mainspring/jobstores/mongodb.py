"""The job store that keeps its jobs in a collection of a MongoDB database."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mainspring._pickles import WriteFormat
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.persistent import PersistentJobStore
from mainspring.util import maybe_ref

try:
    from pymongo import ASCENDING, DeleteOne, MongoClient, UpdateOne
    from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError
except ImportError as exc:
    raise ImportError(
        "MongoDBJobStore requires PyMongo installed: pip install mainspring[mongodb]"
    ) from exc

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.job import Job

__all__ = ("MongoDBJobStore",)

#: By run time, paused jobs first.
ORDER = [("next_run_time", ASCENDING), ("_id", ASCENDING)]


class MongoDBJobStore(PersistentJobStore):
    """Keeps jobs in a collection, which gets an index on run times. Plugin alias: ``mongodb``.

    The collection is APScheduler 3.x's, and so are the documents in it: an existing one is used as it
    is. What a wake-up changes is sent as one bulk write, of which each document is changed at once; a
    server that stands alone has no transactions. A job that cannot be loaded is parked, see
    :meth:`get_parked_jobs`.

    :param database: the database's name
    :param collection: the collection's name
    :param client: a :class:`~pymongo.mongo_client.MongoClient`, or a textual reference to one, instead
        of ``connect_args``; it is closed when the store is shut down
    :param pickle_protocol: the pickle protocol to write jobs with
    :param write_format: ``"mainspring"``, or ``"apscheduler"`` to write jobs that APScheduler 3.11 can
        read; either is read
    :param connect_args: arguments of :class:`~pymongo.mongo_client.MongoClient`: ``host`` and so on
    :raises ValueError: if one of the first two is empty, or there is no such format
    """

    def __init__(
        self,
        database: str = "apscheduler",
        collection: str = "jobs",
        client: Any = None,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        write_format: WriteFormat = "mainspring",
        **connect_args: Any,
    ) -> None:
        super().__init__(pickle_protocol, write_format)
        for name, value in (("database", database), ("collection", collection)):
            if not value:
                raise ValueError(f'The "{name}" parameter must not be empty')
        self._names = (database, collection)
        self._given = maybe_ref(client)
        self._connect_args = {"w": 1, **connect_args}
        self._open()

    def _open(self) -> None:
        database, collection = self._names
        self.client: Any = self._given
        if self.client is None:
            self.client = MongoClient(**self._connect_args)
        self.collection = self.client[database][collection]
        self._is_shut_down = False

    @property
    def connection(self) -> Any:
        """The client, under a name that is deprecated."""
        warnings.warn(
            'The "connection" member is deprecated -- use "client" instead',
            DeprecationWarning,
            stacklevel=2,
        )
        return self.client

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        if self._is_shut_down:  # PyMongo's clients cannot be used again
            self._open()
        self.collection.create_index("next_run_time", sparse=True)

    def shutdown(self) -> None:
        self._is_shut_down = True
        self.client.close()

    def lookup_job(self, job_id: str) -> Job | None:
        jobs = self._load_all(self._rows({"_id": job_id}))
        return jobs[0] if jobs else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        rows = self._rows({"next_run_time": {"$lte": now.timestamp()}})
        return self._load_all(rows, when_due=True)

    def get_next_run_time(self) -> datetime | None:
        found = self.collection.find(
            {"next_run_time": {"$ne": None}},
            ["next_run_time"],
            sort=ORDER,
            limit=len(self._parked) + 1,
        )
        return self._earliest_not_parked(
            (row["_id"], datetime.fromtimestamp(row["next_run_time"], timezone.utc))
            for row in found
        )

    def get_all_jobs(self) -> list[Job]:
        rows = self._rows({})
        self._forget_parked(self._parked.keys() - {job_id for job_id, _ in rows})
        jobs = self._load_all(rows)
        self._fix_paused_jobs_sorting(jobs)
        return jobs

    def add_job(self, job: Job) -> None:
        try:
            self.collection.insert_one({"_id": job.id, **_fields(job, self._dump(job))})
        except DuplicateKeyError:
            raise ConflictingIdError(job.id) from None

    def update_job(self, job: Job) -> None:
        change = {"$set": _fields(job, self._dump(job))}
        if self.collection.update_one({"_id": job.id}, change).matched_count == 0:
            raise JobLookupError(job.id)
        self._forget_parked([job.id])

    def remove_job(self, job_id: str) -> None:
        if self.collection.delete_one({"_id": job_id}).deleted_count == 0:
            raise JobLookupError(job_id)
        self._forget_parked([job_id])

    def remove_all_jobs(self) -> None:
        self.collection.delete_many({})
        self._parked.clear()

    def _save_due_jobs(
        self, updated: Sequence[Job], removed: Sequence[str]
    ) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        writes: dict[str, Any] = {
            job.id: UpdateOne({"_id": job.id}, {"$set": _fields(job, state)})
            for job, state in self._dump_all(updated, failures)
        }
        writes.update((job_id, DeleteOne({"_id": job_id})) for job_id in removed)
        if not writes:
            return failures
        job_ids = list(writes)
        # A bulk write tells only how many there were.
        found = self.collection.find({"_id": {"$in": job_ids}}, ["_id"])
        missing = writes.keys() - {row["_id"] for row in found}
        try:
            self.collection.bulk_write(list(writes.values()), ordered=False)
        except BulkWriteError as exc:
            errors = (exc.details or {}).get("writeErrors", [])
            if not errors:  # the server is in trouble, not one of the jobs
                raise
            for error in errors:
                reason = WriteError(error.get("errmsg", ""), error.get("code"), error)
                failures[job_ids[error["index"]]] = reason
        failures.update((job_id, JobLookupError(job_id)) for job_id in missing)
        return failures

    def _rows(self, condition: dict[str, Any]) -> list[tuple[str, bytes]]:
        found = self.collection.find(condition, ["job_state"], sort=ORDER)
        return [(row["_id"], row["job_state"]) for row in found]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (client={self.client})>"


def _fields(job: Job, state: bytes) -> dict[str, Any]:
    at = None if job.next_run_time is None else job.next_run_time.timestamp()
    return {"next_run_time": at, "job_state": state}
