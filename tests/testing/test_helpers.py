"""Durations, fire times without a scheduler, triggers in words, and the test case for unittest."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import unittest
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from mainspring import BackgroundScheduler
from mainspring.testing import (
    ManualClock,
    SchedulerTestCase,
    assert_fires,
    duration,
    explain,
    preview,
)
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.combining import AndTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class TestDurations:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (90, 90),
            (0.5, 0.5),
            (timedelta(hours=1), 3600),
            ("36h", 36 * 3600),
            ("8h30m", 8.5 * 3600),
            ("31 days", 31 * 86400),
            ("1 week, 2 days 3 hours", 9 * 86400 + 3 * 3600),
            ("1.5h", 5400),
            ("250ms", 0.25),
            ("-1h", -3600),
            ("+5 s", 5),
            ("1 Minute", 60),
        ],
    )
    def test_values(self, value, seconds):
        assert duration(value) == timedelta(seconds=seconds)

    @pytest.mark.parametrize("value", ["", "5", "5 parsecs", "h", "1h--2m", float("nan"), "-"])
    def test_nonsense(self, value):
        with pytest.raises(ValueError, match="duration"):
            duration(value)

    @pytest.mark.parametrize("value", [None, True, b"1h"])
    def test_other_types(self, value):
        with pytest.raises(TypeError, match="a duration is"):
            duration(value)


class TestTimes:
    @pytest.mark.parametrize(
        "value",
        [
            "2026-03-29T02:30Z",
            "2026-03-29 02:30:00z",
            "2026-03-29T04:30+0200",
            "2026-03-29T04:30:00.000+02",
            datetime(2026, 3, 29, 2, 30),
        ],
    )
    def test_values(self, value):
        assert ManualClock(value).now() == datetime(2026, 3, 29, 2, 30, tzinfo=timezone.utc)

    def test_a_date_is_its_midnight(self):
        clock = ManualClock(date(2026, 3, 29), timezone="Europe/Berlin")
        assert clock.now().isoformat() == "2026-03-29T00:00:00+01:00"
        clock.advance_to(date(2026, 3, 30))
        assert clock.now().isoformat() == "2026-03-30T00:00:00+02:00"
        trigger = CronTrigger(hour=7, timezone="UTC")
        assert_fires(trigger, date(2026, 1, 1), ["2026-01-01T07:00Z"])

    @pytest.mark.parametrize("value", ["tomorrow", "4h", ""])
    def test_nonsense(self, value):
        with pytest.raises(ValueError, match="is not a time; write it as"):
            ManualClock().advance_to(value)

    def test_other_types(self):
        with pytest.raises(TypeError, match="a time is a datetime, or text such as"):
            ManualClock().advance_to(5)


class TestPreview:
    def test_month_ends(self):
        trigger = CronTrigger(day="last", hour=12, timezone="UTC")
        assert [f"{time:%m-%d}" for time in preview(trigger, START, 4)] == [
            "01-31",
            "02-28",
            "03-31",
            "04-30",
        ]

    def test_both_times_of_a_fold(self):
        trigger = CronTrigger(hour=2, minute=30, day="25", month="10", timezone="Europe/Berlin")
        cron = CronTrigger(hour="2-3", minute=30, timezone="Europe/Berlin")
        assert [str(time) for time in preview(cron, "2026-10-25", 3)] == [
            "2026-10-25 02:30:00+02:00",
            "2026-10-25 02:30:00+01:00",
            "2026-10-25 03:30:00+01:00",
        ]
        assert preview(trigger, "2026-10-25", 1)[0].fold == 0

    def test_counts_from_the_start(self):
        hour = timedelta(hours=1)
        assert preview(IntervalTrigger(hours=1), START, 2) == [START + hour, START + 2 * hour]
        assert preview(DateTrigger(timezone="UTC"), START) == [START]

    def test_of_a_job(self):
        clock = ManualClock("2026-01-01T00:30")
        scheduler = BackgroundScheduler(clock=clock, timezone="UTC")
        scheduler.start()
        job = scheduler.add_job(lambda: None, "interval", hours=1)
        before = job.trigger.start_date
        assert_fires(job, "2026-01-05T00:15", ["2026-01-05T00:30", "2026-01-05T01:30"])
        assert job.trigger.start_date == before
        assert explain(job, "2026-01-05").startswith("Fires every hour")
        scheduler.shutdown()

    @pytest.mark.parametrize("value", ["0 2 * * *", None])
    def test_of_something_else(self, value):
        for function in (preview, explain):
            with pytest.raises(TypeError, match="a trigger is an object such as"):
                function(value, START)

    def test_jitter_follows_from_the_seed(self):
        trigger = IntervalTrigger(hours=1, jitter=600, timezone="UTC")
        assert preview(trigger, START, seed=1) == preview(trigger, START, seed=1)
        assert preview(trigger, START, seed=1) != preview(trigger, START, seed=2)


class TestAssertFires:
    def test_passes(self):
        trigger = CronTrigger(hour=7, timezone="Europe/Berlin")
        assert_fires(trigger, "2026-01-01", ["2026-01-01 07:00", "2026-01-02T06:00+00:00"])
        assert_fires(trigger, START, [datetime(2026, 1, 1, 7)])
        assert_fires(CronTrigger(year=2025, timezone="UTC"), START, [])

    def test_shows_both_sides(self):
        trigger = CronTrigger(day="last", timezone="UTC", end_date="2026-03-01")
        with pytest.raises(AssertionError) as raised:
            assert_fires(trigger, START, ["2026-01-31", "2026-02-27", "2026-03-31"])
        assert str(raised.value).splitlines()[1:] == [
            "  expected                         fires",
            "  Sat 2026-01-31 00:00:00+0000     Sat 2026-01-31 00:00:00+0000",
            "! Fri 2026-02-27 00:00:00+0000     Sat 2026-02-28 00:00:00+0000",
            "! Tue 2026-03-31 00:00:00+0000     -",
        ]

    def test_one_time_is_not_a_list(self):
        for time in ("2026-01-01", START):
            with pytest.raises(TypeError, match="expected is a list of times"):
                assert_fires(CronTrigger(timezone="UTC"), START, time)

    def test_fires_where_it_should_not(self):
        with pytest.raises(AssertionError, match="! - .*2026-01-01 00:00:00"):
            assert_fires(CronTrigger(timezone="UTC"), START, [])


class TestExplain:
    @pytest.mark.parametrize(
        ("fields", "phrase"),
        [
            ({"hour": "9,17", "minute": 30, "day_of_week": "mon-fri"}, "on Monday to Friday at 09:30 and 17:30"),  # noqa: E501
            ({"minute": "*/5"}, "every 5 minutes"),
            ({"day": "last"}, "on the last day of the month at 00:00"),
            ({"day": "2nd fri", "month": "3,jun", "hour": 12}, "on the 2nd Friday of the month at 12:00 in March and June"),  # noqa: E501
            ({"second": "*"}, "every second"),
            ({"second": "*/10"}, "every 10 seconds"),
            ({"hour": "*"}, "every hour"),
            ({"hour": "*/6"}, "every 6 hours"),
            ({"minute": 30}, "at minute 30 of every hour"),
            ({"hour": "8-18", "minute": "*/15"}, "every 15 minutes of hour 8 to 18"),
            ({"day": "1-7/2", "day_of_week": 0}, "on day 1 to 7 in steps of 2 of the month if that is Monday at 00:00"),  # noqa: E501
            ({"week": 5, "year": 2027}, "every day at 00:00 in ISO week 5 in the year 2027"),
            ({"hour": 7, "minute": 5, "second": 9}, "every day at 07:05:09"),
        ],
    )  # fmt: skip
    def test_cron(self, fields, phrase):
        text = explain(CronTrigger(timezone="UTC", **fields), START)
        assert text.splitlines()[0] == f"Fires {phrase} (UTC)."

    @pytest.mark.parametrize(
        ("trigger", "phrase"),
        [
            (
                IntervalTrigger(hours=1, minutes=30, jitter=20, timezone="UTC"),
                "every 1 hour and 30 minutes of elapsed time, counted from 2026-01-01 01:30, "
                "up to 20 seconds late by chance",
            ),
            (IntervalTrigger(seconds=0.5, timezone="UTC"), "every 0.5 seconds of elapsed time"),
            (DateTrigger("2026-05-05 12:00:00", "UTC"), "once, on Tuesday 5 May 2026 at 12:00"),
            (
                CalendarIntervalTrigger(
                    months=1, days=2, hour=9, timezone="UTC", end_date="2027-01-01"
                ),
                "every 1 month and 2 days at 09:00, from 2026-01-01 on, not after 2027-01-01",
            ),
            (
                OrTrigger(
                    [CronTrigger(hour=2, timezone="UTC"), CronTrigger(day=1, timezone="UTC")]
                ),
                "when any of these fires: every day at 02:00; on day 1 of the month at 00:00",
            ),
            (
                AndTrigger([CronTrigger(hour=2, timezone="UTC")]),
                "when all of these fire at once: every day at 02:00",
            ),
        ],
    )
    def test_others(self, trigger, phrase):
        assert explain(trigger, START).startswith(f"Fires {phrase}")

    def test_the_next_five_with_what_the_clocks_do(self):
        spring = CronTrigger(hour=12, timezone="Europe/Berlin")
        lines = explain(spring, "2026-03-28").splitlines()
        assert len(lines) == 6
        assert lines[2] == (
            "  2. Sun 2026-03-29 12:00:00 CEST - before it, on 2026-03-29, the clocks go forward "
            "from 02:00 to 03:00"
        )
        autumn = CronTrigger(hour="2", minute="30", timezone="Europe/Berlin")
        assert "twice; this is the first time" in explain(autumn, "2026-10-25")
        assert "the clocks go back from 03:00 to 02:00" in explain(autumn, "2026-10-25")

    def test_a_trigger_that_ends(self):
        text = explain(CronTrigger(year=2026, month=12, day=31, timezone="UTC"), START)
        assert text.endswith("1. Thu 2026-12-31 00:00:00 UTC\n  then never again")
        assert explain(CronTrigger(year=2025, timezone="UTC"), START).endswith("\n  never")


class TestUnittest:
    def run_tests(self, cls: type[unittest.TestCase]) -> unittest.TestResult:
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)
        return result

    def test_passing(self):
        class Suite(SchedulerTestCase):
            clock_start = "2026-03-29T00:00"
            clock_timezone = "Europe/Berlin"

            def test_sync(self) -> None:
                job = self.scheduler.add_job(lambda: 1, "cron", hour="*")
                self.clock.advance("1d")
                assert len(self.scheduler.runs(job)) == 25

            async def test_coroutine(self) -> None:
                job = self.scheduler.add_job(asyncio.sleep, "cron", hour="*", args=[60])
                await self.clock.aadvance("23h1m")
                assert len(self.scheduler.runs(job)) == 24

        result = self.run_tests(Suite)
        assert (result.testsRun, result.failures, result.errors) == (2, [], [])

    def test_the_scheduler_goes_on_until_the_test_is_taken_down(self):
        class Suite(SchedulerTestCase):
            async def asyncTearDown(self) -> None:
                await self.clock.aadvance("1h")
                self.scheduler.remove_job("a job")

            def tearDown(self) -> None:
                self.scheduler.shutdown()

            async def test_it(self) -> None:
                self.scheduler.add_job(lambda: 1, "interval", hours=1, id="a job")

        result = self.run_tests(Suite)
        assert (result.testsRun, result.failures, result.errors) == (1, [], [])

    def test_failing(self):
        def fail() -> None:
            raise ValueError("no good")

        class Suite(SchedulerTestCase):
            def test_error(self) -> None:
                self.scheduler.add_job(fail)
                self.clock.advance(0)

            async def test_unfinished(self) -> None:
                self.scheduler.add_job(asyncio.sleep, args=[60])
                await self.clock.aadvance(0)

            async def test_while_taken_down(self) -> None:
                self.scheduler.add_job(lambda: 1)

            async def asyncTearDown(self) -> None:
                if "taken_down" in self.id():
                    self.scheduler.add_job(fail, id="late")
                    await self.clock.aadvance(0)

            def test_fails_by_itself(self) -> None:
                self.scheduler.add_job(fail)
                self.clock.advance(0)
                raise AssertionError("by itself")

        result = self.run_tests(Suite)
        assert result.errors == []
        texts = {case.id().rpartition(".")[2]: text for case, text in result.failures}
        assert "raised ValueError('no good')" in texts["test_error"]
        assert "waits for the clock until" in texts["test_unfinished"]
        assert "'late' (fire time" in texts["test_while_taken_down"]
        assert "left behind" not in texts["test_fails_by_itself"]


@pytest.mark.parametrize(
    "name",
    ["_clock", "_durations", "_explain", "_fires", "_unittest"],
)
def test_docstrings(name: str) -> None:
    module: Any = importlib.import_module(f"mainspring.testing.{name}")
    results = doctest.testmod(module, extraglobs={"unittest": unittest})
    assert results.attempted > 0
    assert results.failed == 0
