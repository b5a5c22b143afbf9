"""The executor of :class:`~mainspring.schedulers.gevent.GeventScheduler`.

Ground rules: jobs are submitted in any thread; what ran and is to be told goes to the thread of the hub.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mainspring._process.threads import native_rlock
from mainspring._runs.coroutine_run import (
    LOOP_CHECK_INTERVAL,
    CoroutineRun,
    raise_exit_of_program,
    wait_for,
)
from mainspring._runs.run import finish
from mainspring._threads.calls import call_function, value_or_exception
from mainspring.executors.base import BaseExecutor, _runs

try:
    import gevent
    from gevent.event import Event
except ImportError as exc:
    raise ImportError(
        "GeventExecutor requires gevent installed: pip install mainspring[gevent]"
    ) from exc

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job

__all__ = ("GeventExecutor",)


class GeventExecutor(BaseExecutor):
    """Runs jobs as greenlets, and coroutine jobs on the scheduler's asyncio loop.

    The listeners are told of every run in greenlets of the hub. Plugin alias: ``gevent``.
    """

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self._lock = native_rlock()
        self._hub: Any = getattr(scheduler, "_hub", None) or gevent.get_hub()
        self._greenlets: set[Any] = set()

    def shutdown(self, wait: bool = True) -> None:
        # A greenlet can be waited for in its own thread only.
        if wait and gevent.get_hub() is self._hub:
            gevent.joinall([job for job in self._greenlets if job is not gevent.getcurrent()])

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._greenlets = set()

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        if loop := self._loop_for(job):
            self._submit_coroutine_job(job, run_times, loop)
        else:
            self._at_hub(self._spawn, self._context_for(job), job, run_times)

    def _at_hub(self, func: Callable[..., object], *args: Any) -> None:
        """Have a function called, which must not block, in the hub's thread."""
        self._hub.loop.run_callback_threadsafe(func, *args)

    def _spawn(self, context: Context, job: Job, run_times: Sequence[datetime]) -> None:
        def end(greenlet: Any) -> None:
            self._greenlets.discard(greenlet)
            if isinstance(greenlet.value, gevent.GreenletExit):  # killed before it began
                gevent.spawn(self._fail, job, run_times, greenlet.value)

        greenlet = gevent.spawn(context.run, self._run_here, job, run_times)
        self._greenlets.add(greenlet)
        greenlet.link(end)

    def _run_here(self, job: Job, run_times: Sequence[datetime]) -> None:
        def wait_for(awaitable: Awaitable[Any]) -> Any:
            return self._wait_for(awaitable, job)

        runs = _runs(job, call_function, job._jobstore_alias, run_times, self._logger)
        try:
            events = finish(runs, wait_for)
        except BaseException as exc:
            self._fail(job, run_times, exc)
        else:
            self._run_job_success(job.id, events)
            try:
                raise_exit_of_program(events)
            except BaseException as exc:  # a Ctrl-C, for instance: it is the main greenlet's
                self._hub.handle_system_error(type(exc), exc)

    def _take_outcome(
        self, job: Job, run_times: Sequence[datetime], ended: Future[list[JobExecutionEvent]]
    ) -> None:
        take_outcome = super()._take_outcome
        self._at_hub(gevent.spawn, copy_context().run, take_outcome, job, run_times, ended)

    def _wait_for(self, awaitable: Awaitable[Any], job: Job) -> Any:
        """Return what an awaitable gives on the scheduler's loop, while other greenlets run."""
        loop = None if self._scheduler is None else self._scheduler._coroutine_loop()
        if loop is None:
            return wait_for(awaitable, job)
        run = CoroutineRun(value_or_exception(awaitable), loop)
        is_done = Event()
        run.ended.add_done_callback(lambda ended: self._at_hub(is_done.set))
        run.begin()
        while not is_done.wait(LOOP_CHECK_INTERVAL):
            if loop.is_closed():
                raise RuntimeError(f"{loop!r} was closed before the coroutine of the job had ended")
        value, exception = run.ended.result()
        if exception is not None:
            raise exception
        return value
