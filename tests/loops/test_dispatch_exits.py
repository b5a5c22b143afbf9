"""``SystemExit`` and ``KeyboardInterrupt`` in coroutine jobs: no other run is lost, the program may stop."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timezone
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
)
from tests.loops.dispatching import Recorder, on


def test_an_exit_raised_by_one_job_loses_no_other(loop: asyncio.AbstractEventLoop) -> None:
    # A SystemExit that escapes an eagerly started task must not take the rest of the batch with it.
    count = 200

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        async def job(number: int) -> int:
            if number % 20 == 3:
                raise SystemExit(number)
            await asyncio.sleep(0)
            if number % 20 == 13:
                raise SystemExit(number)
            return number

        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        now = datetime.now(timezone.utc)
        scheduler.pause()
        for number in range(count):
            scheduler.add_job(job, "date", run_date=now, args=[number], misfire_grace_time=None)
        scheduler.resume()
        events = await recorder.wait(count)
        failed = {event.exception.code for event in events if event.code == EVENT_JOB_ERROR}
        assert failed == {number for number in range(count) if number % 10 == 3}

    on(loop, scenario)


@pytest.mark.parametrize("suspends", [False, True])
def test_an_interrupt_in_a_job_is_reported_and_reaches_the_program(
    loop: asyncio.AbstractEventLoop, suspends: bool
) -> None:
    # DIFFERENCE: APScheduler swallows it.
    events: list[Any] = []
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_listener(events.append, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    others = 5
    done: list[int] = []

    async def job() -> None:
        if suspends:
            await asyncio.sleep(0)
        raise KeyboardInterrupt

    async def other(number: int) -> None:
        done.append(number)

    async def main() -> None:
        scheduler.start(paused=True)
        now = datetime.now(timezone.utc)
        scheduler.add_job(job, "date", run_date=now, id="interrupt", misfire_grace_time=None)
        for number in range(others):
            scheduler.add_job(other, "date", run_date=now, args=[number], misfire_grace_time=None)
        scheduler.resume()
        await asyncio.Event().wait()

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    assert [e.job_id for e in events if isinstance(e.exception, KeyboardInterrupt)] == ["interrupt"]

    async def rest() -> None:
        await scheduler.aclose()
        task.cancel()
        await asyncio.wait([task])

    loop.run_until_complete(rest())
    assert sorted(done) == list(range(others))


def test_an_interrupt_while_a_run_is_logged_reaches_the_program(
    loop: asyncio.AbstractEventLoop,
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")

    def handler(record: logging.LogRecord) -> bool:
        raise KeyboardInterrupt

    logger = logging.getLogger("mainspring.executors.default")

    async def main() -> None:
        scheduler.start()
        logger.addFilter(handler)
        scheduler.add_job(failing)
        await asyncio.Event().wait()

    async def failing() -> None:
        raise ValueError

    task = loop.create_task(main())
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(task)
    finally:
        logger.removeFilter(handler)

    async def rest() -> None:
        await scheduler.aclose()
        task.cancel()
        await asyncio.wait([task])

    loop.run_until_complete(rest())


@pytest.mark.parametrize("refused", ["done", "add_done_callback", "get_loop"])
def test_a_future_that_cannot_be_waited_for_ends_its_run(
    loop: asyncio.AbstractEventLoop, refused: str
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        class Refuses(asyncio.Future[None]):
            pass

        def refuse(self: Any, *args: Any, **options: Any) -> Any:
            raise ValueError(refused)

        setattr(Refuses, refused, refuse)

        def job() -> Any:
            return Refuses(loop=loop)

        recorder = Recorder(scheduler, EVENT_JOB_ERROR, loop)
        scheduler.add_executor("debug", "here")
        scheduler.add_job(job, "interval", seconds=0.01, executor="here", misfire_grace_time=None)
        for event in await recorder.wait(3):  # it has one instance, which is given back each time
            assert isinstance(event.exception, ValueError)
            assert event.exception.args == (refused,)

    on(loop, scenario)
