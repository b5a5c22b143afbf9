"""The executor of :class:`~mainspring.schedulers.asyncio.AsyncIOScheduler`."""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mainspring._mainspring import WorkerPool
from mainspring.executors.base import BaseExecutor

if TYPE_CHECKING:
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job
    from mainspring.schedulers.base import BaseScheduler

__all__ = ("AsyncIOExecutor",)


class AsyncIOExecutor(BaseExecutor):
    """Runs coroutine jobs on the scheduler's loop and all others in threads of its own.

    It has up to ``min(32, number of CPUs + 4)`` threads, as a loop's default executor has. The
    listeners are told of every run on the loop. Plugin alias: ``asyncio``.
    """

    _runs_natively = True
    _runs_elsewhere = True
    _pool: WorkerPool | None = None

    def __init__(self) -> None:
        super().__init__()
        self._max_workers = min(32, (os.cpu_count() or 1) + 4)

    def start(self, scheduler: BaseScheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self._pool = WorkerPool(self._max_workers, f"asyncio-{alias}")

    @property
    def _eventloop(self) -> AbstractEventLoop | None:
        return None if self._scheduler is None else self._scheduler._coroutine_loop()

    def shutdown(self, wait: bool = True) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait)

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._pool = None

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        assert self._pool is not None
        if loop := self._loop_for(job):
            self._submit_coroutine_job(job, run_times, loop)
        else:
            self._pool.submit(self._context_for(job).run, self._run_here, job, run_times)

    def _deliver(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        if (loop := self._eventloop) is not None:
            try:
                loop.call_soon_threadsafe(self._run_job_success, job_id, events)
                return
            except RuntimeError:  # the loop is closed
                pass
        super()._deliver(job_id, events)
