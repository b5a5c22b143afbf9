"""A Ctrl-C in the midst of what mainspring or asyncio does itself: it is not lost, nor is a run."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
from mainspring.events import EVENT_JOB_EXECUTED
from mainspring.triggers.base import BaseTrigger
from tests.loops.programs import LOOPS, run_program
from tests.support import PATIENCE


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    if request.param == "uvloop":
        from uvloop import new_event_loop
    else:
        from asyncio import new_event_loop
    loop = new_event_loop()
    yield loop
    loop.close()


def interrupted_and_gone_on(
    loop: asyncio.AbstractEventLoop, scheduler: AsyncIOScheduler, *jobs: Any
) -> list[str]:
    """Run jobs until a Ctrl-C ends the loop, and after that to their end; return what ran."""
    executed: list[str] = []
    scheduler.add_listener(lambda event: executed.append(event.job_id), EVENT_JOB_EXECUTED)

    async def main() -> None:
        scheduler.start()
        for job in jobs:
            job()
        await asyncio.wait_for(asyncio.Event().wait(), PATIENCE)

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)

    async def rest() -> None:
        while len(executed) < len(jobs):
            await asyncio.sleep(0.001)
        assert await scheduler.aclose() == []
        task.cancel()
        await asyncio.wait([task])

    loop.run_until_complete(asyncio.wait_for(rest(), PATIENCE))
    return executed


def test_when_a_logger_is_asked(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a drain calls first in Python, and so where an interrupt of uvloop's arrives.
    logger = logging.getLogger("mainspring.executors.default")
    interrupts = [KeyboardInterrupt()]

    def is_enabled(level: int) -> bool:
        if armed and interrupts:
            raise interrupts.pop()
        return logging.Logger.isEnabledFor(logger, level)

    monkeypatch.setattr(logger, "isEnabledFor", is_enabled)
    scheduler = AsyncIOScheduler(timezone="UTC")
    armed: list[bool] = []

    async def job() -> None:
        await asyncio.sleep(0)

    def add() -> None:
        scheduler.add_job(job, id="job", misfire_grace_time=None)
        armed.append(True)

    assert interrupted_and_gone_on(loop, scheduler, add) == ["job"]


class InterruptedTrigger(BaseTrigger):
    """Fires once, in the second time that it is asked by the drain."""

    def __init__(self) -> None:
        self.asked = 0

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        self.asked += 1
        if self.asked == 2:
            raise KeyboardInterrupt
        return now if previous is None else None


def test_in_a_trigger(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")

    async def job() -> None:
        pass

    def add() -> None:
        scheduler.add_job(job, InterruptedTrigger(), id="job", misfire_grace_time=None)

    assert interrupted_and_gone_on(loop, scheduler, add) == ["job"]


@pytest.mark.parametrize("method", ["get_task_factory", "call_soon"])
def test_in_a_method_of_the_loop(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    loop = asyncio.new_event_loop()
    original = getattr(loop, method)
    armed: list[bool] = []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if armed and (not args or type(args[0]).__name__ == "Resume"):
            armed.clear()
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(loop, method, interrupted)
    scheduler = AsyncIOScheduler(timezone="UTC")

    async def job() -> None:
        await asyncio.sleep(0.01)
        armed.append(True)

    try:
        add = [lambda: scheduler.add_job(job, id="job", misfire_grace_time=None)]
        assert interrupted_and_gone_on(loop, scheduler, *add) == ["job"]
    finally:
        monkeypatch.undo()
        loop.close()


@pytest.mark.parametrize("where", ["coroutine", "task factory"])
def test_in_what_a_function_in_a_worker_waits_for(
    loop: asyncio.AbstractEventLoop, where: str
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")

    def raising_factory(loop: Any, coro: Any, **options: Any) -> Any:
        loop.set_task_factory(None)
        raise KeyboardInterrupt

    async def interrupted() -> None:
        raise KeyboardInterrupt

    def job() -> None:
        if where == "coroutine":
            awaited = interrupted()
        else:
            loop.call_soon_threadsafe(loop.set_task_factory, raising_factory)
            awaited = asyncio.sleep(0)
        with pytest.raises(KeyboardInterrupt):
            asyncio.get_event_loop().run_until_complete(awaited)

    def add() -> None:
        scheduler.add_job(job, id="job", misfire_grace_time=None)

    assert interrupted_and_gone_on(loop, scheduler, add) == ["job"]


CUT = """
import functools, os, signal, warnings
if sys.argv[1] == "uvloop":
    import uvloop
    warnings.simplefilter("ignore", DeprecationWarning)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
from mainspring import BlockingScheduler

class Wakes(asyncio.Future):
    pass

async def job():
    # What a timer of asyncio.sleep() calls; the signal comes before it has set the result.
    future = Wakes()
    future.cancelled = functools.partial(os.kill, os.getpid(), signal.{number})
    asyncio.get_running_loop().call_soon(asyncio.futures._set_result_unless_cancelled, future, 42)
    print(await future)

def leave(number, frame):
    sys.exit()

signal.signal(signal.SIGTERM, leave)
scheduler = BlockingScheduler(timezone="UTC")
scheduler.add_job(job)
try:
    scheduler.start()
except (KeyboardInterrupt, SystemExit) as exc:
    print(type(exc).__name__)
scheduler.shutdown()
assert signal.getsignal(signal.SIGTERM) is leave
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize(
    ("number", "exception"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SystemExit")]
)
def test_a_wake_up_is_not_cut_short_on_a_blocking_schedulers_loop(
    tmp_path: Path, kind: str, number: str, exception: str
) -> None:
    # asyncio alone would lose the result, and the run would never end.
    ended = run_program(tmp_path, CUT.replace("{number}", number), kind)
    assert ended.status == 0, ended
    assert sorted(ended.lines) == ["42", exception], ended
    assert ended.stderr == ""
