"""The executors that run jobs in a pool of threads or of processes."""

from __future__ import annotations

import concurrent.futures
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring._clock import clock_of
from mainspring._logs import names_caller
from mainspring._loops.greenlets import eventlet_has_patched_threads
from mainspring._mainspring import WorkerPool, keep_for_ever
from mainspring._runs.submissions import exception_of
from mainspring._runs.submitting import submit_is_replaced, submitted
from mainspring.executors.base import BaseExecutor, Tells, run_job, run_job_at

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job

__all__ = ("BasePoolExecutor", "ProcessPoolExecutor", "ThreadPoolExecutor")

T = TypeVar("T")

_numbers = count()


class BasePoolExecutor(BaseExecutor):
    """An executor over a pool with the interface of :class:`concurrent.futures.Executor`.

    :param pool: the pool
    """

    @abstractmethod
    def __init__(self, pool: Any) -> None:
        super().__init__()
        self._pool = pool

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        def take_outcome(future: concurrent.futures.Future[Any]) -> None:
            exc = exception_of(future)
            if exc is not None:
                self._fail(job, run_times, exc)
            else:
                self._run_job_success(job.id, self._events_from(job, run_times, future.result()))

        arguments = (job, job._jobstore_alias, run_times, self._logger.name)
        # For the listeners: the run itself has one of its own, in another process.
        context = self._context_for(job)
        now = clock_of(self._scheduler)._time_elsewhere()
        call = (run_job,) if now is None else (run_job_at, now)
        future = self._submit_to_pool(*call, *arguments)
        future.add_done_callback(lambda future: context.run(take_outcome, future))

    def _submit_to_pool(
        self, run: Callable[..., Any], *args: Any
    ) -> concurrent.futures.Future[Any]:
        """Have the pool call a function that returns the events of a submission."""
        return self._pool.submit(run, *args)  # type: ignore[no-any-return]

    def _events_from(
        self, job: Job, run_times: Sequence[datetime], result: Any
    ) -> Sequence[JobExecutionEvent]:
        """Return the events from what came of :meth:`_submit_to_pool`."""
        return result  # type: ignore[no-any-return]

    def shutdown(self, wait: bool = True) -> None:
        self._pool.shutdown(wait)


class RestartablePoolExecutor(BasePoolExecutor):
    """A pool executor that makes itself a new pool when it is started after a shutdown.

    :param pool: the pool to begin with; ``None`` where that is made by :meth:`start`
    :param make_pool: makes another
    """

    _runs_elsewhere = True

    @abstractmethod
    def __init__(self, pool: Any, make_pool: Callable[[], Any]) -> None:
        super().__init__(pool)
        self._make_pool = make_pool
        self._pool_is_shut_down = False

    def start(self, scheduler: Scheduler, alias: str) -> None:
        if self._pool_is_shut_down or self._pool is None:
            self._pool = self._make_pool()
            self._pool_is_shut_down = False
        super().start(scheduler, alias)

    def shutdown(self, wait: bool = True) -> None:
        self._pool_is_shut_down = True
        if self._pool is not None:
            super().shutdown(wait)

    def _forget_parent(self) -> None:
        super()._forget_parent()
        keep_for_ever(self._pool)
        self._pool = None
        self._pool_is_shut_down = True


