"""Job stores that keep each job as one pickled document at a path, where only its id can be looked up.

What is due is therefore found by reading all documents. Each is unpickled only when it has changed, or its
job is to be run or shown.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from math import inf
from typing import NamedTuple

from mainspring._pickles import WriteFormat, dumps, loads
from mainspring.job import Job
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.persistent import PersistentJobStore

#: When a job is due whose document does not tell: long since, so that a sweep looks at it and parks it.
UNKNOWN = 0.0


class Document(NamedTuple):
    """A job as it is stored."""

    job_id: str
    data: bytes
    #: Another one whenever the data have been written.
    version: int


class Change(NamedTuple):
    """What a job's document is to become."""

    job_id: str
    #: ``None`` to delete it.
    data: bytes | None


class _Known(NamedTuple):
    version: int
    #: Seconds since the epoch; ``None`` for a paused job.
    next_run_time: float | None


class DocumentJobStore(PersistentJobStore):
    """A job store whose documents are APScheduler 3.x's: ``next_run_time`` and ``job_state``, pickled.

    :param path: where the documents are
    :param pickle_protocol: the pickle protocol to write with
    :param write_format: as for :class:`PersistentJobStore`
    :raises ValueError: if the path is empty, or there is no such format
    """

    def __init__(self, path: str, pickle_protocol: int, write_format: WriteFormat) -> None:
        super().__init__(pickle_protocol, write_format)
        if not path:
            raise ValueError('The "path" parameter must not be empty')
        self.path = path
        self._known: dict[str, _Known] = {}

    # What a subclass has

    @abstractmethod
    def _read(self, job_id: str) -> bytes | None:
        """Return one document's data, or ``None`` if it is not there."""

    @abstractmethod
    def _read_all(self) -> list[Document]:
        """Return all documents, those of jobs that are due at the same time in the order to run them."""

    @abstractmethod
    def _create(self, job_id: str, data: bytes) -> bool:
        """Write a new document; return whether there was none by that id."""

    @abstractmethod
    def _write(self, changes: Sequence[Change]) -> list[str]:
        """Change documents, in one transaction or as few as the server's limits allow.

        :return: the ids of those that were not there; the others are changed all the same
        """

    # What a scheduler calls

    def lookup_job(self, job_id: str) -> Job | None:
        data = self._read(job_id)
        if data is None:
            return None
        jobs = self._load_all([(job_id, data)])
        return jobs[0] if jobs else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        limit = now.timestamp()
        due = [(document.job_id, document.data) for at, document in self._timed() if at <= limit]
        jobs = self._load_all(due, when_due=True)
        # One whose time was not known may turn out to be due later, or paused.
        return [job for job in jobs if _paused_last(job) <= limit]

    def get_next_run_time(self) -> datetime | None:
        times = (
            (document.job_id, datetime.fromtimestamp(at, timezone.utc))
            for at, document in self._timed()
        )
        return self._earliest_not_parked(times)

    def get_all_jobs(self) -> list[Job]:
        documents = self._read_all()
        self._forget_parked(self._parked.keys() - {document.job_id for document in documents})
        jobs = self._load_all((document.job_id, document.data) for document in documents)
        return sorted(jobs, key=_paused_last)

    def add_job(self, job: Job) -> None:
        if not self._create(job.id, self._dump(job)):
            raise ConflictingIdError(job.id)

    def update_job(self, job: Job) -> None:
        self._change(Change(job.id, self._dump(job)))

    def remove_job(self, job_id: str) -> None:
        self._change(Change(job_id, None))

    def _change(self, change: Change) -> None:
        if self._write([change]):
            raise JobLookupError(change.job_id)
        self._forget_parked([change.job_id])

    def _save_due_jobs(
        self, updated: Sequence[Job], removed: Sequence[str]
    ) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        changes = [Change(job.id, data) for job, data in self._dump_all(updated, failures)]
        changes += [Change(job_id, None) for job_id in removed]
        failures.update((job_id, JobLookupError(job_id)) for job_id in self._write(changes))
        return failures

    # Documents

    def _dump(self, job: Job) -> bytes:
        document = {"next_run_time": _timestamp(job), "job_state": self._fields_of(job)}
        return dumps(document, self.pickle_protocol, self.write_format)

    def _load(self, state: bytes) -> Job:
        return self._job_of(loads(state)["job_state"])

    def _timed(self) -> list[tuple[float, Document]]:
        """Return the documents of jobs that are not paused, with their next run times, earliest first."""
        documents = self._read_all()
        self._known = {document.job_id: self._look_into(document) for document in documents}
        timed = [
            (at, document)
            for document in documents
            if (at := self._known[document.job_id].next_run_time) is not None
        ]
        timed.sort(key=lambda item: item[0])
        return timed

    def _look_into(self, document: Document) -> _Known:
        known = self._known.get(document.job_id)
        if (
            known is not None
            and known.version == document.version
            # What could not be read may be readable once its job is parked no more.
            and (known.next_run_time != UNKNOWN or document.job_id in self._parked)
        ):
            return known
        try:
            at = loads(document.data)["next_run_time"]
            return _Known(document.version, None if at is None else float(at))
        except Exception:
            return _Known(document.version, UNKNOWN)


def batches(changes: Sequence[Change], count: int, size: int) -> Iterator[list[Change]]:
    """Divide changes into lists of at most so many changes and, unless one alone has more, bytes."""
    batch: list[Change] = []
    room = size
    for change in changes:
        needed = len(change.data or b"") + 4 * len(change.job_id)
        if batch and (needed > room or len(batch) == count):
            yield batch
            batch, room = [], size
        batch.append(change)
        room -= needed
    if batch:
        yield batch


def _timestamp(job: Job) -> float | None:
    return None if job.next_run_time is None else job.next_run_time.timestamp()


def _paused_last(job: Job) -> float:
    at = _timestamp(job)
    return inf if at is None else at
