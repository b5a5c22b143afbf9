"""The job store that keeps its jobs in a ZooKeeper tree."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mainspring._pickles import WriteFormat
from mainspring.jobstores._documents import Change, Document, DocumentJobStore, batches
from mainspring.util import maybe_ref

try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import (
        ConnectionLoss,
        NodeExistsError,
        NoNodeError,
        OperationTimeoutError,
        RolledBackError,
        RuntimeInconsistency,
    )
except ImportError as exc:
    raise ImportError(
        "ZooKeeperJobStore requires Kazoo installed: pip install mainspring[zookeeper]"
    ) from exc

if TYPE_CHECKING:
    from mainspring._contract import Scheduler

__all__ = ("ZooKeeperJobStore",)

#: How many bytes go into one transaction: a server hangs up on a request of a mebibyte.
BYTES_AT_ONCE = 1 << 19

#: How long to wait for an answer, in seconds. Kazoo itself waits for as long as there is no server.
TIMEOUT = 10.0


class ZooKeeperJobStore(DocumentJobStore):
    """Keeps each job in a node of its own. Plugin alias: ``zookeeper``.

    The nodes are APScheduler 3.x's, and so are the jobs in them: existing ones are used as they are. A job
    that cannot be loaded is parked, see :meth:`get_parked_jobs`; a node without data is no job. A job's id
    is the name of its node, so it must not have a slash in it.

    :param path: the node below which the jobs are; it is made with the first job
    :param client: a :class:`~kazoo.client.KazooClient`, or a textual reference to one, to use instead of
        one that the store makes, and closes when it is shut down
    :param close_connection_on_exit: whether to close ``client`` as well
    :param pickle_protocol: the pickle protocol to write jobs with
    :param write_format: ``"mainspring"``, or ``"apscheduler"`` to write jobs that APScheduler 3.11 can
        read; either is read
    :param connect_args: arguments of :class:`~kazoo.client.KazooClient`
    :raises ValueError: if the path is empty, or there is no such format

    >>> ZooKeeperJobStore("/jobs", hosts="127.0.0.1:2181")
    <ZooKeeperJobStore (client=<kazoo.client.KazooClient object at 0x...>)>
    """

    def __init__(
        self,
        path: str = "/apscheduler",
        client: KazooClient | str | None = None,
        close_connection_on_exit: bool = False,
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        write_format: WriteFormat = "mainspring",
        **connect_args: Any,
    ) -> None:
        super().__init__(path, pickle_protocol, write_format)
        self.close_connection_on_exit = close_connection_on_exit
        self.client = maybe_ref(client) if client else KazooClient(**connect_args)
        self._owns_client = not client

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        if not self.client.connected:
            self.client.start()

    def shutdown(self) -> None:
        if self._owns_client or self.close_connection_on_exit:
            self.client.stop()
            self.client.close()

    def remove_all_jobs(self) -> None:
        try:
            if self._answer(self.client.exists_async(self.path)):
                self.client.delete(self.path, recursive=True)
        except NoNodeError:
            pass
        self._parked.clear()

    # Documents

    def _read(self, job_id: str) -> bytes | None:
        return next((data for _, data, _ in self._get([job_id])), None)

    def _read_all(self) -> list[Document]:
        try:
            names = self._answer(self.client.get_children_async(self.path))
        except NoNodeError:
            return []
        # Jobs that are due at the same time run in the order in which they were added.
        found = sorted(self._get(names), key=lambda item: item[2].czxid)
        return [Document(name, data, stat.mzxid) for name, data, stat in found]

    def _get(self, names: Iterable[str]) -> Iterator[tuple[str, bytes, Any]]:
        """Return the nodes that are there, asked for all at once, and have data: name, data, state."""
        pending = [(name, self.client.get_async(self._node(name))) for name in names if _fits(name)]
        for name, result in pending:
            try:
                data, stat = self._answer(result)
            except NoNodeError:
                continue
            if data:
                yield name, data, stat

    def _create(self, job_id: str, data: bytes) -> bool:
        if not _fits(job_id):
            raise ValueError(
                f"A job in ZooKeeper cannot have the id {job_id!r}: no node has that name"
            )
        try:
            self._answer(self.client.create_async(self._node(job_id), data, makepath=True))
        except NodeExistsError:
            return False
        return True

    def _write(self, changes: Sequence[Change]) -> list[str]:
        missing = [change.job_id for change in changes if not _fits(change.job_id)]
        fitting = [change for change in changes if _fits(change.job_id)]
        for batch in batches(fitting, len(fitting), BYTES_AT_ONCE):
            while batch and not self._commit(batch):
                # A transaction fails as a whole, and tells of one node alone that is not there.
                existing = {name for name, _, _ in self._get(change.job_id for change in batch)}
                missing += [change.job_id for change in batch if change.job_id not in existing]
                batch = [change for change in batch if change.job_id in existing]
        return missing

    def _commit(self, changes: Iterable[Change]) -> bool:
        """Make changes in one transaction; return whether all nodes were there."""
        transaction = self.client.transaction()
        for change in changes:
            if change.data is None:
                transaction.delete(self._node(change.job_id))
            else:
                transaction.set_data(self._node(change.job_id), change.data)
        failures = [
            result
            for result in self._answer(transaction.commit_async())
            if isinstance(result, Exception)
            and not isinstance(result, (RolledBackError, RuntimeInconsistency))
        ]
        for failure in failures:
            if not isinstance(failure, NoNodeError):
                raise failure
        return not failures

    def _answer(self, result: Any) -> Any:
        """Wait for what the server answers, and return it or raise it."""
        try:
            return result.get(timeout=TIMEOUT)
        except ConnectionLoss:
            raise ConnectionLoss("The connection to ZooKeeper is lost") from None
        except self.client.handler.timeout_exception:
            raise OperationTimeoutError(f"ZooKeeper has not answered for {TIMEOUT:g} s") from None

    def _node(self, job_id: str) -> str:
        return f"{self.path}/{job_id}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (client={self.client})>"


def _fits(job_id: str) -> bool:
    """Tell whether a job's id can be the name of a node."""
    return "/" not in job_id and job_id not in ("", ".", "..")
