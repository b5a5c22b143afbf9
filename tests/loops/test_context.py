"""Context variables: each run sees the context that was chosen for it, and no other run's."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
)
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from tests.support import ListJobStore, listen

request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


def read() -> str:
    before = request.get()
    request.set("set by a run")
    return before


async def read_async() -> str:
    before = read()
    await asyncio.sleep(0)
    assert request.get() == "set by a run"
    return before


async def read_later() -> str:
    await asyncio.sleep(0)
    return read()


def read_through() -> Any:
    assert request.get() != "set by a run"
    return read_async()


class OwnExecutor(ThreadPoolExecutor):
    """A subclass that overrides what the engine would bypass."""

    def _run_job_success(self, job_id: str, events: Any) -> None:
        super()._run_job_success(job_id, events)


FUNCTIONS = [read, read_async, read_later, read_through]


@pytest.mark.parametrize("func", FUNCTIONS)
@pytest.mark.parametrize("executor", ["default", "own", "debug"])
@pytest.mark.parametrize("cls", [AsyncIOScheduler, BackgroundScheduler])
async def test_context_of_a_job(cls: Any, executor: str, func: Any) -> None:
    request.set("start")
    scheduler = cls(timezone="UTC")
    scheduler.add_executor(OwnExecutor(), "own")
    scheduler.add_executor(DebugExecutor(), "debug")
    scheduler.start()
    events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    async def run(**options: Any) -> Any:
        before = len(events.events)
        scheduler.add_job(func, executor=executor, misfire_grace_time=None, **options)
        await asyncio.to_thread(events.wait_for, EVENT_JOB_EXECUTED, before + 1)
        return events.events[-1].retval

    chosen = contextvars.copy_context()
    chosen.run(request.set, "chosen")
    request.set("request")
    for _ in range(2):
        assert await run() == "start"
        assert await run(context="capture") == "request"
        assert await run(context=chosen) == "chosen"
    assert request.get() == "request"
    assert chosen[request] == "chosen"
    await asyncio.to_thread(scheduler.shutdown)


@pytest.mark.parametrize("func", FUNCTIONS)
async def test_jobs_of_a_store_written_in_python_see_that_of_start(func: Any) -> None:
    request.set("start")
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_jobstore(ListJobStore())
    scheduler.start()
    events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    request.set("request")
    scheduler.add_job(func, misfire_grace_time=None)
    (event,) = await asyncio.to_thread(events.wait_for, EVENT_JOB_EXECUTED)
    assert event.retval == "start"
    with pytest.raises(ValueError, match="only a memory store can keep"):
        scheduler.add_job(func, context="capture")
    await scheduler.aclose()


async def test_a_context_can_be_changed_and_read() -> None:
    async with AsyncIOScheduler(timezone="UTC") as scheduler:
        job = scheduler.add_job(read, "interval", hours=1)
        assert job.context is None
        context = contextvars.copy_context()
        assert job.modify(context=context).context is context
        assert scheduler.get_job(job.id).context is context
        assert job.modify(context=None).context is None
        job.modify(context="capture")
        assert isinstance(job.context, contextvars.Context)
        for wrong in ("caputre", 5, {}):
            with pytest.raises(TypeError, match="context must be"):
                job.modify(context=wrong)


def test_scheduled_job_takes_a_context() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")

    @scheduler.scheduled_job("interval", hours=1, id="a", context="capture")
    def job() -> None:
        pass

    found = scheduler.get_job("a")
    assert found is not None
    assert found.context is not None


class Told:
    """What was seen of :data:`request` where records and events of a scheduler's runs arrive."""

    def __init__(self, scheduler: Any) -> None:
        self.events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_SUBMITTED)
        self.seen: dict[str | int, str] = {}
        scheduler.add_listener(lambda event: self.note(event.code))
        self.handler = logging.Handler()
        self.handler.emit = lambda record: self.note(record.msg)  # type: ignore[method-assign]

    def note(self, what: str | int) -> None:
        self.seen[what] = request.get()

    def __enter__(self) -> Told:
        logging.getLogger("mainspring.executors").addHandler(self.handler)
        logging.getLogger("mainspring.executors").setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("mainspring.executors").removeHandler(self.handler)
        logging.getLogger("mainspring.executors").setLevel(logging.NOTSET)


