"""Ids, names and aliases are any string, as with APScheduler 3.11.3: names of files in no encoding too."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterator

import pytest

from mainspring.events import EVENT_ALL
from mainspring.job import Job
from mainspring.schedulers.background import BackgroundScheduler
from tests.differential.library import FAR, Library, assert_same
from tests.support import ListJobStore, listen, make_job, nothing

#: As names of files are given by the operating system; and what stands for these in Rust.
IDS = ["caf\udce9.csv", "\ud800", "\udfff\U0010ffff", "\U0010ffff", "\U0010ffffcaf\xe9", "\x00"]


def any_text(text: str) -> Callable[[Library], None]:
    def run(library: Library) -> None:
        scheduler = library.manual_scheduler()
        scheduler.start()
        options = {"id": text, "name": text, "misfire_grace_time": None}
        library.attempt(scheduler.add_job, nothing, "interval", hours=1, **options)
        library.attempt(scheduler.add_job, nothing, "date", run_date=FAR, **options)
        options["replace_existing"] = True
        library.attempt(scheduler.add_job, nothing, "date", run_date=FAR, **options)
        for call in (
            lambda: scheduler.get_job(text).id,
            lambda: scheduler.get_job(text).name,
            lambda: scheduler.modify_job(text, name=text + "!"),
            lambda: scheduler.pause_job(text),
            lambda: scheduler.resume_job(text),
            lambda: scheduler.reschedule_job(text, trigger="date", run_date="2020-01-01"),
            lambda: scheduler.get_job(text).modify(misfire_grace_time=None),
            lambda: scheduler.get_job(text) == scheduler.get_jobs()[0],
            lambda: scheduler.get_job(text).__getstate__()["id"],
            lambda: str(scheduler.get_job(text)),
        ):
            library.attempt(call)
        library.see_jobs(scheduler)
        library.process(scheduler)
        library.attempt(scheduler.remove_job, text)
        library.attempt(scheduler.pause_job, text)
        scheduler.add_jobstore("memory", text)
        scheduler.add_executor(library.DebugExecutor(), text)
        options = {"jobstore": text, "executor": text, "run_date": "2020-01-01"}
        scheduler.add_job(nothing, "date", id=text, misfire_grace_time=None, **options)
        library.see_jobs(scheduler)
        library.process(scheduler)
        scheduler.remove_jobstore(text)
        scheduler.remove_executor(text)
        scheduler.shutdown()

    return run


@pytest.mark.parametrize("text", [*IDS, "plain"], ids=ascii)
def test_ids_names_and_aliases_are_any_text(text):
    assert_same(any_text(text))


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    """One that runs, so that jobs get into its memory store in Rust."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


@pytest.mark.parametrize("text", IDS, ids=ascii)
def test_any_id_by_the_short_way(scheduler, text):
    job = scheduler.add_job(nothing, "interval", hours=1, id=text)
    assert (job.id, scheduler.get_job(text)) == (text, job)
    assert scheduler.pause_job(text).next_run_time is None
    assert scheduler.resume_job(text).next_run_time is not None
    assert scheduler.reschedule_job(text, trigger="cron", hour=3).id == text
    assert scheduler.modify_job(text, coalesce=False).id == text
    scheduler.remove_job(text)
    assert scheduler.get_job(text) is None
    added = scheduler.add_jobs([{"func": nothing, "trigger": "cron", "id": name} for name in IDS])
    assert [job.id for job in added] == IDS
    assert {job.id for job in scheduler.get_jobs()} == set(IDS)


@pytest.mark.parametrize("text", IDS, ids=ascii)
@pytest.mark.parametrize("store", ["memory", "python"])
def test_any_id_runs(text, store):
    scheduler = BackgroundScheduler(timezone="UTC")
    if store == "python":
        scheduler.add_jobstore(ListJobStore())
    recorder = listen(scheduler, EVENT_ALL)
    scheduler.start()
    ran = threading.Event()
    _calls[text] = ran.set
    job = scheduler.add_job(_call, args=[text], id=text, name=text, misfire_grace_time=None)
    assert repr(job) == f"<Job (id={text} name={text})>"
    assert ran.wait(30)
    recorder.wait_until(lambda: "JobExecutionEvent" in map(_kind, recorder.events), bool)
    scheduler.shutdown()
    assert {event.job_id for event in recorder.events if hasattr(event, "job_id")} == {text}


_calls: dict[str, Callable[[], None]] = {}


def _call(text: str) -> None:
    _calls[text]()


def _kind(event: object) -> str:
    return type(event).__name__


def test_a_job_of_any_id_is_pickled():
    for text in IDS:
        state = pickle.loads(pickle.dumps(make_job(text, name=text).__getstate__()))
        job = Job.__new__(Job)
        job.__setstate__(state)
        assert (job.id, job.name) == (text, text)
    assert os.fsdecode(b"caf\xe9.csv") in IDS or os.name == "nt"
