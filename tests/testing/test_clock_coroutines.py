"""Coroutines under a clock that is moved by hand: as jobs, and as tests that await the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mainspring import from_thread
from mainspring.events import EVENT_JOB_EXECUTED
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from tests.support import (
    PATIENCE,
    nothing,
)
from tests.testing.clocks import START, times


class TestCoroutines:
    def test_sleep_in_a_job_follows_the_clock(self, clock, start):
        scheduler = start()
        seen = []

        async def job() -> None:
            seen.append(clock.now())
            await asyncio.sleep(90)
            seen.append(clock.now())
            assert asyncio.get_running_loop().time() == 3690

        scheduler.add_job(job, "interval", hours=1)
        result = clock.advance("1h")
        assert [run.until for run in result.sleeping] == [START + timedelta(hours=1, seconds=90)]
        assert clock.advance("1m").sleeping
        assert clock.advance("30s").sleeping == ()
        assert seen == [START + timedelta(seconds=s) for s in (3600, 3690)]
        assert [run.outcome for run in clock.runs()] == ["executed"]

    def test_a_moment_after_the_end_is_cut_short(self, clock, start):
        scheduler = start()
        scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[0.5], id="pauses")

        async def polls() -> None:
            while True:
                await asyncio.sleep(0.3)

        assert clock.advance("3h").sleeping == ()
        assert [run.outcome for run in clock.runs("pauses")] == ["executed"] * 3
        assert clock.now() == START + timedelta(hours=3)
        scheduler.add_job(polls)
        assert len(clock.advance("10s").sleeping) == 1

    def test_timeouts_tasks_and_groups_follow_it_too(self, clock, start):
        clock.patience = PATIENCE
        scheduler = start()
        seen = []

        async def part(seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append(seconds)

        async def job() -> None:
            await asyncio.gather(part(30), part(10))
            await asyncio.wait([asyncio.ensure_future(part(s)) for s in (5, 20)])
            try:
                await asyncio.wait_for(part(100), 50)
            except asyncio.TimeoutError:
                seen.append(clock.now())

        scheduler.add_job(job, "date", run_date="2026-01-02")
        clock.advance("3 days")
        assert seen == [10, 30, 5, 20, START + timedelta(days=1, seconds=100)]

    def test_a_run_that_waits_for_something_else_is_parked_and_named(self, clock, start):
        clock.patience = 0.05
        scheduler = start()
        release: list[asyncio.Event] = []

        async def job() -> None:
            release.append(asyncio.Event())
            await release[0].wait()

        scheduler.add_job(job, "interval", hours=1, id="waits")
        result = clock.advance("3h")
        assert [run.job_id for run in result.parked] == ["waits"]
        assert "Event.wait (test_clock_coroutines.py:" in result.parked[0].waiting_for
        assert 'job "waits" waits for asyncio.Event.wait' in repr(result)
        assert [run.outcome for run in clock.runs()] == ["running", "skipped", "skipped"]
        with pytest.raises(AssertionError, match="waits for asyncio"):
            clock.drain()
        scheduler._engine.control.loop.call_soon_threadsafe(release[0].set)
        clock.patience = PATIENCE
        clock.drain()
        assert clock.runs()[0].outcome == "executed"

    def test_threads_that_a_job_awaits_are_waited_for(self, clock, start):
        clock.patience = PATIENCE
        scheduler = start()
        order = []

        async def job() -> None:
            await asyncio.to_thread(nothing)
            order.append(clock.now())

        scheduler.add_job(job, "interval", hours=1)
        clock.advance("3h")
        assert order == [START + timedelta(hours=hour) for hour in (1, 2, 3)]

    def test_a_sync_function_that_returns_a_coroutine(self, clock, start):
        scheduler = start()
        scheduler.add_job(lambda: asyncio.sleep(5, "slept"), "interval", hours=1)
        clock.advance("3h5s")
        assert [run.value for run in clock.runs()] == ["slept"] * 3

    def test_sync_jobs_that_wait_for_the_loop(self, clock, start):
        scheduler = start()
        clock.patience = PATIENCE

        def job(wait: Callable[[], Any]) -> Any:
            wait()
            return clock.now()

        async def sleep_twice() -> None:
            await asyncio.wait([asyncio.create_task(asyncio.sleep(s)) for s in (30, 60)])

        def loop() -> Any:
            return asyncio.get_event_loop()

        ways: list[Callable[[], Any]] = [
            lambda: loop().run_until_complete(asyncio.sleep(60)),
            lambda: from_thread.run(sleep_twice),
            lambda: loop().run_until_complete(asyncio.gather(*map(asyncio.sleep, (60, 30)))),
            lambda: [from_thread.run(asyncio.sleep, 30) for _ in range(2)],
            lambda: loop().run_until_complete(loop().create_task(asyncio.sleep(60))),
        ]
        for way in ways:
            scheduler.add_job(job, "interval", hours=1, args=[way], max_instances=2)
        result = clock.advance("1h")
        assert [run.until for run in result.sleeping] == [
            START + timedelta(hours=1, seconds=seconds) for seconds in (60, 30, 30, 30, 60)
        ]
        clock.advance("1h30s")
        assert clock.advance("30s").sleeping == ()
        assert [run.outcome for run in clock.runs()] == ["executed"] * 10
        assert {run.value for run in clock.runs()} == {
            START + timedelta(hours=hour, minutes=1) for hour in (1, 2)
        }

    def test_more_sync_jobs_that_wait_for_the_loop_than_workers(self, clock, start):
        scheduler = start(executors={"default": ThreadPoolExecutor(2)})
        clock.patience = 0.05
        for _ in range(4):
            scheduler.add_job(from_thread.run, args=[asyncio.sleep, 60], misfire_grace_time=None)
        clock.advance("1h")
        clock.patience = PATIENCE
        clock.drain()
        assert clock.advance("1m").parked == ()
        assert [run.outcome for run in clock.runs()] == ["executed"] * 4

    async def test_sync_jobs_on_the_loop_of_a_coroutine(self, clock):
        clock.patience = PATIENCE
        async with AsyncIOScheduler(clock=clock, timezone="UTC") as scheduler:
            scheduler.add_job(from_thread.run, "interval", hours=1, args=[asyncio.sleep, 60, 5])
            result = await clock.aadvance("24h1m")
            assert [run.value for run in result.runs] == [5] * 24
            event = asyncio.Event()
            clock.patience = 0.05
            scheduler.add_job(from_thread.run, args=[event.wait], id="parked")
            (run,) = (await clock.aadvance(0)).parked
            assert (run.job_id, "Event.wait" in run.waiting_for) == ("parked", True), run
            event.set()
            clock.patience = PATIENCE
            await clock.adrain()
            assert [run.value for run in clock.runs("parked")] == [True]


class TestInCoroutines:
    async def test_the_loop_goes_on(self, clock):
        seen = []

        async def job() -> None:
            await asyncio.sleep(60)
            seen.append(clock.now())

        async with AsyncIOScheduler(clock=clock, timezone="UTC") as scheduler:
            scheduler.add_job(job, "interval", hours=1)
            scheduler.add_job(nothing, "interval", hours=1, id="sync")
            result = await clock.aadvance("3h2m")
            assert result.run_count == 6
            assert seen == [START + timedelta(hours=h, minutes=1) for h in (1, 2, 3)]
            await clock.aadvance_to("2026-01-02T00:00")
            assert len(clock.runs("sync")) == 24
            await asyncio.sleep(0.01)  # the test's own time is the loop's

    async def test_advance_would_block_the_loop(self, clock):
        async with AsyncIOScheduler(clock=clock, timezone="UTC"):
            for block in (lambda: clock.advance(1), lambda: clock.advance_to(START), clock.drain):
                with pytest.raises(RuntimeError, match=r"await clock\.aadvance"):
                    block()

    async def test_a_step_is_noticed_with_the_next_advance(self, clock):
        async with AsyncIOScheduler(clock=clock, timezone="UTC") as scheduler:
            scheduler.add_job(nothing, "interval", hours=1, misfire_grace_time=None)
            clock.suspend("2h")
            assert clock.runs() == []
            await clock.aadvance(0)
            assert times(clock.runs()) == ["01 02:00:00"]

    async def test_a_job_cannot_advance_its_own_clock(self, clock):
        async with AsyncIOScheduler(clock=clock, timezone="UTC") as scheduler:
            scheduler.add_job(clock.aadvance, args=["1h"], id="async")
            scheduler.add_job(clock.advance, args=["1h"], id="sync")
            await clock.aadvance(0)
        assert ["being advanced" in str(run.exception) for run in clock.runs()] == [True, True]

    async def test_a_background_scheduler_with_jobs_on_this_loop(self, clock):
        loops = []

        async def job() -> None:
            loops.append(asyncio.get_running_loop())
            await asyncio.sleep(10)

        scheduler = BackgroundScheduler(clock=clock, timezone="UTC")
        scheduler.start()
        scheduler.add_job(job, "interval", hours=1)
        scheduler.add_job(nothing, "interval", hours=1)
        assert (await clock.aadvance("2h10s")).run_count == 4
        assert loops == [asyncio.get_running_loop()] * 2
        scheduler.shutdown(wait=False)

    async def test_all_of_a_loop_may_follow_the_clock(self, clock):
        loop = asyncio.get_running_loop()
        before = loop.time()
        with clock.loop_time(loop):
            clock.advance(5)
            assert loop.time() == 5
            sleeper = asyncio.ensure_future(asyncio.sleep(3600, "slept"))
            await clock.aadvance("59m")
            assert not sleeper.done()
            await clock.aadvance("1m")
            assert await sleeper == "slept"
        assert before <= loop.time() < before + PATIENCE
        assert "time" not in vars(loop)

    async def test_sleepers_come_to_their_end_when_the_scheduler_closes(self, clock):
        async def job() -> str:
            await asyncio.sleep(25)
            return "slept"

        scheduler = AsyncIOScheduler(clock=clock, timezone="UTC")
        scheduler.start()
        scheduler.add_job(job, id="a")
        scheduler.add_job(asyncio.sleep, args=[3600], id="b")
        await clock.aadvance(0)
        cancelled = await scheduler.aclose()
        assert [run.job_id for run in cancelled] == ["b"]
        assert [run.value for run in clock.runs("a")] == ["slept"]
        assert clock.now() == START + timedelta(seconds=25)

    async def test_listeners_are_told_before_time_goes_on(self, clock):
        async with AsyncIOScheduler(clock=clock, timezone="UTC") as scheduler:
            told = []
            scheduler.add_listener(lambda event: told.append(clock.now()), EVENT_JOB_EXECUTED)
            scheduler.add_job(nothing, "interval", hours=1)
            await clock.aadvance("3h")
        assert told == [START + timedelta(hours=hour) for hour in (1, 2, 3)]
