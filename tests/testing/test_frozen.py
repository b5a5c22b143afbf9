"""Packages that freeze Python's clock are told apart from this one."""

from __future__ import annotations

import asyncio
import threading
import warnings
from datetime import datetime, timezone

import freezegun
import pytest
import time_machine

from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.testing import ManualClock

THEN = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("name", "freeze"),
    [
        ("freezegun", lambda: freezegun.freeze_time(THEN)),
        ("time-machine", lambda: time_machine.travel(THEN)),
    ],
)
def test_a_scheduler_started_in_frozen_time_warns(name, freeze):
    scheduler = BackgroundScheduler(timezone="UTC")
    with freeze(), pytest.warns(UserWarning, match=name) as caught:
        scheduler.start()
    scheduler.shutdown()
    (warning,) = caught
    assert str(warning.message).startswith(f"{name} is active while a scheduler starts")
    assert "mainspring.testing.ManualClock" in str(warning.message)
    assert warning.filename == __file__


def test_not_with_a_clock_of_its_own_nor_afterwards():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clock = ManualClock(THEN)
        for freeze in (freezegun.freeze_time, time_machine.travel):
            scheduler = BackgroundScheduler(timezone="UTC", clock=clock)
            with freeze(THEN):
                scheduler.start()
                assert clock.advance(1).run_count == 0
            scheduler.shutdown()
            scheduler = BackgroundScheduler(timezone="UTC")
            scheduler.start()
            scheduler.shutdown()


@pytest.mark.parametrize("freeze", [freezegun.freeze_time, time_machine.travel])
async def test_what_takes_real_time_is_waited_for_in_frozen_time(freeze):
    clock = ManualClock(THEN)
    scheduler = AsyncIOScheduler(timezone="UTC", clock=clock)
    message = asyncio.Event()
    with freeze(THEN):
        scheduler.start()
        job = scheduler.add_job(asyncio.to_thread, args=[threading.Event().wait, 0.05])
        assert not (await clock.aadvance(0)).parked
        assert [run.outcome for run in scheduler.runs(job)] == ["executed"]
        clock.patience = 0.05
        scheduler.add_job(message.wait, id="parked")
        scheduler.add_job(threading.Event().wait, args=[0.05])
        assert [run.job_id for run in (await clock.aadvance(0)).parked] == ["parked"]
        message.set()
        await scheduler.drain()
        await scheduler.aclose()
