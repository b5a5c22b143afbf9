"""A clock that is moved by hand drives schedulers of every kind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mainspring import from_thread
from mainspring.events import EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.jobstores.sqlalchemy import SQLAlchemyJobStore
from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.blocking import BlockingScheduler
from mainspring.testing import ManualClock
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.combining import OrTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.support import (
    PATIENCE,
    ListJobStore,
    ManualScheduler,
    coroutine_five,
    listen,
    nothing,
    return_five,
)

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def start(clock: ManualClock) -> Iterator[Callable[..., Any]]:
    started = []

    def start(cls: type[Any] = BackgroundScheduler, **options: Any) -> Any:
        options.setdefault("timezone", "UTC")
        scheduler = cls(clock=clock, **options)
        scheduler.start()
        started.append(scheduler)
        return scheduler

    yield start
    for scheduler in started:
        if scheduler.state:
            scheduler.shutdown(wait=False)


def times(runs: list[Any]) -> list[str]:
    return [f"{run.scheduled_run_time:%d %H:%M:%S}" for run in runs]


class TestTheClock:
    def test_shows_the_start_in_its_zone(self):
        clock = ManualClock(datetime(2026, 3, 29, 1, tzinfo=BERLIN))
        assert clock.now() == datetime(2026, 3, 29, 0, tzinfo=timezone.utc)
        assert clock.now().tzinfo is BERLIN

    def test_start_as_text(self):
        assert ManualClock("2026-03-29T00:00").now() == datetime(2026, 3, 29, tzinfo=timezone.utc)
        clock = ManualClock("2026-03-29T00:00", timezone="Europe/Berlin")
        assert clock.now().isoformat() == "2026-03-29T00:00:00+01:00"

    def test_moves_without_a_scheduler(self, clock):
        clock.advance("36h")
        assert clock.now() == START + timedelta(hours=36)
        clock.advance_to("2026-01-05")
        assert clock.now() == datetime(2026, 1, 5, tzinfo=timezone.utc)
        clock.step(-60)
        clock.suspend(timedelta(hours=1))
        assert clock.now() == datetime(2026, 1, 5, 0, 59, tzinfo=timezone.utc)

    def test_a_night_with_dst_has_23_hours(self):
        clock = ManualClock("2026-03-29T00:00", timezone="Europe/Berlin")
        clock.advance("23h")
        assert clock.now().isoformat() == "2026-03-30T00:00:00+02:00"

    def test_does_not_go_back(self, clock):
        with pytest.raises(ValueError, match=r"clock\.step"):
            clock.advance(-1)
        with pytest.raises(ValueError, match="is past"):
            clock.advance_to(START - timedelta(seconds=1))
        with pytest.raises(ValueError, match="cannot sleep"):
            clock.suspend(-1)

    def test_arguments_of_another_kind(self):
        with pytest.raises(TypeError, match="a time is"):
            ManualClock(5)
        with pytest.raises(TypeError, match="seed is an integer"):
            ManualClock(seed="1")
        for clock in (5, ManualClock):
            with pytest.raises(TypeError, match="must be a mainspring.testing.ManualClock"):
                BackgroundScheduler(clock=clock)

    def test_loops_of_another_kind(self, clock):
        moving = clock.aadvance(1)
        with pytest.raises(RuntimeError, match="fixture anyio_backend that returns 'asyncio'"):
            moving.send(None)  # as trio would

    def test_given_to_a_scheduler_later(self, clock):
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.configure(clock=clock)
        scheduler.configure(timezone="UTC")
        scheduler.start()
        scheduler.add_job(nothing, "interval", hours=1)
        assert clock.advance("1d").run_count == 24
        scheduler.shutdown()

    async def test_a_scheduler_on_a_loop_has_its_methods(self, clock):
        async with AsyncIOScheduler(clock=clock, timezone="UTC") as scheduler:
            scheduler.add_job(return_five)
            assert (await scheduler.drain()).run_count == 1
            assert len(scheduler.runs()) == 1

    def test_any_other_scheduler_has_its_methods(self, start):
        scheduler = start()
        scheduler.add_job(return_five)
        assert scheduler.drain().run_count == 1
        (run,) = scheduler.runs()
        assert (run.scheduled_time, run.start) == (run.scheduled_run_time, run.started)


class TestSyncJobs:
    def test_a_month_of_days(self, clock, start):
        scheduler = start()
        seen = []
        job = scheduler.add_job(lambda: seen.append(clock.now()), "cron", hour=7, id="daily")
        result = clock.advance("31 days")
        assert seen == [START + timedelta(days=day, hours=7) for day in range(31)]
        assert result.run_count == len(result.runs) == len(scheduler._engine.runs("daily")) == 31
        assert [run.scheduled_run_time for run in clock.runs(job)] == seen
        assert {run.outcome for run in clock.runs()} == {"executed"}
        assert clock.now() == START + timedelta(days=31)
        assert job.next_run_time == START + timedelta(days=31, hours=7)

    def test_nothing_runs_while_the_clock_stands(self, clock, start):
        scheduler = start()
        ran = threading.Event()
        scheduler.add_job(ran.set)
        assert not ran.wait(0.05)
        assert clock.advance(0).run_count == 1
        assert ran.is_set()

    def test_runs_in_a_worker_thread(self, clock, start):
        scheduler = start()
        threads = []
        scheduler.add_job(lambda: threads.append(threading.current_thread()), "interval", hours=1)
        clock.advance("3h")
        assert len(set(threads)) == 1
        assert threading.main_thread() not in threads

    def test_ties_run_in_the_order_of_adding(self, clock, start):
        scheduler = start(
            executors={"default": ThreadPoolExecutor(), "other": ThreadPoolExecutor()}
        )
        order = []

        async def coroutine(name: str) -> None:
            order.append(name)

        for name in "dcabef":
            func = coroutine if name in "ae" else order.append
            executor = "other" if name == "b" else "default"
            scheduler.add_job(func, "interval", hours=1, args=[name], id=name, executor=executor)
        clock.advance("2h")
        assert "".join(order) == "dcabef" * 2

    def test_a_run_may_add_a_job_that_is_due_at_once(self, clock, start):
        scheduler = start()
        seen = []
        scheduler.add_job(
            lambda: scheduler.add_job(lambda: seen.append(clock.now())),
            "date",
            run_date="2026-01-02",
        )
        result = clock.advance("3 days")
        assert seen == [START + timedelta(days=1)]
        assert result.run_count == 2

    def test_what_it_returns_and_raises(self, clock, start):
        scheduler = start()
        scheduler.add_job(lambda: 5, "date", run_date="2026-01-02", id="five")
        scheduler.add_job(lambda: 1 / 0, "date", run_date="2026-01-03", id="error")
        clock.advance("5 days")
        (five,) = clock.runs("five")
        assert (five.value, five.exception, five.outcome) == (5, None, "executed")
        (error,) = clock.runs("error")
        assert [run.job_id for run in clock.unexpected_errors()] == ["error"]
        assert (error.value, error.outcome) == (None, "error")
        assert isinstance(error.exception, ZeroDivisionError)
        assert clock.unexpected_errors() == []

    def test_a_run_that_blocks_its_thread_is_parked_and_named(self, start, clock):
        clock.patience = 0.05
        scheduler = start()
        release = threading.Event()
        scheduler.add_job(release.wait, "date", run_date="2026-01-02", id="blocks", args=[PATIENCE])
        scheduler.add_job(nothing, "interval", days=1, id="others")
        result = clock.advance("3 days")
        assert [run.job_id for run in result.parked] == ["blocks"]
        assert result.parked[0].scheduled_run_time == START + timedelta(days=1)
        assert len(clock.runs("others")) == 3
        assert [run.outcome for run in clock.runs("blocks")] == ["running"]
        release.set()
        clock.patience = PATIENCE
        assert clock.drain().parked == ()
        assert [run.value for run in clock.runs("blocks")] == [True]

    def test_no_more_runs_go_on_than_the_pool_has_workers(self, start, clock):
        clock.patience = 0.05
        scheduler = start(executors={"default": ThreadPoolExecutor(1)})
        release = threading.Event()
        scheduler.add_job(release.wait, args=[PATIENCE], id="blocks")
        scheduler.add_job(nothing, id="waits", misfire_grace_time=None)
        assert len(clock.advance("1h").parked) == 2
        assert clock.runs("waits") == []
        release.set()
        clock.patience = PATIENCE
        clock.drain()
        assert [run.outcome for run in clock.runs()] == ["executed"] * 2

    def test_overlapping_runs_are_skipped(self, start, clock):
        clock.patience = 0.05
        scheduler = start()
        release = threading.Event()
        recorder = listen(scheduler, EVENT_JOB_MAX_INSTANCES)
        scheduler.add_job(
            release.wait, "interval", minutes=1, max_instances=2, args=[PATIENCE], id="slow"
        )
        clock.advance("4m")
        assert [run.outcome for run in clock.runs("slow")] == ["running"] * 2 + ["skipped"] * 2
        assert len(recorder.events) == 2
        release.set()


class TestMisfires:
    def test_after_a_suspension_coalesced(self, clock, start):
        scheduler = start()
        scheduler.add_job(nothing, "interval", hours=1, id="strict")
        scheduler.add_job(nothing, "interval", hours=1, id="late", misfire_grace_time=None)
        recorder = listen(scheduler, EVENT_JOB_MISSED)
        clock.suspend("8h30m")
        assert times(clock.runs("strict")) == times(clock.runs("late")) == ["01 08:00:00"]
        assert [run.outcome for run in clock.runs("strict")] == ["missed"]
        assert [run.outcome for run in clock.runs("late")] == ["executed"]
        assert len(recorder.events) == 1

    def test_after_a_suspension_not_coalesced(self, clock, start):
        scheduler = start()
        scheduler.add_job(nothing, "interval", hours=1, misfire_grace_time=7_200, coalesce=False)
        clock.suspend("4h")
        assert [run.outcome for run in clock.runs()] == ["missed"] + ["executed"] * 3
        assert {run.started for run in clock.runs()} == {START + timedelta(hours=4)}

    def test_a_step_forward_and_backward(self, clock, start, caplog):
        caplog.set_level("INFO")
        scheduler = start()
        scheduler.add_job(nothing, "interval", hours=1, misfire_grace_time=None)
        clock.step(+3600)
        assert times(clock.runs()) == ["01 01:00:00"]
        clock.step("-1h")
        clock.advance("1h")
        assert times(clock.runs()) == ["01 01:00:00"]
        clock.advance("1h")
        assert times(clock.runs()) == ["01 01:00:00", "01 02:00:00"]
        stepped = [r.message for r in caplog.records if "stepped" in r.message]
        assert stepped == [
            "The wall clock stepped forward by 1:00:00",
            "The wall clock stepped backward by 1:00:00",
        ]


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
        assert "Event.wait (test_clock.py:" in result.parked[0].waiting_for
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


class EveryHour(BaseTrigger):
    """A trigger as a user writes one."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return (previous or now) + timedelta(hours=1)


