"""The executor of :class:`~mainspring.schedulers.asyncio.AsyncIOScheduler`."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from mainspring._lazy import asyncio
from mainspring._mainspring import WorkerPool
from mainspring.executors.base import BaseExecutor

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring._runs.coroutine_run import CoroutineRun
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job

__all__ = ("AsyncIOExecutor",)

#: What the loops call the threads of the default executor that they make themselves.
LOOPS = ("asyncio", "uvloop")
_HIDDEN = object()


class AsyncIOExecutor(BaseExecutor, runs_natively=True):
    """Runs coroutine jobs on the scheduler's loop and all others in threads.

    Those are the threads of the loop's default executor where the program has set one, with
    :meth:`~asyncio.loop.set_default_executor`, by the time the scheduler is started (on asyncio's own loops
    also later, by the time a job is added); it is the program's to shut down. Else they are threads of this
    executor's own, as many as a loop would have: up to ``min(32, number of CPUs + 4)``. The listeners
    are told of every run on the loop. Plugin alias: ``asyncio``.
    """

    _runs_elsewhere = True
    _own_pool: WorkerPool | None = None
    _pool: WorkerPool | Executor | None = None
    #: The loop's default executor, as it was last seen.
    _default_executor: object = None

    def __init__(self) -> None:
        super().__init__()
        self._max_workers = min(32, (os.cpu_count() or 1) + 4)

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self._pool = self._own_pool = WorkerPool(self._max_workers, f"asyncio-{alias}")
        self._default_executor = None
        self._choose_pool(at_start=True)

    def _choose_pool(self, at_start: bool) -> bool:
        if self._own_pool is None or (loop := self._eventloop) is None:
            return False
        found = getattr(loop, "_default_executor", _HIDDEN)
        if found is _HIDDEN:  # uvloop has it where it takes long to find
            if not at_start:
                return False
            found = _referred_executor(loop)
        if found is self._default_executor:
            return False
        self._default_executor, before = found, self._pool
        self._pool = found if _is_the_programs(found) else self._own_pool
        return self._pool is not before

    @property
    def _eventloop(self) -> asyncio.AbstractEventLoop | None:
        return None if self._scheduler is None else self._scheduler._coroutine_loop()

    @property
    def _pending_futures(self) -> set[asyncio.Future[Any]]:
        """The coroutine runs that are going on, as futures of their loop.

        APScheduler has them in a set of this name. Programs await them before they shut the
        scheduler down, as python-telegram-bot does.
        """
        if (loop := self._eventloop) is None or self._scheduler is None:
            return set()
        pending: set[asyncio.Future[Any]] = set(self._scheduler._suspended_tasks())
        for run in tuple(self._coroutine_runs):
            # Until the run has begun there is no task, and nothing that its future could cancel.
            pending.add(run._task or _end_of(run, loop))
        return pending

    def shutdown(self, wait: bool = True) -> None:
        for run in tuple(self._coroutine_runs):  # a scheduler has waited for them, if it was to
            run.cancel()
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
            self._run_in(self._pool, job, run_times)

    def _deliver(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        if (loop := self._eventloop) is not None:
            try:
                loop.call_soon_threadsafe(self._run_job_success, job_id, events)
                return
            except RuntimeError:  # the loop is closed
                pass
        super()._deliver(job_id, events)


def _end_of(run: CoroutineRun[Any], loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
    """Return a future of a loop that ends as the task will that a run is to get."""
    end: asyncio.Future[Any] = loop.create_future()

    def settle(ended: asyncio.Future[Any]) -> None:
        if end.done():
            return
        if ended.cancelled() or (run._task is not None and run._task.cancelled()):
            end.cancel()
        elif (exception := ended.exception()) is not None:
            end.set_exception(exception)
        else:
            end.set_result(ended.result())

    asyncio.wrap_future(run.ended, loop=loop).add_done_callback(settle)
    return end


def _referred_executor(loop: asyncio.AbstractEventLoop) -> Executor | None:
    """Return the default executor of a loop written in C, whose attributes cannot be named."""
    return next((o for o in gc.get_referents(loop) if isinstance(o, Executor)), None)


def _is_the_programs(executor: object) -> TypeGuard[Executor]:
    """Tell whether this is an executor, and not one that a loop has made itself."""
    if type(executor) is ThreadPoolExecutor:
        return executor._thread_name_prefix not in LOOPS
    return isinstance(executor, Executor)
