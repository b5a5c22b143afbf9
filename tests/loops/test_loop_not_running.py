"""A loop that does not run yet, or is behind: its runs wait, and it is told of."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring._loops import watch
from mainspring.events import EVENT_JOB_MAX_INSTANCES
from tests.loops.heard import Heard
from tests.support import PATIENCE

Make = Callable[[asyncio.AbstractEventLoop], Any]


@pytest.mark.parametrize(
    "make",
    [
        lambda loop: AsyncIOScheduler(timezone="UTC", event_loop=loop),
        lambda loop: BackgroundScheduler(timezone="UTC", event_loop=loop),
    ],
    ids=["asyncio", "background"],
)
def test_a_loop_that_never_runs_is_told_of_and_its_runs_wait(
    make: Make,
    heard: Heard,
    fresh_loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert watch.NEVER_RAN_AFTER == 5.0
    monkeypatch.setattr(watch, "NEVER_RAN_AFTER", 0.5)
    ran: list[str] = []

    async def job(name: str) -> None:
        ran.append(name)

    scheduler = make(fresh_loop)
    missed: list[Any] = []
    scheduler.add_listener(missed.append, 2**14)
    scheduler.start()
    scheduler.add_job(job, args=["late"], misfire_grace_time=3600)
    scheduler.add_job(job, args=["too late"], id="too late", misfire_grace_time=1)
    record = heard.wait_for("has not run")
    assert record.levelno == logging.WARNING
    assert "never ran" in record.getMessage()
    assert "event_loop=" in record.getMessage()

    async def main() -> None:
        while not (ran and missed):
            await asyncio.sleep(0.01)

    fresh_loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))
    assert ran == ["late"]
    assert [event.job_id for event in missed] == ["too late"]
    scheduler.shutdown()
    assert len(heard.records) == 1, heard.records


def test_skipped_runs_do_not_pile_up_for_a_loop_that_does_not_run(
    heard: Heard, fresh_loop: asyncio.AbstractEventLoop
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=fresh_loop)
    skipped: list[Any] = []
    scheduler.add_listener(skipped.append, 2**16)

    async def job() -> None:
        pass

    scheduler.start()
    for _ in range(40):
        # Each is due ten thousand times a second, and may run once at a time.
        scheduler.add_job(job, "interval", seconds=0.0001, coalesce=False)
    inbox = scheduler._engine.control
    gate = threading.Event()
    # 400,000 skipped runs a second at most: wait until the timer thread has been at it for long enough.
    while inbox.notices_dropped == 0:
        gate.wait(0.01)
    scheduler.remove_all_jobs()

    async def main() -> None:
        while not any("more skipped runs" in r.getMessage() for r in heard.records):
            await asyncio.sleep(0.01)

    fresh_loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))
    # Jobs that are gone when they are told of leave nothing to tell.
    assert sum(len(event.scheduled_run_times) for event in skipped) <= 20_000
    scheduler.shutdown()


def test_skipped_runs_that_wait_for_the_loop_are_told_of_together(
    heard: Heard, fresh_loop: asyncio.AbstractEventLoop
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=fresh_loop)
    told: list[Any] = []

    async def job() -> None:
        pass

    async def main() -> None:
        first = asyncio.Event()
        scheduler.add_listener(
            lambda event: (told.append(event), first.set()), EVENT_JOB_MAX_INSTANCES
        )
        await asyncio.wait_for(first.wait(), PATIENCE)
        scheduler.pause()

    start = datetime.now(timezone.utc)
    times: dict[str, Any] = {"start_date": start, "misfire_grace_time": None, "coalesce": False}
    added = scheduler.add_job(job, "interval", seconds=0.005, id="often", **times)
    scheduler.start()
    gate = threading.Event()
    seen: set[datetime] = set()
    # Each is a pass of the timer thread; the first admits a run, which waits for the loop.
    while len(seen) < 12:
        seen.add(added.next_run_time)
        gate.wait(0.001)
    fresh_loop.run_until_complete(main())
    assert told[0].job_id == "often"
    skipped = told[0].scheduled_run_times
    assert len(skipped) >= 6
    assert {later - earlier for earlier, later in itertools.pairwise(skipped)} == {
        timedelta(seconds=0.005)
    }
    (record,) = [r for r in heard.records if "skipped" in r.getMessage()][:1]
    assert record.getMessage().endswith(f"(job id: often, {len(skipped)} run times)")
    scheduler.shutdown()
