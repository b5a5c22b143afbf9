"""Dispatch of many runs at once to the caller's loop: in which order they run and are told of."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
import weakref
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
from mainspring.events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from tests.loops.dispatching import Recorder, on, plain


def test_events_of_a_last_run_come_in_apschedulers_order(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        mask = EVENT_JOB_SUBMITTED | EVENT_JOB_REMOVED | EVENT_JOB_EXECUTED
        recorder = Recorder(scheduler, mask, loop)
        scheduler.add_job(plain)
        codes = [event.code for event in await recorder.wait(3)]
        assert codes == [EVENT_JOB_REMOVED, EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED]

    on(loop, scenario)


def test_many_jobs_at_once_each_run_once_and_let_the_loop_breathe(
    loop: asyncio.AbstractEventLoop,
) -> None:
    count = 5_000

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        ran: list[int] = []
        turns_while_running = 0
        done = asyncio.Event()

        async def job(number: int) -> None:
            ran.append(number)
            if len(ran) == count:
                done.set()

        def turn() -> None:
            nonlocal turns_while_running
            if 0 < len(ran) < count:
                turns_while_running += 1
            if not done.is_set():
                loop.call_soon(turn)

        now = datetime.now(timezone.utc)
        scheduler.pause()
        for number in range(count):
            scheduler.add_job(job, "date", run_date=now, args=[number], misfire_grace_time=None)
        loop.call_soon(turn)
        scheduler.resume()
        await done.wait()
        assert sorted(ran) == list(range(count))
        assert turns_while_running > 0

    loop.set_debug(False)
    on(loop, scenario)


@pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="without eager tasks, functions are called before a coroutine begins",
)
def test_a_run_sees_what_another_of_the_same_instant_has_changed(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        ran: list[str] = []
        done = asyncio.Event()

        async def first() -> None:
            scheduler.modify_job("second", args=["changed"])

        async def second(word: str) -> None:
            ran.append(word)
            done.set()

        now = datetime.now(timezone.utc)
        scheduler.pause()
        scheduler.add_job(first, "interval", hours=1, next_run_time=now, misfire_grace_time=None)
        times: dict[str, Any] = {"hours": 1, "next_run_time": now, "misfire_grace_time": None}
        scheduler.add_job(second, "interval", args=["as it was"], id="second", **times)
        scheduler.resume()
        await done.wait()
        assert ran == ["changed"]

    on(loop, scenario)


def test_what_an_ended_job_held_is_let_go_of_without_a_further_call(
    loop: asyncio.AbstractEventLoop,
) -> None:
    class Argument:
        pass

    async def job(argument: Argument) -> None:
        pass

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        gone = asyncio.Event()
        argument = Argument()
        weakref.finalize(argument, loop.call_soon_threadsafe, gone.set)
        scheduler.add_job(job, args=[argument])
        del argument
        await gone.wait()

    on(loop, scenario)


def test_the_finalizer_of_an_ended_jobs_argument_may_ask_for_another_job(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        gone, asked = asyncio.Event(), asyncio.Event()
        answers: list[Any] = []

        class Argument:
            def __del__(self) -> None:
                answers.append(other.next_run_time)
                gone.set()

        async def once(argument: Argument) -> None:
            pass

        async def asks() -> None:
            answers.append(other.next_run_time)
            asked.set()

        now = datetime.now(timezone.utc)
        scheduler.pause()
        other = scheduler.add_job(plain, "interval", hours=2)
        scheduler.add_job(once, "date", run_date=now, args=[Argument()], misfire_grace_time=None)
        scheduler.add_job(asks, "interval", hours=1, next_run_time=now, misfire_grace_time=None)
        scheduler.resume()
        await gone.wait()
        await asked.wait()
        assert answers == [other.next_run_time] * 2

    on(loop, scenario)


def test_a_run_is_judged_after_its_submission_was_told(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        due = datetime.now(timezone.utc)
        late = due + timedelta(seconds=1.01)

        def slow(event: Any) -> None:
            while event.job_id == "second" and datetime.now(timezone.utc) < late:
                pass

        scheduler.add_listener(slow, EVENT_JOB_SUBMITTED)
        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_MISSED, loop)
        scheduler.pause()
        for job_id, grace in (("first", None), ("second", 1)):
            scheduler.add_job(plain, "date", run_date=due, id=job_id, misfire_grace_time=grace)
        scheduler.resume()
        codes = {event.job_id: event.code for event in await recorder.wait(2)}
        assert codes == {"first": EVENT_JOB_EXECUTED, "second": EVENT_JOB_MISSED}

    on(loop, scenario)


def test_skipped_runs_are_told_once_each_by_a_loop_that_is_behind(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        skipped: dict[str, list[datetime]] = {"a": [], "b": []}
        enough = asyncio.Event()

        def slow(event: Any) -> None:
            skipped[event.job_id].extend(event.scheduled_run_times)
            if min(map(len, skipped.values())) >= 200:
                enough.set()
            # Longer than a drain may take, so that what is left of its work goes back.
            end = time.perf_counter() + 0.002
            while time.perf_counter() < end:
                pass

        scheduler.add_listener(slow, EVENT_JOB_MAX_INSTANCES)
        never = asyncio.Event()
        for job_id in skipped:
            scheduler.add_job(never.wait, "interval", seconds=0.001, id=job_id, coalesce=False)
        await enough.wait()
        scheduler.remove_all_jobs()
        never.set()
        for times in skipped.values():
            steps = {later - earlier for earlier, later in itertools.pairwise(times)}
            assert steps == {timedelta(milliseconds=1)}

    on(loop, scenario)


@pytest.mark.own_grace
def test_max_instances_and_missed_runs_are_told(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        release = asyncio.Event()

        async def holds() -> None:
            await release.wait()

        recorder = Recorder(scheduler, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED, loop)
        scheduler.add_job(holds, "interval", seconds=0.01, id="holds")
        events = await recorder.wait(1)
        assert (events[0].code, events[0].job_id) == (EVENT_JOB_MAX_INSTANCES, "holds")
        scheduler.remove_job("holds")
        release.set()
        missed = datetime.now(timezone.utc) - timedelta(seconds=60)
        seen = len(recorder.events)
        scheduler.add_job(plain, "date", run_date=missed, id="missed")
        event = (await recorder.wait(seen + 1))[-1]
        assert (event.code, event.job_id) == (EVENT_JOB_MISSED, "missed")
        assert event.scheduled_run_time == missed

    on(loop, scenario)
