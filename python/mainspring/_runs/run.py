"""The runs of one submission, whoever calls the job's function and awaits what it returns.

What their misfires, results and exceptions become, in events and log records.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from datetime import datetime, timedelta
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from mainspring._lazy import asyncio
from mainspring._loops.coroutines import explain, loop_is_ending
from mainspring._mainspring import Engine, noted
from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from mainspring.util import iscoroutinefunction_partial

if TYPE_CHECKING:
    from mainspring.job import Job

T = TypeVar("T")

#: Yields what a job's functions return to be awaited, takes in the results, returns the events.
Runs: TypeAlias = "Generator[Awaitable[Any], Any, list[JobExecutionEvent]]"


def returns_awaitable(func: Any) -> bool:
    """Tell whether a callable is known, before it is called, to return an awaitable.

    >>> async def fetch(): ...
    >>> returns_awaitable(fetch), returns_awaitable(lambda: fetch())
    (True, False)
    """
    while isinstance(func, partial):
        func = func.func
    return iscoroutinefunction_partial(func) or iscoroutinefunction_partial(
        getattr(type(func), "__call__", None)  # noqa: B004 - the method is asked for, not whether
    )


def runs_of(
    job: Job,
    call: Callable[[Job], Any],
    jobstore_alias: str | None,
    run_times: Sequence[datetime],
    logger: logging.Logger,
    tell: Callable[..., None],
    now: Callable[[Job], datetime],
) -> Runs:
    """Make the runs one after another, each with ``call``; log by ``tell``, and ask ``now`` for the time.

    Each awaitable that comes back is yielded, and its result taken in. A cancelled run ends the
    runs, since whoever cancelled it wants no more of them.
    """
    events: list[JobExecutionEvent] = []
    for run_time in run_times:
        if job.misfire_grace_time is not None:
            late = now(job) - run_time
            if late > timedelta(seconds=job.misfire_grace_time):
                events.append(JobExecutionEvent(EVENT_JOB_MISSED, job.id, jobstore_alias, run_time))
                tell(logger.warning, 'Run time of job "%s" was missed by %s', job, late)
                continue

        tell(logger.info, 'Running job "%s" (scheduled at %s)', job, run_time)
        try:
            retval = call(job)
            if isawaitable(retval):
                retval = yield retval
        except GeneratorExit:
            raise
        except BaseException as exc:
            events.append(
                JobExecutionEvent(
                    EVENT_JOB_ERROR,
                    job.id,
                    jobstore_alias,
                    run_time,
                    exception=exc,
                    traceback="".join(traceback.format_tb(exc.__traceback__)),
                )
            )
            # The event holds the exception, that the frames, and those the job's local variables.
            log_exception(logger, job, exc, tell)
            traceback.clear_frames(exc.__traceback__)
            if isinstance(exc, asyncio.CancelledError):
                break
        else:
            events.append(
                JobExecutionEvent(
                    EVENT_JOB_EXECUTED, job.id, jobstore_alias, run_time, retval=retval
                )
            )
            tell(logger.info, 'Job "%s" executed successfully', job)
    return events


def finish(runs: Runs, wait_for: Callable[[Awaitable[Any]], Any]) -> list[JobExecutionEvent]:
    """Make the runs in the calling thread, with a function that waits for what they yield."""
    try:
        awaitable = next(runs)
        while True:
            try:
                value = wait_for(awaitable)
            except BaseException as exc:
                awaitable = runs.throw(exc)
            else:
                awaitable = runs.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def go_on(runs: Runs, awaitable: Awaitable[Any]) -> list[JobExecutionEvent]:
    """Await what the runs yield, to their end."""
    try:
        while True:
            try:
                value = await awaitable
            except BaseException as exc:
                awaitable = runs.throw(exc)
            else:
                awaitable = runs.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def raise_cancelled(_: object) -> NoReturn:
    raise asyncio.CancelledError


def cancel_awaited(runs: Runs, awaitable: Awaitable[Any]) -> list[JobExecutionEvent]:
    """Tell of runs that were cancelled before anything awaited what the function has returned."""
    if isinstance(awaitable, Coroutine):
        awaitable.close()
    try:
        runs.throw(asyncio.CancelledError())
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("a cancelled run is followed by another")


def noted_run(job: Job, func: Callable[..., T], *args: Any) -> T:
    """Call a function that runs a job, noted as this thread's current run.

    It must return before another is called here; so greenlets of one thread cannot be noted.
    """
    engine = getattr(job._scheduler, "_engine", None)
    if not isinstance(engine, Engine):
        engine = None  # a job that came to another process, or what only looks like a scheduler
    return noted(engine, str(job.id), func, *args)  # of a mock, too


def log_exception(
    logger: logging.Logger, job: Job, exc: BaseException, tell: Callable[..., None]
) -> None:
    """Log how a run ended; where that is news, and not what somebody else has asked for or shows."""
    if isinstance(exc, asyncio.CancelledError):
        level = logging.DEBUG if loop_is_ending() else logging.INFO
        if str(exc):
            tell(logger.log, level, 'Run of job "%s" was cancelled: %s', job, exc)
        else:
            tell(logger.log, level, 'Run of job "%s" was cancelled', job)
    elif isinstance(exc, KeyboardInterrupt):
        tell(logger.info, 'Run of job "%s" was interrupted', job)
    else:
        explain(exc, exc.__traceback__)
        tell(logger.error, 'Job "%s" raised an exception', job, exc_info=exc)
