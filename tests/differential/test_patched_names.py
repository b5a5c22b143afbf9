"""The names in APScheduler and in mainspring that test suites patch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from mainspring.events import EVENT_ALL, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from tests.differential.library import FAR, Library, Scenario, Scenarios, assert_same
from tests.support import PATIENCE, nothing, return_five

scenario = Scenarios()


@pytest.mark.parametrize("function", scenario, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


class Frozen(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime(2011, 4, 3, 18, 40, tzinfo=tz)


@scenario
def patched_names_of_triggers(library: Library) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "cron": lambda: library.CronTrigger(hour=3),
        "interval": lambda: library.IntervalTrigger(hours=3, start_date="2030-01-01"),
        "date": lambda: library.DateTrigger("2020-01-01"),
        "calendarinterval": lambda: library.CalendarIntervalTrigger(
            days=1, start_date="2030-01-01"
        ),
    }
    for name, make in makers.items():
        with mock.patch(
            f"{library.package}.triggers.{name}.get_localzone", return_value=ZoneInfo("Asia/Tokyo")
        ):
            trigger = make()
        now = datetime(2019, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))
        library.see(repr(trigger), str(trigger), str(trigger.get_next_fire_time(None, now)))
    now_makers: dict[str, Callable[[], Any]] = {
        "interval": lambda: library.IntervalTrigger(hours=3, timezone="UTC"),
        "date": lambda: library.DateTrigger(timezone="UTC"),
    }
    for name, make in now_makers.items():
        with mock.patch(f"{library.package}.triggers.{name}.datetime", Frozen):
            library.see(repr(make()))


@scenario
def patched_clock_of_the_scheduler(library: Library) -> None:
    with mock.patch(f"{library.package}.schedulers.base.datetime", Frozen):
        scheduler = library.manual_scheduler()
        scheduler.start()
        job = scheduler.add_job(nothing, "cron", hour=5, id="a")
        library.see(str(job.next_run_time))
        library.see(str(scheduler.reschedule_job("a", trigger="cron", hour=6).next_run_time))
        scheduler.pause_job("a")
        library.see(str(scheduler.resume_job("a").next_run_time))
        library.see(scheduler._process_jobs())
        scheduler.shutdown()


@scenario
def patched_clock_of_executors(library: Library) -> None:
    job = library.manual_scheduler().add_job(
        return_five, "date", run_date=FAR, misfire_grace_time=2
    )
    due = [datetime(2011, 4, 3, 18, 39, second, tzinfo=FAR.tzinfo) for second in (57, 58, 59)]
    with mock.patch(f"{library.package}.executors.base.datetime", Frozen):
        events = library.run_job(job, "alias", due, f"{library.package}.executors.x")
    library.see([(event.code, event.retval, event.jobstore) for event in events])


@scenario
def patched_clocks_of_a_scheduler_that_runs(library: Library) -> None:
    library.setLevel(logging.CRITICAL)  # its threads log when they come to it
    scheduler = library.BackgroundScheduler(
        timezone="UTC", executors={"default": library.DebugExecutor()}
    )
    told = threading.Event()
    codes: list[int] = []

    def listener(event: Any) -> None:
        codes.append(event.code)
        told.set()

    scheduler.add_listener(listener, EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
    package = library.package
    with (
        mock.patch(f"{package}.schedulers.base.datetime", Frozen),
        mock.patch(f"{package}.executors.base.datetime", Frozen),
    ):
        scheduler.start()
        scheduler.add_job(return_five, "date", run_date=Frozen.now(ZoneInfo("UTC")))
        assert told.wait(PATIENCE)
        scheduler.shutdown()
    library.see(codes)


@scenario
def plain_dictionaries_for_what_a_scheduler_has(library: Library) -> None:
    scheduler = library.manual_scheduler()
    scheduler._executors = {"default": library.DebugExecutor()}
    scheduler._jobstores = {"default": library.MemoryJobStore()}
    scheduler._listeners = [(library.on_event, EVENT_ALL)]
    scheduler.start()
    scheduler.add_job(nothing, "interval", hours=1, id="a", next_run_time=FAR)
    library.see([job.id for job in scheduler.get_jobs()])
    library.see(scheduler._lookup_executor("default") is scheduler._executors["default"])
    for call in (
        lambda: scheduler._lookup_jobstore("another"),
        lambda: scheduler.add_executor(library.DebugExecutor(), "default"),
        lambda: scheduler.remove_jobstore("another"),
        lambda: scheduler.remove_listener(library.on_event),
    ):
        library.attempt(call)
    scheduler.shutdown()


def test_names_are_where_they_are_patched() -> None:
    for module, names in {
        "schedulers.base": ("datetime", "get_localzone"),
        "executors.base": ("datetime", "run_job", "run_coroutine_job"),
        "executors.pool": ("run_job",),
        "triggers.cron": ("datetime", "get_localzone"),
        "triggers.date": ("datetime", "get_localzone"),
        "triggers.interval": ("datetime", "get_localzone"),
        "triggers.calendarinterval": ("datetime", "get_localzone"),
    }.items():
        for package in ("apscheduler", "mainspring"):
            for name in names:
                assert hasattr(import_module(f"{package}.{module}"), name), (package, module, name)
