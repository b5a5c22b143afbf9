"""A scheduler goes on with another loop: the one before was closed, or ``bind_loop`` names it."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
from mainspring.schedulers import SchedulerNotRunningError
from mainspring.schedulers.base import STATE_STOPPED
from tests.loops.heard import Heard
from tests.support import PATIENCE

request_id: ContextVar[str] = ContextVar("request_id", default="none")


@pytest.mark.parametrize("explicitly", [False, True], ids=["start", "bind_loop"])
@pytest.mark.parametrize("noticed", [False, True], ids=["not noticed", "noticed"])
def test_a_second_run_of_asyncio(heard: Heard, explicitly: bool, noticed: bool) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    ran: list[tuple[asyncio.AbstractEventLoop, str]] = []
    tick: asyncio.Event

    async def job() -> None:
        ran.append((asyncio.get_running_loop(), request_id.get()))
        tick.set()

    async def first() -> None:
        nonlocal tick
        tick = asyncio.Event()
        request_id.set("first")
        scheduler.start()
        scheduler.add_job(job, "interval", seconds=0.02, id="job")
        await asyncio.wait_for(tick.wait(), PATIENCE)

    async def second() -> None:
        nonlocal tick
        tick = asyncio.Event()
        request_id.set("second")
        if explicitly:
            scheduler.bind_loop(asyncio.get_running_loop())
        else:
            scheduler.start()
        await asyncio.wait_for(tick.wait(), PATIENCE)
        assert ran[-1] == (asyncio.get_running_loop(), "second")
        await scheduler.aclose()

    asyncio.run(first())
    if noticed:
        heard.wait_for("closed")
        assert not scheduler.running
        assert scheduler.state == 0
        scheduler.shutdown()
        assert scheduler.get_job("job") is not None
        assert [job.id for job in scheduler.get_jobs()] == ["job"]
    asyncio.run(second())
    warnings = [r.getMessage() for r in heard.records if "closed" in r.getMessage()]
    assert len(warnings) == 1


@pytest.mark.parametrize("first", ["state", "shutdown", "aclose", "pause"])
def test_whatever_is_called_first_notices_the_closed_loop(heard: Heard, first: str) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(print, "interval", hours=1, id="job")

    async def main() -> None:
        scheduler.start()

    asyncio.run(main())
    if first == "state":
        assert scheduler.state == STATE_STOPPED
    elif first == "shutdown":
        scheduler.shutdown()
    elif first == "aclose":
        assert asyncio.run(scheduler.aclose()) == []
    else:
        with pytest.raises(SchedulerNotRunningError):
            scheduler.pause()
    assert (scheduler.state, scheduler.running) == (STATE_STOPPED, False)
    assert [job.id for job in scheduler.get_jobs()] == ["job"]
    (warning,) = heard.records
    assert "closed" in warning.getMessage()


def test_a_closed_loop_is_refused_and_leaves_nothing_behind() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    scheduler = AsyncIOScheduler(event_loop=loop, timezone="UTC")
    threads = threading.active_count()
    with pytest.raises(RuntimeError, match="is closed"):
        scheduler.start()
    assert not scheduler.running
    assert threading.active_count() == threads


async def test_a_closed_loop_gives_way_to_the_one_that_runs_at_start() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    scheduler = AsyncIOScheduler(event_loop=loop, timezone="UTC")
    scheduler.start()
    assert scheduler._eventloop is asyncio.get_running_loop()
    scheduler.shutdown()


@pytest.mark.parametrize("wrong", [None, "loop", asyncio])
def test_bind_loop_wants_a_loop(wrong: Any) -> None:
    with pytest.raises(TypeError, match="event loop"):
        AsyncIOScheduler(timezone="UTC").bind_loop(wrong)


async def test_bind_loop_moves_a_running_scheduler() -> None:
    other = asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()
    ran = threading.Event()
    seen: list[Any] = []

    async def job() -> None:
        seen.append((asyncio.get_running_loop(), request_id.get()))
        ran.set()

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    request_id.set("at bind_loop")
    scheduler.bind_loop(other)
    scheduler.add_job(job)
    assert await asyncio.to_thread(ran.wait, PATIENCE)
    assert seen == [(other, "at bind_loop")]
    await asyncio.to_thread(scheduler.shutdown)
    other.call_soon_threadsafe(other.stop)
    await asyncio.to_thread(thread.join)
    other.close()


async def test_bind_loop_is_refused_while_coroutines_run_and_for_a_closed_loop() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        started.set()
        await go_on.wait()

    other = asyncio.new_event_loop()
    async with AsyncIOScheduler(timezone="UTC") as scheduler:
        scheduler.add_job(job)
        await started.wait()
        with pytest.raises(RuntimeError, match="runs are going on"):
            scheduler.bind_loop(other)
        go_on.set()
    other.close()
    with pytest.raises(RuntimeError, match="closed"):
        scheduler.bind_loop(other)


def test_bind_loop_of_a_stopped_scheduler_is_for_its_start(
    fresh_loop: asyncio.AbstractEventLoop,
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.bind_loop(fresh_loop)
    assert not scheduler.running

    async def main() -> None:
        scheduler.start()
        assert scheduler._eventloop is fresh_loop
        scheduler.shutdown()

    asyncio.run(main())
