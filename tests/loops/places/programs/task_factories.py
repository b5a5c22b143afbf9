"""Loops whose tasks are made by other factories than asyncio's own."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from jobs import Jobs, run

from mainspring import AsyncIOScheduler
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent


class OwnTask(asyncio.Task[Any]):
    """A task that can be told from others."""


def own_factory(loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
    return OwnTask(coro, loop=loop, **kwargs)


def bare_factory(loop: asyncio.AbstractEventLoop, coro: Any) -> asyncio.Task[Any]:
    """Make a task as factories did before CPython 3.11; asyncio itself still takes these."""
    return OwnTask(coro, loop=loop)


def raising_factory(*args: Any, **kwargs: Any) -> asyncio.Task[Any]:
    raise LookupError("no tasks today")


async def check_error(scheduler: AsyncIOScheduler) -> None:
    """Check that a run that gets no task is told of, and leaves nothing unawaited."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(raising_factory)
    errors: asyncio.Queue[JobExecutionEvent] = asyncio.Queue()
    scheduler.add_listener(errors.put_nowait, EVENT_JOB_ERROR)
    scheduler.add_job(asyncio.sleep, args=[0], id="fails", misfire_grace_time=None)
    error = await errors.get()
    assert (error.job_id, str(error.exception)) == ("fails", "no tasks today")
    loop.set_task_factory(None)


async def check_tasks(scheduler: AsyncIOScheduler, expected: type) -> None:
    """Check the class of the tasks of runs that begin from now on."""
    kinds: asyncio.Queue[type] = asyncio.Queue()

    async def job() -> None:
        await asyncio.sleep(0)
        kinds.put_nowait(type(asyncio.current_task()))

    scheduler.add_job(job, misfire_grace_time=None)
    scheduler.add_job(lambda: job(), misfire_grace_time=None)
    assert [await kinds.get(), await kinds.get()] == [expected, expected]


async def check_end_at_once(scheduler: AsyncIOScheduler) -> None:
    """Check a run that ends without waiting for anything, so that its task is done when it is made."""
    ended: asyncio.Queue[JobExecutionEvent] = asyncio.Queue()
    scheduler.add_listener(ended.put_nowait, EVENT_JOB_EXECUTED)

    async def job() -> str:
        return "at once"

    scheduler.add_job(job, misfire_grace_time=None)
    assert (await ended.get()).retval == "at once"
    scheduler.remove_listener(ended.put_nowait)


async def main(place: str) -> None:
    loop = asyncio.get_running_loop()
    usual = type(asyncio.current_task())
    jobs = Jobs()
    scheduler = AsyncIOScheduler(timezone="UTC")
    if place == "before":
        loop.set_task_factory(own_factory)
        scheduler.start()
        await check_tasks(scheduler, OwnTask)
    elif place == "after":
        scheduler.start()
        await check_tasks(scheduler, usual)
        loop.set_task_factory(own_factory)
        await check_tasks(scheduler, OwnTask)
        loop.set_task_factory(None)
        await check_tasks(scheduler, usual)
    elif place == "bare":
        loop.set_task_factory(bare_factory)
        scheduler.start()
        await check_tasks(scheduler, OwnTask)
    elif place == "raising":
        logging.getLogger("mainspring.executors.default").setLevel(logging.CRITICAL)
        scheduler.start()
        await check_error(scheduler)
    else:
        loop.set_task_factory(asyncio.eager_task_factory)
        scheduler.start()
        await check_tasks(scheduler, asyncio.Task)
        await check_end_at_once(scheduler)
    jobs.add_to(scheduler)
    await jobs.ran()
    jobs.check(loop)
    await scheduler.aclose()
    print("done")


run(main(sys.argv[2]), sys.argv[1])
