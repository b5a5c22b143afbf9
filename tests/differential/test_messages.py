"""Messages of APScheduler and of mainspring that programs compare; more of what was wrong is in notes."""

from __future__ import annotations

import pytest

from tests.differential.library import FAR, Library, Scenario, Scenarios, assert_same
from tests.support import nothing

scenario = Scenarios()


@pytest.mark.parametrize("function", scenario, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


@scenario
def messages_about_arguments(library: Library) -> None:
    attempt = library.attempt
    for trigger in ("CronTrigger", "IntervalTrigger", "DateTrigger", "CalendarIntervalTrigger"):
        attempt(getattr(library, trigger), nosuch=5)
    for options in (
        {"month": "foo"},
        {"month": "jan-foo"},
        {"day_of_week": "foo"},
        {"day": "2nd foo"},
        {"hour": "5-3"},
        {"minute": "*/99"},
        {"second": "x"},
        {"timezone": "Nowhere/Else"},
        {"start_date": "soon"},
    ):
        attempt(library.CronTrigger, **options)
    scheduler = library.manual_scheduler()
    job = scheduler.add_job(nothing, "date", run_date=FAR)
    for thing in (job, job.trigger):
        attempt(getattr, thing, "nosuch")
        attempt(lambda thing=thing: thing + 1)
    attempt(hash, job)
    for reference in (5, "nocolon", "nosuch:module", "os:nosuch"):
        attempt(library.ref_to_obj, reference)
