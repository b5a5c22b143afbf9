"""The executor of :class:`~mainspring.schedulers.twisted.TwistedScheduler`.

Ground rules: jobs are submitted in any thread. Functions are called in the reactor's thread pool, coroutines
and listeners on the reactor's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from concurrent.futures import Future, wait
from contextvars import Context, copy_context
from datetime import datetime
from functools import partial
from threading import main_thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mainspring._mainspring import returns_awaitable
from mainspring._runs.coroutine_run import LOOP_CHECK_INTERVAL, CoroutineRun
from mainspring._runs.run import finish, noted_run
from mainspring._threads.calls import value_or_exception
from mainspring._threads.loop import call_here
from mainspring.executors.base import BaseExecutor, _cancelled_run, _runs, run_coroutine_job

try:
    from twisted.internet.defer import Deferred
except ImportError as exc:
    raise ImportError(
        "TwistedExecutor requires Twisted installed: pip install mainspring[twisted]"
    ) from exc

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job

__all__ = ("TwistedExecutor",)

T = TypeVar("T")


class TwistedExecutor(BaseExecutor):
    """Runs coroutine jobs on the reactor and all others in the reactor's thread pool.

    What a function returns may be a Deferred, or anything else that can be awaited, and is awaited
    on the reactor. The listeners are told of every run there. Plugin alias: ``twisted``.
    """

    def start(self, scheduler: Scheduler, alias: str) -> None:
        super().start(scheduler, alias)
        self._reactor: Any = scheduler._reactor  # type: ignore[attr-defined]

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        context = self._context_for(job)
        if returns_awaitable(job.func):
            coroutine = run_coroutine_job(job, job._jobstore_alias, run_times, self._logger.name)
            not_begun = partial(_cancelled_run, job, run_times, self._logger)
            run = self._run_on_reactor(coroutine, context, not_begun)
            self._follow_run(job, run_times, run)
        else:
            pool = self._reactor.getThreadPool()
            pool.callInThread(context.run, self._run_here, job, run_times)

    def _run_here(self, job: Job, run_times: Sequence[datetime]) -> None:
        runs = _runs(job, call_here, job._jobstore_alias, run_times, self._logger)
        try:
            events = noted_run(job, finish, runs, self._wait_for)
        except BaseException as exc:
            self._at_reactor(self._fail, job, run_times, exc)
        else:
            self._at_reactor(self._run_job_success, job.id, events)

    def _take_outcome(
        self, job: Job, run_times: Sequence[datetime], ended: Future[list[JobExecutionEvent]]
    ) -> None:
        self._at_reactor(super()._take_outcome, job, run_times, ended)

    def _at_reactor(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called by the reactor, in a copy of the run's context, which is the current one."""
        self._reactor.callFromThread(copy_context().run, function, *args)

    def _run_on_reactor(
        self,
        coroutine: Coroutine[Any, Any, T],
        context: Context | None = None,
        not_begun: Callable[[], T] | None = None,
    ) -> CoroutineRun[T]:
        """Return a run of a coroutine on the reactor, to be begun in any thread."""
        loop = getattr(self._reactor, "_asyncioEventloop", None)
        if loop is not None:
            return CoroutineRun(_with_deferreds(coroutine, loop), loop, context, not_begun)
        return ReactorRun(coroutine, self._reactor, context)

    def _wait_for(self, awaitable: Awaitable[T]) -> T:
        """Return what an awaitable gives on the reactor; in a thread of its pool."""
        run = self._run_on_reactor(value_or_exception(awaitable))
        run.begin()
        while not wait((run.ended,), LOOP_CHECK_INTERVAL).done:
            if not (self._reactor.running and main_thread().is_alive()):
                raise RuntimeError(
                    "The reactor was stopped before the coroutine of the job had ended"
                )
        value, exception = run.ended.result()
        if exception is not None:
            raise exception
        return value  # type: ignore[no-any-return]


class ReactorRun(CoroutineRun[T]):
    """A coroutine on a reactor that is not asyncio's, as a Deferred.

    :param coroutine: the coroutine
    :param reactor: the reactor on whose thread it runs
    :param context: the context to run in; by default that of the reactor's thread
    """

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], reactor: Any, context: Context | None = None
    ) -> None:
        self.ended: Future[T] = Future()
        self._coroutine = coroutine
        self._reactor = reactor
        self._deferred: Deferred[T] | None = None
        self._context = context

    def begin(self) -> None:
        context = self._context
        start = self._start if context is None else partial(context.run, self._start)
        self._reactor.callFromThread(start)

    def cancel(self) -> None:
        self._reactor.callFromThread(self._cancel)

    def leave(self) -> None:
        """A reactor is not closed."""

    def _start(self) -> None:
        self._deferred = Deferred.fromCoroutine(self._steps())
        self._deferred.addCallbacks(
            self.ended.set_result, lambda failure: self.ended.set_exception(failure.value)
        )

    def _cancel(self) -> None:
        assert self._deferred is not None
        self._deferred.cancel()


class _Steps(Generic[T]):
    """Runs a coroutine in a task of asyncio's, and lets it await Deferreds as well.

    :param coroutine: the coroutine
    :param loop: the loop
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop

    def __await__(self) -> Generator[Any, Any, T]:
        value: Any = None
        exc: BaseException | None = None
        while True:
            try:
                step = self._coroutine.send(value) if exc is None else self._coroutine.throw(exc)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            value = exc = None
            try:
                if isinstance(step, Deferred):
                    yield from self._until_fired(step)
                else:
                    value = yield step
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as raised:
                exc = raised

    def _until_fired(self, deferred: Deferred[Any]) -> Generator[Any, Any, None]:
        """Wait for a Deferred, which keeps its result for the coroutine that awaits it."""
        fired = self._loop.create_future()

        def fire(result: object) -> object:
            if not fired.done():
                fired.set_result(None)
            return result

        deferred.addBoth(fire)
        try:
            yield from fired
        except BaseException:  # the task has been cancelled
            deferred.addErrback(lambda failure: None)
            deferred.cancel()
            raise


async def _with_deferreds(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    return await _Steps(coroutine, loop)
