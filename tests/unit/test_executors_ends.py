"""Runs that end without having been made: each is told of once, with the exception, and frees its slot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.events import EVENT_ALL, EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED
from mainspring.executors import pool as pools
from mainspring.executors.base import BaseExecutor
from mainspring.job import Job
from mainspring.testing import ManualClock
from tests.support import PATIENCE, ListJobStore, ManualScheduler, Recorder, listen, nothing

ENDED = EVENT_JOB_ERROR | EVENT_JOB_EXECUTED
DAY = datetime(2020, 1, 1, tzinfo=timezone.utc)


class Blocked:
    """A pool of one thread, which waits until it is let go."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.go_on = threading.Event()
        self.pool.submit(self.go_on.wait, PATIENCE)

    def drop(self) -> None:
        """Shut the pool down, and drop what waits in it."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.go_on.set()
        self.pool.shutdown()


def own_pool(pool: Any) -> BaseExecutor:
    class Own(pools.BasePoolExecutor):
        def __init__(self) -> None:
            super().__init__(pool)

    return Own()


def replaced_pool(pool: Any) -> BaseExecutor:
    executor = pools.ThreadPoolExecutor(1)
    executor._pool = pool
    return executor


def assert_dropped(recorder: Recorder, executor: BaseExecutor, error: Any) -> None:
    (event,) = recorder.wait_for(ENDED)
    assert (event.code, event.job_id, event.jobstore) == (EVENT_JOB_ERROR, "a", "default")
    assert isinstance(event.exception, error)
    assert not executor._instances


@pytest.mark.parametrize("make", [own_pool, replaced_pool])
def test_a_pool_of_the_programs_that_drops_a_run(make: Callable[[Any], BaseExecutor]) -> None:
    blocked = Blocked()
    executor = make(blocked.pool)
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
    recorder = listen(scheduler)
    scheduler.start()
    scheduler.add_job(nothing, id="a", misfire_grace_time=None)
    recorder.wait_for(EVENT_JOB_SUBMITTED)
    blocked.drop()
    assert_dropped(recorder, executor, asyncio.CancelledError)
    scheduler.shutdown()


def test_a_pool_of_the_programs_that_is_broken() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def initialize() -> None:
        begun.set()
        go_on.wait(PATIENCE)
        raise OSError("no connection")

    pool = ThreadPoolExecutor(1, initializer=initialize)
    pool.submit(nothing)
    assert begun.wait(PATIENCE)
    executor = replaced_pool(pool)
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
    recorder = listen(scheduler)
    scheduler.start()
    scheduler.add_job(nothing, id="a", misfire_grace_time=None)
    recorder.wait_for(EVENT_JOB_SUBMITTED)
    go_on.set()
    assert_dropped(recorder, executor, BrokenExecutor)
    scheduler.shutdown()


async def test_the_loops_default_executor_drops_a_run() -> None:
    blocked = Blocked()
    asyncio.get_running_loop().set_default_executor(blocked.pool)
    scheduler = AsyncIOScheduler(timezone="UTC")
    recorder = listen(scheduler)
    scheduler.start()
    scheduler.add_job(nothing, id="a", misfire_grace_time=None)
    while not recorder.of(EVENT_JOB_SUBMITTED):
        await asyncio.sleep(0.001)
    blocked.drop()
    assert_dropped(recorder, scheduler._executors["default"], asyncio.CancelledError)
    scheduler.shutdown()


class Later(BaseExecutor):
    """An executor as a user writes one, whose runs end when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[Job] = []

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        self.submitted.append(job)

    def fail(self) -> None:
        self._run_job_error(self.submitted.pop(0).id, OSError("no room"))


class Refusing(BaseExecutor):
    """An executor that takes nothing."""

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        raise OSError("no room")


