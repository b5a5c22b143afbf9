"""The job store that keeps its jobs in memory."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mainspring._mainspring import NativeStore
from mainspring.jobstores.base import BaseJobStore, JobLookupError

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.job import Job

__all__ = ("MemoryJobStore",)


#: The methods that a sweep calls, unless the timer thread serves the store by itself.
SWEEP_METHODS = frozenset(
    ("add_job", "get_due_jobs", "get_next_run_time", "remove_job", "update_job")
)


class MemoryJobStore(BaseJobStore):
    """Keeps jobs in memory, for as long as the scheduler is up. Plugin alias: ``memory``.

    The timer thread serves this store by itself, without Python. A store that has a method of a
    program's own which the timer thread would bypass, in a subclass or put into the store itself, is
    served like any other store written in Python.

    >>> store = MemoryJobStore()
    >>> store.get_all_jobs()
    []
    """

    def __init__(self) -> None:
        super().__init__()
        self._native = NativeStore()
        #: Whether the class has the methods of this one alone, and a program has replaced none of these.
        self._is_native = all(
            getattr(type(self), name) is method for name, method in _METHODS.items()
        )

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self._take_note_of(name)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._take_note_of(name)

    def _take_note_of(self, name: str) -> None:
        """Have a method that was put into this store called, also while the scheduler runs."""
        if name in SWEEP_METHODS or name == "lookup_job":
            tell = getattr(self._scheduler, "_store_methods_have_changed", None)
            if tell is not None:
                tell(self)

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self._native.set_owner(scheduler, alias)

    def shutdown(self) -> None:
        self.remove_all_jobs()
        self._native.set_owner(None, None)

    def lookup_job(self, job_id: str) -> Job | None:
        return self._native.lookup(job_id) if isinstance(job_id, str) else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        return self._native.due_jobs(now)

    def get_next_run_time(self) -> datetime | None:
        return self._native.next_run_time()

    def get_all_jobs(self) -> list[Job]:
        return self._native.all_jobs()

    def add_job(self, job: Job) -> None:
        self._native.add(job, self._scheduler, self._alias)

    def update_job(self, job: Job) -> None:
        self._native.update(job)

    def remove_job(self, job_id: str) -> None:
        if not isinstance(job_id, str):
            raise JobLookupError(job_id)
        self._native.remove(job_id)

    def remove_all_jobs(self) -> None:
        self._native.remove_all()


_METHODS = {name: getattr(MemoryJobStore, name) for name in SWEEP_METHODS}