class Threads(WorkerPool):
    """A pool of threads that can also be used as a :class:`concurrent.futures.Executor` is.

    Programs whose executors are derived from :class:`ThreadPoolExecutor` use it so.
    """

    #: Call a function without a future; what it raises is logged.
    call = WorkerPool.submit

    def submit(  # type: ignore[override]
        self, fn: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        """Call a function in one of the threads.

        :param fn: the function
        :param args: its positional arguments
        :param kwargs: its keyword arguments
        :return: a future of its result, or of what it raises
        """
        if submit_is_replaced():
            carried, call = submitted(fn, *args, **kwargs)
            self.call(call)
            return carried
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.call(_fulfil, future, fn, args, kwargs)
        return future

    @property
    def _max_workers(self) -> int:
        """What programs read that show how many threads there may be."""
        return self.max_workers


def _fulfil(
    future: concurrent.futures.Future[T],
    fn: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(result)


class ThreadPoolExecutor(RestartablePoolExecutor, runs_natively=True):
    """Runs jobs in a pool of threads, and coroutine jobs on the scheduler's loop.

    Plugin alias: ``threadpool``.

    :param max_workers: how many threads there may be
    :param pool_kwargs: further arguments of the pool: ``thread_name_prefix``, ``initializer`` and
        ``initargs``, which mean what they mean to :class:`concurrent.futures.ThreadPoolExecutor`

    >>> ThreadPoolExecutor(4, {"thread_name_prefix": "jobs"})._pool.max_workers
    4
    """

    def __init__(self, max_workers: int = 10, pool_kwargs: Mapping[str, Any] | None = None) -> None:
        options = dict(pool_kwargs or {})
        # As for CPython's pool, what is false is not given.
        options["thread_name_prefix"] = (
            options.get("thread_name_prefix") or f"ThreadPoolExecutor-{next(_numbers)}"
        )

        def make_pool() -> Threads | concurrent.futures.ThreadPoolExecutor:
            # Imported here at the latest: a tracer may wait for that before it replaces `submit`.
            import concurrent.futures.thread

            if eventlet_has_patched_threads():  # and jobs are to be greenlets beside the program's
                return concurrent.futures.ThreadPoolExecutor(int(max_workers), **options)
            return Threads(int(max_workers), **options)

        super().__init__(make_pool(), make_pool)

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        if loop := self._loop_for(job):
            self._submit_coroutine_job(job, run_times, loop)
        else:
            self._run_in(self._pool, job, run_times)


class ProcessPoolExecutor(RestartablePoolExecutor):
    """Runs jobs in a pool of processes, each coroutine job on a loop of the child's own.

    The job's function, its arguments, what it returns and what it raises go through pickle.
    Plugin alias: ``processpool``.

    :param max_workers: how many processes there may be
    :param pool_kwargs: further arguments of :class:`concurrent.futures.ProcessPoolExecutor`;
        unless ``mp_context`` says otherwise, processes are spawned
    """

    def __init__(self, max_workers: int = 10, pool_kwargs: dict[str, Any] | None = None) -> None:
        from multiprocessing import get_context

        self.pool_kwargs = pool_kwargs or {}
        self.pool_kwargs.setdefault("mp_context", get_context("spawn"))
        workers = int(max_workers)
        if workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        super().__init__(
            None,  # a pool has descriptors
            lambda: concurrent.futures.ProcessPoolExecutor(workers, **self.pool_kwargs),
        )

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        try:
            super()._do_submit_job(job, run_times)
        except concurrent.futures.process.BrokenProcessPool:
            self._logger.warning("Process pool is broken; replacing pool with a fresh instance")
            self._pool.shutdown(wait=False)
            self._pool = self._make_pool()
            super()._do_submit_job(job, run_times)

    def _submit_to_pool(
        self, run: Callable[..., Any], *args: Any
    ) -> concurrent.futures.Future[Any]:
        from mainspring._runs.sending import run_and_send

        return self._pool.submit(run_and_send, run, *args)  # type: ignore[no-any-return]

    def _events_from(
        self, job: Job, run_times: Sequence[datetime], result: Any
    ) -> Sequence[JobExecutionEvent]:
        from mainspring._runs.sending import received

        events: list[JobExecutionEvent] = []
        for event, is_outcome in received(job.id, job._jobstore_alias, run_times, result):
            if not is_outcome:
                Tells._run_job_error(self._logger.error, job.id, event.exception)
            events.append(event)
        return events


names_caller(globals(), "executors.pool")
