from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import apscheduler.schedulers.background
import pytest
from apscheduler.triggers.combining import OrTrigger as TheirOrTrigger
from apscheduler.triggers.cron import CronTrigger as TheirCronTrigger

from mainspring.executors.debug import DebugExecutor
from mainspring.jobstores.base import ConflictingIdError
from mainspring.triggers.combining import OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.support import ManualScheduler, nothing

FAR = datetime(2999, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def scheduler() -> Iterator[ManualScheduler]:
    scheduler = ManualScheduler(timezone="UTC", executors={"default": DebugExecutor()})
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


def add_jobs(scheduler: Any) -> None:
    scheduler.add_job(nothing, "cron", hour="3-5", minute="*/10", id="cron", args=[FAR])
    scheduler.add_job(nothing, "interval", hours=2, start_date=FAR, id="interval")
    scheduler.add_job(nothing, "date", run_date=FAR, id="date", kwargs={"k": {1, 2}})


def states(jobs: Any) -> dict[str, dict[str, Any]]:
    states = {}
    for job in jobs:
        state = dict(job.__getstate__())
        state["trigger"] = str(job.trigger)
        state["args"] = list(job.args)  # JSON has no tuples
        states[job.id] = state
    return states


def test_round_trip_through_a_file_object(scheduler: ManualScheduler) -> None:
    add_jobs(scheduler)
    expected = states(scheduler.get_jobs())
    file = io.StringIO()
    scheduler.export_jobs(file)
    assert not file.closed
    scheduler.remove_all_jobs()
    file.seek(0)
    scheduler.import_jobs(file)
    assert states(scheduler.get_jobs()) == expected
    assert {type(job.trigger) for job in scheduler.get_jobs()} == {
        CronTrigger,
        DateTrigger,
        IntervalTrigger,
    }


@pytest.mark.parametrize("as_path", [str, Path])
def test_round_trip_through_a_path(
    scheduler: ManualScheduler, tmp_path: Path, as_path: Any
) -> None:
    add_jobs(scheduler)
    path = as_path(tmp_path / "jobs.json")
    scheduler.export_jobs(path)
    scheduler.add_jobstore("memory", "other")
    scheduler.import_jobs(path, "other")
    assert states(scheduler.get_jobs("other")) == states(scheduler.get_jobs("default"))
    job = scheduler.get_job("date", "other")
    assert job is not None
    job.remove()
    assert scheduler.get_job("date", "default") is not None


def test_document(scheduler: ManualScheduler) -> None:
    import mainspring

    scheduler.add_jobstore("memory", "other")
    scheduler.add_job(nothing, "date", run_date=FAR, id="a")
    scheduler.add_job(nothing, "date", run_date=FAR, id="b", jobstore="other")
    file = io.StringIO()
    scheduler.export_jobs(file, "other")
    document = json.loads(file.getvalue())
    assert document["version"] == 1
    assert document["scheduler_version"] == mainspring.__version__
    (job,) = document["jobs"]
    assert job["id"] == "b"
    assert job["func"] == "tests.support:nothing"
    assert job["trigger"]["__apscheduler_class__"] == "apscheduler.triggers.date:DateTrigger"
    assert job["trigger"]["__apscheduler_state__"].keys() == {"version", "run_date"}
    assert list(job["next_run_time"]) == ["__apscheduler_pickle__"]


def test_jobs_exported_by_apscheduler(scheduler: ManualScheduler) -> None:
    reference = apscheduler.schedulers.background.BackgroundScheduler(timezone="UTC")
    reference.start(paused=True)
    add_jobs(reference)
    file = io.StringIO()
    reference.export_jobs(file)
    expected = states(reference.get_jobs())
    reference.shutdown()
    file.seek(0)
    scheduler.import_jobs(file)
    assert states(scheduler.get_jobs()) == expected


def test_combining_trigger_exported_by_apscheduler(scheduler: ManualScheduler) -> None:
    reference = apscheduler.schedulers.background.BackgroundScheduler(timezone="UTC")
    reference.start(paused=True)
    members = [TheirCronTrigger(hour=3, timezone="UTC"), TheirCronTrigger(day=4, timezone="UTC")]
    reference.add_job(nothing, TheirOrTrigger(members), id="a")
    file = io.StringIO()
    reference.export_jobs(file)
    reference.shutdown()
    file.seek(0)
    scheduler.import_jobs(file)
    (job,) = scheduler.get_jobs()
    assert isinstance(job.trigger, OrTrigger)
    assert {type(member) for member in job.trigger.triggers} == {CronTrigger}


def test_imported_job_is_waited_for(scheduler: ManualScheduler) -> None:
    scheduler.add_job(nothing, "interval", hours=1, id="a")
    file = io.StringIO()
    scheduler.export_jobs(file)
    scheduler.remove_all_jobs()
    scheduler.resume()
    file.seek(0)
    wakeups = scheduler.wakeups
    scheduler.import_jobs(file)
    assert scheduler.wakeups == wakeups + 1
    wait = scheduler._process_jobs()
    assert wait is not None
    assert wait <= 3600


def test_existing_id(scheduler: ManualScheduler) -> None:
    scheduler.add_job(nothing, "date", run_date=FAR, id="a")
    file = io.StringIO()
    scheduler.export_jobs(file)
    file.seek(0)
    with pytest.raises(ConflictingIdError):
        scheduler.import_jobs(file)


def test_stopped_scheduler() -> None:
    scheduler = ManualScheduler(timezone="UTC")
    with pytest.raises(RuntimeError, match="must have been started for job export to work"):
        scheduler.export_jobs(io.StringIO())


def test_job_without_a_reference(scheduler: ManualScheduler) -> None:
    scheduler.add_job(lambda: None, "date", run_date=FAR)
    with pytest.raises(ValueError, match="This Job cannot be serialized"):
        scheduler.export_jobs(io.StringIO())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 2, "jobs": []}', "unrecognized version: 2"),
        ("{}", "unrecognized version: None"),
        ("[]", "expected a JSON object, got list"),
        ("nonsense", "Expecting value"),
    ],
)
def test_bad_files(scheduler: ManualScheduler, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scheduler.import_jobs(io.StringIO(text))


def test_unknown_store(scheduler: ManualScheduler) -> None:
    with pytest.raises(KeyError, match="No such job store: nosuch"):
        scheduler.import_jobs(io.StringIO("{}"), "nosuch")
