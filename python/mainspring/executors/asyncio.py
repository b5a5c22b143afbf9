"""The executor of :class:`~mainspring.schedulers.asyncio.AsyncIOScheduler`."""

from __future__ import annotations

import gc
import os
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from mainspring._mainspring import WorkerPool
from mainspring.executors.base import BaseExecutor

if TYPE_CHECKING:
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job
    from mainspring.schedulers.base import BaseScheduler

__all__ = ("AsyncIOExecutor",)

#: What the loops call the threads of the default executor that they make themselves.
LOOPS = ("asyncio", "uvloop")


class AsyncIOExecutor(BaseExecutor):
    """Runs coroutine jobs on the scheduler's loop and all others in threads.

    Those are the threads of the loop's default executor where the program has set one, with
    :meth:`~asyncio.loop.set_default_executor`, by the time the scheduler is started or a job is added; it is
    the program's to shut down. Else they are threads of this executor's own, as many as a loop would have:
    up to ``min(32, number of CPUs + 4)``. The listeners are told of every run on the loop. Plugin
    alias: ``asyncio``.
    """

    _runs_natively = True
    _runs_elsewhere = True
    _own_pool: WorkerPool | None = None
    _pool: WorkerPool | Executor | None = None

    def __init__(self) -> None:
        super().__init__()
        self._max_workers = min(32, (os.cpu_count() or 1) + 4)

    def start(self, scheduler: BaseScheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self._pool = self._own_pool = WorkerPool(self._max_workers, f"asyncio-{alias}")
        self._choose_pool()

    def _choose_pool(self) -> bool:
        """Use the default executor of the loop if there is one to be used; tell if that is news."""
        before = self._pool
        if before is not None and (loop := self._eventloop) is not None:
            self._pool = _set_default_executor(loop) or self._own_pool
        return self._pool is not before

    @property
    def _eventloop(self) -> AbstractEventLoop | None:
        return None if self._scheduler is None else self._scheduler._coroutine_loop()

    def shutdown(self, wait: bool = True) -> None:
        if self._own_pool is not None:
            self._own_pool.shutdown(wait)

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._pool = self._own_pool = None

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


def _set_default_executor(loop: AbstractEventLoop) -> Executor | None:
    """Return the default executor that somebody has set for a loop, and not the one it makes itself."""
    executor: object
    if hasattr(loop, "_default_executor"):
        executor = loop._default_executor
    else:  # uvloop has it where Python cannot name it
        referents = gc.get_referents(loop)
        executor = next((o for o in referents if isinstance(o, Executor)), None)
    if not isinstance(executor, Executor):
        return None
    its_own = type(executor) is ThreadPoolExecutor and executor._thread_name_prefix in LOOPS
    return None if its_own else executor