def fail() -> None:
    read()
    raise LookupError


async def fail_async() -> None:
    await read_async()
    raise LookupError


async def fail_at_once() -> None:
    fail()


async def read_at_once() -> str:
    return read()


def plain_tasks(loop: Any, coroutine: Any, **options: Any) -> Any:
    return asyncio.Task(coroutine, loop=loop, **options)


def eager_tasks(loop: Any, coroutine: Any, **options: Any) -> Any:
    # asyncio's own factory does not know what newer uvloops give it on CPython 3.13.0.
    return asyncio.Task(coroutine, loop=loop, **{**options, "eager_start": True})


TASK_FACTORIES = [None, plain_tasks, *([eager_tasks] if sys.version_info >= (3, 12) else [])]


@pytest.mark.parametrize("factory", TASK_FACTORIES)
@pytest.mark.parametrize("func", [*FUNCTIONS, read_at_once, fail, fail_async, fail_at_once])
@pytest.mark.parametrize("executor", ["default", "own", "debug"])
@pytest.mark.parametrize("cls", [AsyncIOScheduler, BackgroundScheduler])
async def test_records_and_events_see_what_the_run_has_set(
    cls: Any, executor: str, func: Any, factory: Any
) -> None:
    if (func, executor) == (read_through, "own"):
        pytest.skip("its coroutine has a copy of the context of the thread that waits for it")
    asyncio.get_running_loop().set_task_factory(factory)
    scheduler = cls(timezone="UTC")
    scheduler.add_executor(OwnExecutor(), "own")
    scheduler.add_executor(DebugExecutor(), "debug")
    scheduler.start()
    request.set("request")
    ended = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR
    with Told(scheduler) as told:
        scheduler.add_job(
            func, executor=executor, misfire_grace_time=None, context="capture", id="a"
        )
        await asyncio.to_thread(told.events.wait_for, ended | EVENT_JOB_SUBMITTED, 2)
        await asyncio.to_thread(scheduler.shutdown)
    assert told.seen[EVENT_JOB_SUBMITTED] == "request"
    assert told.seen['Running job "%s" (scheduled at %s)'] == "request"
    (end,) = (code for code in told.seen if isinstance(code, int) and code & ended)
    assert told.seen[end] == "set by a run"
    text = "raised an exception" if end == EVENT_JOB_ERROR else "executed successfully"
    assert told.seen[f'Job "%s" {text}'] == "set by a run"
    assert request.get() == "request"


async def test_what_is_told_of_other_than_runs_sees_the_jobs_own_context() -> None:
    async with AsyncIOScheduler(timezone="UTC") as scheduler:
        request.set("request")
        told = Told(scheduler)
        late = {"run_date": "2020-01-01", "misfire_grace_time": 1}
        with told:
            scheduler.add_job(read, "date", **late, context="capture")
            await asyncio.to_thread(told.events.wait_for, EVENT_JOB_SUBMITTED)
            missed = listen(scheduler, EVENT_JOB_MISSED)
            scheduler.add_job(read_async, "date", **late, context="capture")
            await asyncio.to_thread(missed.wait_for, EVENT_JOB_MISSED)
        assert told.seen['Run time of job "%s" was missed by %s'] == "request"
        assert told.seen[EVENT_JOB_MISSED] == "request"

        leave = asyncio.Event()
        skipped = listen(scheduler, EVENT_JOB_MAX_INSTANCES)
        scheduler.add_listener(lambda event: told.note(event.code), EVENT_JOB_MAX_INSTANCES)
        scheduler.add_job(leave.wait, "interval", seconds=0.01, context="capture")
        await asyncio.to_thread(skipped.wait_for, EVENT_JOB_MAX_INSTANCES)
        leave.set()
        assert told.seen[EVENT_JOB_MAX_INSTANCES] == "request"


def test_the_end_of_a_run_in_another_process_is_told_in_the_jobs_context() -> None:
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ProcessPoolExecutor(1)})
    scheduler.start()
    request.set("request")
    with Told(scheduler) as told:
        scheduler.add_job(abs, args=[-1], misfire_grace_time=None, context="capture")
        told.events.wait_for(EVENT_JOB_EXECUTED)
        scheduler.shutdown()
    assert told.seen[EVENT_JOB_EXECUTED] == "request"
