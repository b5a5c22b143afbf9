"""The job store that keeps its jobs in etcd."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mainspring._pickles import WriteFormat
from mainspring.jobstores._documents import Change, Document, DocumentJobStore, batches
from mainspring.util import maybe_ref

try:
    from etcd3 import Etcd3Client
except ImportError as exc:
    raise ImportError(
        "EtcdJobStore requires etcd3 installed: pip install mainspring[etcd]"
    ) from exc
except TypeError as exc:
    # protobuf 4 and later refuse the code that was generated for etcd3 0.12.
    raise ImportError(
        "EtcdJobStore requires etcd3, which cannot be imported with this version of protobuf: install "
        "protobuf<4, or set PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python in the environment"
    ) from exc

if TYPE_CHECKING:
    from mainspring._contract import Scheduler

__all__ = ("EtcdJobStore",)

#: How many jobs, and how many bytes, go into one transaction: what a server takes unless told otherwise.
JOBS_AT_ONCE = 128
BYTES_AT_ONCE = 1 << 20

#: How long to wait for an answer where the arguments do not say, in seconds; etcd3 itself waits for ever.
TIMEOUT = 10.0


class EtcdJobStore(DocumentJobStore):
    """Keeps each job under a key of its own. Plugin alias: ``etcd``.

    The keys are APScheduler 3.x's, and so are the jobs under them: existing ones are used as they are. A job
    that cannot be loaded is parked, see :meth:`get_parked_jobs`.

    :param path: what the keys of the jobs begin with, before a slash and the job's id
    :param client: an :class:`etcd3.Etcd3Client`, or a textual reference to one, to use instead of one that
        the store makes, and closes when it is shut down
    :param close_connection_on_exit: whether to close ``client`` as well
    :param pickle_protocol: the pickle protocol to write jobs with
    :param write_format: ``"mainspring"``, or ``"apscheduler"`` to write jobs that APScheduler 3.11 can
        read; either is read
    :param connect_args: arguments of :class:`etcd3.Etcd3Client`; ``timeout`` is 10 seconds by default
    :raises ValueError: if the path is empty, or there is no such format

    >>> EtcdJobStore("/jobs", host="127.0.0.1", timeout=5)
    <EtcdJobStore (client=<etcd3.client.Etcd3Client object at 0x...>)>
    """

    def __init__(
        self,
        path: str = "/apscheduler",
        client: Etcd3Client | str | None = None,
        close_connection_on_exit: bool = False,
        pickle_protocol: int = pickle.DEFAULT_PROTOCOL,
        *,
        write_format: WriteFormat = "mainspring",
        **connect_args: Any,
    ) -> None:
        super().__init__(path, pickle_protocol, write_format)
        self.close_connection_on_exit = close_connection_on_exit
        self._connect_args = {"timeout": TIMEOUT, **connect_args}
        self.client = maybe_ref(client) if client else Etcd3Client(**self._connect_args)
        self._owns_client = not client
        self._closed = False

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        if self._closed and self._owns_client:
            self.client = Etcd3Client(**self._connect_args)
            self._closed = False

    def shutdown(self) -> None:
        if self._owns_client or self.close_connection_on_exit:
            self.client.close()
            self._closed = True

    def remove_all_jobs(self) -> None:
        self.client.delete_prefix(self._key(""))
        self._parked.clear()

    # Documents

    def _read(self, job_id: str) -> bytes | None:
        data: bytes | None = self.client.get(self._key(job_id))[0]
        return data

    def _read_all(self) -> list[Document]:
        begin = len(self._key(""))
        return [
            Document(
                metadata.key[begin:].decode(errors="surrogateescape"), data, metadata.mod_revision
            )
            for data, metadata in self.client.get_prefix(self._key(""))
        ]

    def _create(self, job_id: str, data: bytes) -> bool:
        created: bool = self.client.put_if_not_exists(self._key(job_id), data)
        return created

    def _write(self, changes: Sequence[Change]) -> list[str]:
        missing = []
        for batch in batches(changes, JOBS_AT_ONCE, BYTES_AT_ONCE):
            while batch:
                absent = self._commit(batch)
                if not absent:
                    break
                missing += sorted(absent)
                batch = [change for change in batch if change.job_id not in absent]
        return missing

    def _commit(self, changes: Sequence[Change]) -> set[str]:
        """Make changes in one transaction; return the ids that were not there, or all would be changed."""
        make = self.client.transactions
        keys = [self._key(change.job_id) for change in changes]
        done, found = self.client.transaction(
            compare=[make.version(key) > 0 for key in keys],
            success=[
                make.delete(key) if change.data is None else make.put(key, change.data)
                for key, change in zip(keys, changes, strict=True)
            ],
            failure=[make.get(key) for key in keys],
        )
        if done:
            return set()
        return {change.job_id for change, values in zip(changes, found, strict=True) if not values}

    def _key(self, job_id: str) -> bytes:
        return f"{self.path}/{job_id}".encode(errors="surrogateescape")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (client={self.client})>"
