"""Context variables: each run sees the context that was chosen for it, and no other run's."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
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
