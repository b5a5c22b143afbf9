"""Libraries that follow a program from thread to thread and from task to task find jobs as in APScheduler."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mainspring import BackgroundScheduler
from mainspring.events import EVENT_JOB_EXECUTED
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.triggers.interval import IntervalTrigger
from tests.loops.apps import App, asyncio_app, background_app
from tests.support import PATIENCE, ListJobStore, listen

Pool = concurrent.futures.ThreadPoolExecutor
SUBMIT = Pool.submit
CODE = SUBMIT.__code__

#: A scope that a tracer forks for each submission: a new list each time, which a job may change.
scope: ContextVar[list[str] | None] = ContextVar("scope", default=None)
chosen: ContextVar[str] = ContextVar("chosen", default="none")
submissions: list[Any] = []


def forking(fn: Callable[..., Any]) -> Callable[..., Any]:
    forked = [*(scope.get() or ()), "forked"]
    submissions.append(forked)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        token = scope.set(forked)
        try:
            return fn(*args, **kwargs)
        finally:
            scope.reset(token)

    return wrapped


def by_assignment() -> None:
    @functools.wraps(SUBMIT)
    def submit(self: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return SUBMIT(self, forking(fn), *args, **kwargs)

    Pool.submit = submit  # type: ignore[method-assign]


def by_a_descriptor() -> None:
    class Wrapper:
        """Is no function, and has the attributes of one, as wrapt's are."""

        __code__ = CODE
        __globals__ = SUBMIT.__globals__

        def __get__(self, pool: Any, cls: Any = None) -> Any:
            if pool is None:
                return self
            return lambda fn, *args, **kwargs: SUBMIT(pool, forking(fn), *args, **kwargs)

    Pool.submit = Wrapper()  # type: ignore[method-assign,assignment]


def by_other_code() -> None:
    original = types.FunctionType(CODE, SUBMIT.__globals__, "submit")
    SUBMIT.__globals__["_test_forking"] = lambda self, fn, *args, **kwargs: original(
        self, forking(fn), *args, **kwargs
    )

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        return _test_forking(self, fn, *args, **kwargs)  # type: ignore[name-defined]  # noqa: F821

    SUBMIT.__code__ = submit.__code__.replace(co_filename=CODE.co_filename)


WAYS = [by_assignment, by_a_descriptor, by_other_code]


def untrace() -> None:
    Pool.submit = SUBMIT  # type: ignore[method-assign]
    SUBMIT.__code__ = CODE
    SUBMIT.__globals__.pop("_test_forking", None)


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    submissions.clear()
    yield
    untrace()


@pytest.fixture(params=["native", "python store", "python executor", "default executor"])
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    class Own(ThreadPoolExecutor):
        def _run_job_success(self, job_id: str, events: Any) -> None:
            super()._run_job_success(job_id, events)

    own = {"python executor": Own(1), "native": ThreadPoolExecutor(1)}.get(request.param)
    with asyncio_app("asyncio", executors={} if own is None else {"default": own}) as app:
        if request.param == "python store":
            app.scheduler.add_jobstore(ListJobStore(), "python")
            start = app.start
            app.start = functools.partial(start, jobstore="python")  # type: ignore[method-assign]
        elif request.param == "default executor":
            app.scheduler.shutdown()
            app.loop.call_soon_threadsafe(app.loop.set_default_executor, Pool(1))
            app.scheduler.start()
        yield app


def leave_a_mark() -> list[str] | None:
    found = scope.get()
    if found is not None:
        found.append("mark")
    asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))
    return found


def leave_a_mark_later() -> Any:
    async def later() -> list[str] | None:
        await asyncio.sleep(0)
        return scope.get()

    leave_a_mark()
    return later()


def fail_with_a_mark() -> None:
    leave_a_mark()
    raise ValueError("failed")


@pytest.mark.parametrize("job", [leave_a_mark, leave_a_mark_later])
@pytest.mark.parametrize("way", WAYS)
def test_each_run_is_submitted_once(app: App, way: Callable[[], None], job: Any) -> None:
    assert app.run(leave_a_mark) is None
    way()
    submissions.clear()  # that of the fixture's own threads
    for count in range(1, 4):
        assert app.run(job) == ["forked", "mark"]
        assert len(submissions) == count
    untrace()
    assert app.run(leave_a_mark) is None


