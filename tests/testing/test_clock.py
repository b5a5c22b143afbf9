"""A clock that is moved by hand: what it shows, how it moves, and what it refuses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.testing import ManualClock
from tests.support import (
    nothing,
    return_five,
)
from tests.testing.clocks import START

BERLIN = ZoneInfo("Europe/Berlin")


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
