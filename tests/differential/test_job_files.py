"""Files of jobs: APScheduler and mainspring export and import them, each also the other's."""

from __future__ import annotations

import io
import json
import re
from datetime import date, timedelta
from typing import Any

import pytest

from tests.differential.library import FAR, Library, Scenario, Scenarios, assert_same
from tests.support import nothing

scenario = Scenarios()


@pytest.mark.parametrize("function", scenario, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


def some_jobs(library: Library, scheduler: Any) -> None:
    """Add a job with each kind of trigger."""
    add = scheduler.add_job
    add(nothing, "cron", hour=3, day="last", start_date=FAR, jitter=3, id="cron", kwargs={"a": 1})
    add(nothing, "interval", hours=3, start_date=FAR, end_date=FAR, id="interval", args=[1, "b"])
    add(nothing, "date", run_date=FAR, id="date", next_run_time=None, name="named")
    calendar = library.CalendarIntervalTrigger(
        months=1, start_date=date(2999, 1, 1), hour=3, timezone="Europe/Berlin"
    )
    add(nothing, calendar, id="calendar", misfire_grace_time=None, max_instances=3)
    dates = [library.DateTrigger(FAR), library.DateTrigger(FAR + timedelta(days=1))]
    add(nothing, library.OrTrigger(dates), id="or", coalesce=False, executor="other")


def exported(scheduler: Any, jobstore: str | None = None) -> str:
    file = io.StringIO()
    scheduler.export_jobs(file, jobstore)
    return file.getvalue()


@scenario
def exported_jobs(library: Library) -> None:
    scheduler = library.manual_scheduler()
    library.attempt(scheduler.export_jobs, io.StringIO())
    scheduler.add_jobstore("memory", "other")
    scheduler.start(paused=True)
    some_jobs(library, scheduler)
    scheduler.add_job(nothing, "date", run_date=FAR, id="elsewhere", jobstore="other")
    for store in (None, "default", "other", "nosuch"):
        document = json.loads(exported(scheduler, store))
        del document["scheduler_version"]
        text = re.sub(
            r'"__apscheduler_pickle__": "[^"]*"', '"pickle"', json.dumps(document, sort_keys=True)
        )
        library.see("document", store, text)
    library.attempt(scheduler.export_jobs, "/nosuch/directory/jobs.json")
    scheduler.add_job(lambda: None, "date", run_date=FAR, id="unnamed")
    library.attempt(scheduler.export_jobs, io.StringIO())
    scheduler.shutdown()


@scenario
def imported_jobs(library: Library) -> None:
    source = library.manual_scheduler()
    source.start(paused=True)
    some_jobs(library, source)
    file = exported(source)
    source.shutdown()
    scheduler = library.manual_scheduler()
    scheduler.add_jobstore("memory", "other")
    scheduler.start(paused=True)
    scheduler.import_jobs(io.StringIO(file))
    scheduler.import_jobs(io.StringIO(file), "other")
    # DIFFERENCE: jitter is random, so it is left out; see its own tests.
    scheduler.remove_job("cron", "default")
    scheduler.remove_job("cron", "other")
    library.see_jobs(scheduler)
    library.attempt(scheduler.import_jobs, io.StringIO(file))
    library.attempt(scheduler.import_jobs, "/nosuch/directory/jobs.json")
    for bad in ("{", '{"version": 2}', "{}", '{"version": 1}'):
        library.attempt(scheduler.import_jobs, io.StringIO(bad))
    scheduler.shutdown()


@pytest.mark.parametrize(
    ("writer", "reader"), [("apscheduler", "mainspring"), ("mainspring", "apscheduler")]
)
def test_each_library_reads_the_others_file(writer: str, reader: str) -> None:
    printed = []
    file = ""
    for name in (writer, reader):
        library = Library(name)
        scheduler = library.manual_scheduler()
        scheduler.start(paused=True)
        if name == writer:
            some_jobs(library, scheduler)
            file = exported(scheduler)
            library.seen.clear()
        else:
            scheduler.import_jobs(io.StringIO(file))
            library.seen.clear()
            for job in scheduler.get_jobs():
                assert type(job.trigger).__module__.partition(".")[0] == reader
                job.trigger.get_next_fire_time(None, FAR)
        library.see_jobs(scheduler)
        # JSON makes a list of what was a tuple.
        printed.append(str(library.seen).replace("()", "[]").replace("(1, 'b')", "[1, 'b']"))
        scheduler.shutdown()
    assert printed[0] == printed[1]