def test_the_end_of_a_run_is_told_within_its_scope(app: App, caplog: Any) -> None:
    by_assignment()
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append((record.getMessage()[-19:], scope.get()))  # type: ignore[method-assign]
    logger = logging.getLogger("mainspring.executors")
    logger.addHandler(handler)
    try:
        with pytest.raises(ValueError, match="failed"):
            app.run(fail_with_a_mark)
    finally:
        logger.removeHandler(handler)
    assert records == [("raised an exception", ["forked", "mark"])]


def test_a_run_has_the_context_of_its_job_beside_that(app: App) -> None:
    by_assignment()
    context = copy_context()
    context.run(chosen.set, "chosen")
    context.run(scope.set, ["of the job"])
    if "jobstore" in getattr(app.start, "keywords", ()):
        pytest.skip("only a memory store can keep a context")
    found = app.run(lambda: (chosen.get(), scope.get()), context=context)
    assert found == ("chosen", ["of the job", "forked"])
    assert context[scope] == ["of the job"]


@pytest.mark.parametrize("failing", ["submit", "call"])
def test_a_tracer_that_fails_costs_no_run(failing: str, caplog: Any) -> None:
    def fail_at(where: str) -> None:
        if where == failing:
            raise LookupError("no trace")

    def submit(self: Any, fn: Any, *args: Any) -> Any:
        fail_at("submit")
        return SUBMIT(self, lambda: (fail_at("call"), fn())[1], *args)

    class Own(ThreadPoolExecutor):
        def _run_job_success(self, job_id: str, events: Any) -> None:
            super()._run_job_success(job_id, events)

    with background_app(executors={"default": ThreadPoolExecutor(1), "own": Own(1)}) as app:
        Pool.submit = submit  # type: ignore[method-assign]
        for executor in ("default", "own"):
            caplog.clear()
            assert app.run(lambda: "run", executor=executor) == "run"
            (record,) = caplog.records
            assert "ThreadPoolExecutor.submit has failed" in record.message
            assert "no trace" in str(record.exc_info)


def test_all_run_times_of_a_submission_share_a_scope() -> None:
    now = datetime.now(timezone.utc)
    scheduler = BackgroundScheduler(timezone="UTC")
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    by_assignment()
    scheduler.start()
    scheduler.add_job(
        leave_a_mark,
        IntervalTrigger(hours=1, start_date=now - timedelta(hours=2), end_date=now, timezone="UTC"),
        next_run_time=now - timedelta(hours=2),
        coalesce=False,
        misfire_grace_time=None,
    )
    ended = events.wait_for(EVENT_JOB_EXECUTED, 3)
    scheduler.shutdown()
    assert ended[-1].retval == ["forked", "mark", "mark", "mark"]
    assert len(submissions) == 1


def test_a_pool_that_is_used_as_one_of_cpythons() -> None:
    pool = ThreadPoolExecutor(1)._pool
    token = scope.set(["of the caller"])
    by_assignment()
    future = pool.submit(leave_a_mark_here, 5)
    scope.reset(token)
    assert future.result(PATIENCE) == (["of the caller", "forked"], 5)
    pool.shutdown(wait=True)


PROGRAM = Path(__file__).with_name("tracer_program.py")


@pytest.mark.parametrize(
    ("kind", "function", "executor"),
    [
        ("asyncio", "sync", "default"),
        ("asyncio", "sync", "pool"),
        ("asyncio", "sync", "python"),
        ("asyncio", "sync", "set"),
        ("background", "sync", "pool"),
        ("background", "sync", "python"),
        ("asyncio", "coroutine", "default"),
        ("asyncio", "suspended", "default"),
        ("asyncio", "suspended", "python"),
        ("asyncio", "returned", "pool"),
        ("asyncio", "awaitable", "pool"),
    ],
)
@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("library", ["mainspring", "apscheduler"])
def test_sentry_reports_a_job_once_and_with_its_own_tags(
    library: str, when: str, kind: str, function: str, executor: str
) -> None:
    if library == "apscheduler" and (
        function in ("returned", "awaitable") or (function, executor) == ("suspended", "python")
    ):
        pytest.skip("APScheduler does not await it")
    arguments = [library, kind, function, executor, when]
    program = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, timeout=PATIENCE
    )
    assert program.stdout.split("\n")[-3:-1] == [
        "logging: ValueError(first) tags: of first",
        "logging: ValueError(second) tags: of second",
    ], program.stderr
    assert program.stdout.count("ValueError") == 2


def leave_a_mark_here(number: int) -> Any:
    return scope.get(), number