class TestStoresExecutorsAndTriggers:
    @pytest.mark.parametrize(
        "make", [MemoryJobStore, ListJobStore, lambda: SQLAlchemyJobStore("sqlite://")]
    )
    def test_stores(self, clock, start, make):
        scheduler = start(jobstores={"default": make()})
        job = scheduler.add_job(nothing, "interval", hours=1, id="a", misfire_grace_time=None)
        scheduler.add_job(nothing, "date", run_date="2026-01-01 05:30:00", id="once")
        recorder = listen(scheduler, EVENT_JOB_EXECUTED)
        clock.advance("24h")
        assert len([e for e in recorder.events if e.job_id == "a"]) == 24
        assert [e.job_id for e in recorder.events].index("once") == 5
        assert [run.scheduled_run_time for run in clock.runs("a")] == [
            START + timedelta(hours=hour) for hour in range(1, 25)
        ]
        clock.suspend("5h")
        assert len(clock.runs("a")) == 25
        assert [job.id for job in scheduler.get_jobs()] == ["a"]
        assert scheduler.get_job(job.id).next_run_time == START + timedelta(hours=30)

    def test_a_job_added_to_a_python_store_by_a_run(self, clock, start):
        scheduler = start(jobstores={"list": ListJobStore()})
        scheduler.add_job(
            lambda: scheduler.add_job(
                nothing, "interval", minutes=30, jobstore="list", id="new", max_instances=3
            ),
            "date",
            run_date="2026-01-02",
        )
        clock.advance("26h")
        assert len(clock.runs("new")) == 4

    def test_a_parked_job_is_tried_again_by_the_clock(self, clock, start, monkeypatch):
        store = SQLAlchemyJobStore("sqlite://")
        scheduler = start(jobstores={"default": store}, jobstore_retry_interval=3600)
        scheduler.add_job(return_now, "interval", minutes=10, misfire_grace_time=None)
        clock.suspend(timedelta(days=20 * 365))  # later than it really is
        assert len(clock.runs()) == 1
        with monkeypatch.context() as without:
            without.delattr("tests.testing.test_clock.return_now")
            clock.advance("10m")
            assert len(store.get_parked_jobs()) == 1
        clock.advance("59m")
        assert (len(store.get_parked_jobs()), len(clock.runs())) == (1, 1)
        clock.advance("11m")
        assert (store.get_parked_jobs(), len(clock.runs())) == ([], 3)

    @pytest.mark.parametrize("store", [MemoryJobStore, ListJobStore])
    def test_executors_written_in_python(self, clock, start, store):
        scheduler = start(
            jobstores={"default": store()}, executors={"default": DebugExecutor(), "pool": Slow()}
        )
        scheduler.add_job(return_now, "interval", hours=1, id="debug")
        scheduler.add_job(return_now, "interval", hours=1, id="pool", executor="pool")
        scheduler.add_job(coroutine_five, "interval", hours=1, id="coroutine", executor="pool")
        clock.advance("3h")
        for job in ("debug", "pool", "coroutine"):
            assert times(clock.runs(job)) == [f"01 0{hour}:00:00" for hour in (1, 2, 3)]
            assert {run.outcome for run in clock.runs(job)} == {"executed"}

    def test_a_process_pool(self, clock, start):
        clock.patience = PATIENCE
        scheduler = start(executors={"default": ProcessPoolExecutor(1)})
        scheduler.add_job(return_five, "interval", hours=1)
        clock.advance("2h")
        assert [(run.value, run.outcome) for run in clock.runs()] == [(5, "executed")] * 2

    def test_a_trigger_written_in_python(self, clock, start):
        scheduler = start()
        scheduler.add_job(nothing, EveryHour())
        assert clock.advance("5h").run_count == 5

    def test_triggers_that_count_from_now(self, clock, start):
        scheduler = start()
        or_trigger = OrTrigger([IntervalTrigger(hours=7), DateTrigger()])
        scheduler.add_job(nothing, or_trigger, id="or")
        scheduler.add_job(nothing, IntervalTrigger(hours=10), id="interval")
        scheduler.add_job(nothing, "calendarinterval", days=1, hour=9, id="calendar")
        clock.advance("24h")
        assert times(clock.runs("or")) == [
            "01 00:00:00",
            "01 07:00:00",
            "01 14:00:00",
            "01 21:00:00",
        ]
        assert times(clock.runs("interval")) == ["01 10:00:00", "01 20:00:00"]
        assert times(clock.runs("calendar")) == ["01 09:00:00"]

    def test_jitter_follows_from_the_seed(self):
        def run(seed: int, make_store: Callable[[], Any]) -> list[str]:
            clock = ManualClock(START, seed=seed)
            scheduler = BackgroundScheduler(
                clock=clock, timezone="UTC", jobstores={"default": make_store()}
            )
            scheduler.start()
            for name in "abc":
                scheduler.add_job(
                    nothing, "interval", hours=1, jitter=600, id=name, start_date=START
                )
            clock.advance("10h")
            scheduler.shutdown()
            return [f"{run.job_id} {run.scheduled_run_time}" for run in clock.runs()]

        for store in (MemoryJobStore, ListJobStore):
            assert len(run(1, store)) >= 27
            assert run(1, store) == run(1, store)
            assert run(1, store) != run(2, store)


class Slow(ThreadPoolExecutor):
    """An executor that a user has derived."""

    def submit_job(self, job: Any, run_times: Any) -> None:
        super().submit_job(job, run_times)


def return_now() -> int:
    return 1
