"""A clock that is moved by hand drives schedulers of every kind."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from mainspring.executors.debug import DebugExecutor
from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.blocking import BlockingScheduler
from tests.support import (
    PATIENCE,
    ManualScheduler,
    listen,
    nothing,
)
from tests.testing.clocks import START


class TestOtherSchedulers:
    def test_a_loop_that_does_not_run(self, clock):
        loop = asyncio.new_event_loop()
        scheduler = AsyncIOScheduler(clock=clock, timezone="UTC", event_loop=loop)
        scheduler.start()
        scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[1])
        assert clock.advance("1d").run_count == 24
        scheduler.shutdown(wait=False)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def test_a_thread_that_does_not_run_its_loop_yet(self, start, clock, monkeypatch):
        may_run = threading.Event()
        run, submit = BackgroundScheduler._main_loop, asyncio.run_coroutine_threadsafe

        def run_later(scheduler: BackgroundScheduler) -> None:
            may_run.wait(PATIENCE)
            run(scheduler)

        def submit_first(*args: Any) -> Any:
            future = submit(*args)
            may_run.set()
            return future

        async def thread() -> str:
            return threading.current_thread().name

        monkeypatch.setattr(BackgroundScheduler, "_main_loop", run_later)
        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", submit_first)
        start().add_job(thread)
        assert [run.value for run in clock.advance(0).runs] == ["APScheduler"]

    def test_on_uvloop(self, clock):
        uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheel for this platform")

        async def main() -> None:
            async with AsyncIOScheduler(clock=clock, timezone="UTC") as scheduler:
                scheduler.add_job(sleep_with_timeout, "interval", hours=1)
                scheduler.add_job(nothing, "interval", hours=1)
                assert (await clock.aadvance("5h1m")).run_count == 10
                await asyncio.sleep(0.01)

        loop = uvloop.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        assert {run.outcome for run in clock.runs()} == {"executed"}

    async def test_tornado(self, clock):
        pytest.importorskip("tornado", reason="Tornado is not installed")
        from mainspring.schedulers.tornado import TornadoScheduler

        scheduler = TornadoScheduler(clock=clock, timezone="UTC")
        scheduler.start()
        scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[60])
        scheduler.add_job(nothing, "interval", hours=1)
        result = await clock.aadvance("5h1m")
        assert (result.run_count, result.parked, result.sleeping) == (10, (), ())
        scheduler.shutdown(wait=False)

    def test_blocking(self, clock):
        scheduler = BlockingScheduler(clock=clock, timezone="UTC")
        started = listen(scheduler)
        thread = threading.Thread(target=scheduler.start)
        thread.start()
        started.wait_for(1)
        scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[1])
        scheduler.add_job(nothing, "interval", hours=1)
        assert clock.advance("1d1s").run_count == 48
        scheduler.shutdown()
        thread.join()

    def test_one_that_a_user_has_written(self, clock, start):
        scheduler = start(ManualScheduler, executors={"default": DebugExecutor()})
        seen = []
        scheduler.add_job(lambda: seen.append(clock.now()), "interval", hours=1)
        clock.advance("3h")
        assert seen == [START + timedelta(hours=hour) for hour in (1, 2, 3)]

    def test_two_on_one_clock(self, clock, start):
        first, second = start(), start()
        order = []
        second.add_job(order.append, "interval", hours=1, args=["second"])
        first.add_job(order.append, "interval", hours=1, args=["first"])
        clock.advance("2h")
        assert order == ["first", "second"] * 2
        assert len(clock.runs(scheduler=first)) == 2

    def test_paused_and_resumed(self, clock, start):
        scheduler = start()
        scheduler.add_job(nothing, "interval", hours=1)
        scheduler.pause()
        assert clock.advance("90m").run_count == 0
        scheduler.resume()
        assert [run.outcome for run in clock.advance("1h").runs] == ["missed", "executed"]

    def test_stopped_by_a_job_and_started_again(self, clock, start):
        scheduler = start()
        scheduler.add_job(scheduler.shutdown, "date", run_date="2026-01-02", kwargs={"wait": False})
        scheduler.add_job(nothing, "interval", hours=12, id="other")
        clock.advance("3 days")
        assert not scheduler.running
        assert len(clock.runs("other")) == 2
        scheduler.start()
        scheduler.add_job(nothing, "interval", hours=12, id="other")
        clock.advance("12h")
        assert len(clock.runs("other")) == 3


async def sleep_with_timeout() -> None:
    await asyncio.wait_for(asyncio.sleep(60), 90)