@pytest.mark.parametrize("store", ["native", "python"])
@pytest.mark.parametrize("executor_class", [Later, Refusing])
def test_an_executor_of_ones_own(store: str, executor_class: type[Any]) -> None:
    executor = executor_class()
    scheduler = ManualScheduler(timezone="UTC", executors={"default": executor})
    if store == "python":
        scheduler.add_jobstore(ListJobStore())
    scheduler.start()
    scheduler.add_job(
        nothing,
        "interval",
        days=1,
        start_date=DAY,
        end_date=DAY + timedelta(days=2),
        next_run_time=DAY,
        coalesce=False,
        misfire_grace_time=None,
        id="a",
    )
    recorder = listen(scheduler, ENDED)
    scheduler._process_jobs()
    if executor_class is Later:
        assert recorder.events == []
        executor.fail()
    days = [DAY + timedelta(days=number) for number in range(3)]
    assert [event.scheduled_run_time for event in recorder.events] == days
    assert {(event.code, event.job_id, event.jobstore) for event in recorder.events} == {
        (EVENT_JOB_ERROR, "a", "default")
    }
    assert {str(event.exception) for event in recorder.events} == {"no room"}
    assert not executor._instances
    scheduler.shutdown()


def test_of_several_submissions_of_a_job_the_one_that_failed_is_told_of() -> None:
    blocked = Blocked()
    executor = own_pool(blocked.pool)
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
    recorder = listen(scheduler, ENDED)
    scheduler.start()
    job = scheduler.add_job(nothing, id="a", max_instances=3, next_run_time=None)
    times = [DAY + timedelta(days=number) for number in range(3)]
    futures: list[Any] = []
    submit = blocked.pool.submit
    blocked.pool.submit = lambda *args: futures.append(submit(*args)) or futures[-1]  # type: ignore[method-assign]
    for time in times:
        job.misfire_grace_time = None
        executor.submit_job(job, [time])
    futures[1].cancel()
    (event,) = recorder.of(ENDED)
    assert event.scheduled_run_time == times[1]
    blocked.go_on.set()
    rest = recorder.wait_for(EVENT_JOB_EXECUTED, 2)
    assert [event.scheduled_run_time for event in rest] == [times[0], times[2]]
    assert not executor._instances
    scheduler.shutdown()
    blocked.pool.shutdown()


def test_the_testing_kit_sees_it() -> None:
    clock = ManualClock(DAY)
    scheduler = BackgroundScheduler(timezone="UTC", clock=clock, executors={"default": Refusing()})
    recorder = listen(scheduler, EVENT_ALL)
    scheduler.start()
    scheduler.add_job(nothing, "interval", hours=1, id="a")
    clock.advance(3600)
    (event,) = recorder.of(ENDED)
    assert event.scheduled_run_time == DAY + timedelta(hours=1)
    assert [run.outcome for run in clock.runs()] == ["error"]
    scheduler.shutdown()


async def waits_for_ever(begun: Any, ended: list[str]) -> None:
    begun.set_result(None)
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


@pytest.mark.parametrize("store", ["native", "python"])
def test_a_loop_that_is_closed_under_a_run(store: str) -> None:
    loop = asyncio.new_event_loop()
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
    recorder = listen(scheduler, ENDED)
    ended: list[str] = []

    async def main() -> None:
        begun = loop.create_future()
        scheduler.start()
        if store == "python":
            # What a store written in Python entails: the executor makes the run, not the engine.
            job = scheduler.add_job(waits_for_ever, args=[begun, ended], id="a", next_run_time=None)
            job.misfire_grace_time = None
            scheduler._executors["default"].submit_job(job, [DAY])
        else:
            scheduler.add_job(waits_for_ever, args=[begun, ended], id="a", misfire_grace_time=None)
        await begun

    loop.run_until_complete(main())
    loop.close()
    assert not scheduler.running
    (event,) = recorder.of(ENDED)
    assert (event.code, event.job_id, ended) == (EVENT_JOB_ERROR, "a", ["ended"])
    assert isinstance(event.exception, asyncio.CancelledError)
    assert str(event.exception) == "the event loop was closed"
    assert not scheduler._executors["default"]._instances
