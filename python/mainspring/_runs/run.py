"""The runs of one submission, wherever the job's function is called and what it returns is awaited.

What comes next, and what misfires, results and exceptions become, is the binding's to say
(``src/run/steps.rs``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from mainspring._lazy import asyncio
from mainspring._mainspring import Engine, RunSteps, noted

if TYPE_CHECKING:
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job

T = TypeVar("T")

#: Yields what a job's functions return to be awaited, takes in the results, returns the events.
Runs: TypeAlias = "Generator[Awaitable[Any], Any, list[JobExecutionEvent]]"


def runs_of(job: Job, call: Callable[[Job], Any], steps: RunSteps) -> Runs:
    """Make the runs of a job one after another, each with ``call``, and say to ``steps`` what came of it.

    Each awaitable that comes back is yielded, and its result taken in.
    """
    while steps.next():
        try:
            retval = call(job)
            if isawaitable(retval):
                retval = yield retval
        except GeneratorExit:
            raise
        except BaseException as exc:
            steps.raised(exc)
        else:
            steps.returned(retval)
    return steps.events


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
