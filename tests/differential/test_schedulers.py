"""One scenario at a time on APScheduler and on mainspring: what is returned, raised, logged and told.

A scenario drives the scheduler in its own thread, so that everything happens in one order.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from mainspring.util import undefined
from tests.differential.library import FAR, PAST, Library, Scenario, Scenarios, assert_same
from tests.support import PATIENCE, nothing, raise_error, return_five

scenario = Scenarios()


def takes(a: int, b: int, *, c: int = 0) -> None:
    """Take two arguments, and a third by name only."""


@pytest.mark.parametrize("function", scenario, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


@scenario
def life_cycle(library: Library) -> None:
    scheduler = library.manual_scheduler()
    for method in ("pause", "resume", "shutdown"):
        library.attempt(getattr(scheduler, method))
    for paused in (False, True):
        library.attempt(scheduler.start, paused)
        library.see(scheduler.state, scheduler.running)
        library.attempt(scheduler.start)
        library.attempt(scheduler.configure, timezone="UTC")
        for method in ("pause", "pause", "resume", "resume"):
            library.attempt(getattr(scheduler, method))
            library.see(scheduler.state, scheduler.running)
        library.attempt(scheduler.shutdown)
        library.see(scheduler.state, scheduler.running)


@scenario
def pending_jobs(library: Library) -> None:
    scheduler = library.manual_scheduler()
    library.see_jobs(scheduler)
    scheduler.add_job(nothing, "date", run_date=FAR, id="a", args=[1])
    scheduler.add_job(nothing, "interval", hours=3, start_date=FAR, id="b", max_instances=3)
    scheduler.add_job(nothing, "date", run_date=FAR, id="c", next_run_time=None)
    scheduler.add_job(nothing, "date", run_date=FAR, id="d")
    library.see_jobs(scheduler)
    library.attempt(scheduler.modify_job, "a", name="renamed", coalesce=False)
    library.attempt(scheduler.reschedule_job, "b", trigger="date", run_date=FAR)
    library.attempt(scheduler.pause_job, "a")
    library.attempt(scheduler.remove_job, "d")
    library.attempt(scheduler.get_job, "b")
    library.attempt(scheduler.get_job, "nosuch")
    library.see_jobs(scheduler)
    scheduler.start(paused=True)
    library.see_jobs(scheduler)
    scheduler.remove_all_jobs()
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def running_jobs(library: Library) -> None:
    scheduler = library.manual_scheduler()
    scheduler.add_jobstore("memory", "other")
    scheduler.start()
    for id_, store in (("a", "default"), ("b", "other"), ("c", "default")):
        scheduler.add_job(nothing, "date", run_date=FAR, id=id_, jobstore=store)
    library.see_jobs(scheduler)
    job = scheduler.get_job("b")
    library.attempt(job.modify, name="renamed", misfire_grace_time=None, kwargs={"k": 1})
    library.attempt(job.reschedule, "interval", hours=1, start_date=FAR)
    library.attempt(job.pause)
    library.see_jobs(scheduler)
    library.attempt(job.resume)
    library.see_jobs(scheduler)
    library.attempt(job.remove)
    library.attempt(job.remove)
    library.attempt(scheduler.get_jobs, "other")
    library.attempt(scheduler.remove_job, "a", "other")
    library.attempt(scheduler.remove_all_jobs, "other")
    library.attempt(scheduler.remove_all_jobs)
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def replacing_jobs(library: Library) -> None:
    scheduler = library.manual_scheduler()
    scheduler.start(paused=True)
    scheduler.add_job(nothing, "date", run_date=FAR, id="a", name="old", max_instances=5)
    library.attempt(scheduler.add_job, nothing, "date", run_date=FAR, id="a")
    job = scheduler.add_job(
        return_five, "date", run_date=FAR, id="a", name="new", replace_existing=True
    )
    library.see(job.name, job.max_instances, job.pending)
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def a_date_set_up_once_more(library: Library) -> None:
    scheduler = library.manual_scheduler(job_defaults={"misfire_grace_time": None})
    scheduler.start()
    for _ in range(2):
        # It has left its store when it has run, so that this is another job.
        scheduler.add_job(return_five, "date", run_date=PAST, id="a", replace_existing=True)
        library.process(scheduler)
    scheduler.shutdown()


@scenario
def parts(library: Library) -> None:
    scheduler = library.manual_scheduler()
    for running in (False, True):
        if running:
            scheduler.start(paused=True)
        suffix = str(running)
        library.attempt(scheduler.add_executor, "debug", "executor" + suffix)
        library.attempt(scheduler.add_executor, "debug", "executor" + suffix)
        library.attempt(scheduler.add_jobstore, "memory", "store" + suffix)
        library.attempt(scheduler.add_jobstore, "memory", "store" + suffix)
        library.attempt(scheduler.add_executor, 5, "five")
        library.attempt(scheduler.add_jobstore, None, "none")
        library.attempt(scheduler.remove_executor, "executor" + suffix)
        library.attempt(scheduler.remove_jobstore, "store" + suffix)
        library.attempt(scheduler.remove_executor, "nosuch")
        library.attempt(scheduler.remove_jobstore, "nosuch")
    library.attempt(scheduler.shutdown)


@scenario
def processing(library: Library) -> None:
    scheduler = library.manual_scheduler(job_defaults={"misfire_grace_time": None})
    scheduler.start()
    scheduler.add_job(return_five, "date", run_date=PAST, id="date")
    library.process(scheduler)
    library.see_jobs(scheduler)
    scheduler.pause()
    scheduler.add_job(return_five, "date", run_date=PAST, id="paused")
    library.process(scheduler)
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def errors_of_runs(library: Library) -> None:
    scheduler = library.manual_scheduler(job_defaults={"misfire_grace_time": None})
    scheduler.start()
    scheduler.add_job(raise_error, "date", run_date=PAST, id="raises")
    library.process(scheduler)
    scheduler.add_job(nothing, "date", run_date=PAST, id="misses", misfire_grace_time=1)
    library.process(scheduler)
    scheduler.add_job(nothing, "date", run_date=PAST, id="homeless", executor="nosuch")
    library.process(scheduler)
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def coalescing(library: Library) -> None:
    for coalesce in (True, False):
        scheduler = library.manual_scheduler(job_defaults={"misfire_grace_time": None})
        scheduler.start()
        scheduler.add_job(
            nothing,
            "interval",
            days=1,
            start_date=PAST,
            end_date=PAST + timedelta(days=3),
            next_run_time=PAST,
            coalesce=coalesce,
            id="four",
        )
        library.process(scheduler)
        library.see_jobs(scheduler)
        scheduler.shutdown()


@scenario
def instances(library: Library) -> None:
    class Holding(library.BaseExecutor):  # type: ignore[misc, name-defined]
        def _do_submit_job(self, job: Any, run_times: Any) -> None:
            library.see("submitted", job.id, run_times)

    scheduler = library.manual_scheduler(executors={"default": Holding()})
    scheduler.start()
    job = scheduler.add_job(nothing, "cron", year=2999, next_run_time=PAST, max_instances=2, id="a")
    for _ in range(4):
        job.modify(next_run_time=PAST)
        library.process(scheduler)
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def executor_that_raises(library: Library) -> None:
    class Failing(library.BaseExecutor):  # type: ignore[misc, name-defined]
        def _do_submit_job(self, job: Any, run_times: Any) -> None:
            raise OSError("no room")

    scheduler = library.manual_scheduler(executors={"default": Failing()})
    scheduler.start()
    scheduler.add_job(nothing, "date", run_date=FAR, next_run_time=PAST, id="a")
    library.seen.clear()
    library.process(scheduler)
    # DIFFERENCE: the listeners are told of a run that an executor could not make.
    library.seen[:] = [
        entry for entry in library.seen if entry[:2] != ("event", "JobExecutionEvent")
    ]
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def store_of_ones_own(library: Library) -> None:
    class Store(library.MemoryJobStore):  # type: ignore[misc, name-defined]
        def get_due_jobs(self, now: Any) -> Any:
            library.see("get_due_jobs")
            return super().get_due_jobs(now)

        def update_job(self, job: Any) -> None:
            library.see("update_job", job.id)
            super().update_job(job)

        def remove_job(self, job_id: str) -> None:
            library.see("remove_job", job_id)
            super().remove_job(job_id)

    scheduler = library.manual_scheduler(
        jobstores={"default": Store()}, job_defaults={"misfire_grace_time": None}
    )
    scheduler.start()
    scheduler.add_job(return_five, "date", run_date=PAST, id="date")
    scheduler.add_job(return_five, "date", run_date=FAR, next_run_time=PAST, id="twice")
    library.process(scheduler)
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def store_that_raises(library: Library) -> None:
    class Store(library.MemoryJobStore):  # type: ignore[misc, name-defined]
        def get_due_jobs(self, now: Any) -> Any:
            raise OSError("gone")

    scheduler = library.manual_scheduler(jobstores={"default": Store()}, jobstore_retry_interval=7)
    scheduler.start()
    wait = scheduler._process_jobs()
    library.see("wait", 6 < wait <= 7)
    scheduler.shutdown()


@scenario
def listeners(library: Library) -> None:
    def failing(event: Any) -> None:
        library.see("failing", event.code)
        raise ValueError("bad listener")

    scheduler = library.manual_scheduler()
    scheduler.add_listener(failing, library.EVENT_SCHEDULER_STARTED)
    scheduler.start(paused=True)
    scheduler.remove_listener(failing)
    scheduler.remove_listener(failing)
    scheduler.remove_listener(library.on_event)
    scheduler.shutdown()


@scenario
def configuration(library: Library) -> None:
    configurations: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({}, {"job_defaults": {"misfire_grace_time": "5", "coalesce": "off"}}),
        ({}, {"job_defaults": {"misfire_grace_time": None, "max_instances": 4}}),
        ({}, {"jobstore_retry_interval": "2"}),
        (
            {
                "apscheduler.job_defaults.max_instances": "3",
                "apscheduler.executors.default.type": "debug",
                "apscheduler.executors.pool.type": "threadpool",
                "apscheduler.executors.pool.max_workers": "2",
                "apscheduler.jobstores.other.class": f"{library.package}.jobstores.memory"
                ":MemoryJobStore",
                "unrelated": 1,
            },
            {"executors": {"default": {"type": "debug"}}},
        ),
        ({}, {"executors": {"x": {"max_workers": 1}}}),
        ({}, {"executors": {"x": 1}}),
        ({}, {"jobstores": {"x": {}}}),
        ({}, {"jobstores": {"x": "memory"}}),
        ({}, {"jobstores": {"x": {"class": "nosuch.module:Store"}}}),
        ({}, {"executors": {"x": {"class": "no reference"}}}),
        ({}, {"timezone": 5}),
        ({}, {"job_defaults": {"coalesce": "perhaps"}}),
        ({}, {"job_defaults": {"max_instances": "many"}}),
        ({}, {"jobstore_retry_interval": "soon"}),
    ]
    for gconfig, options in configurations:
        scheduler = library.manual_scheduler()
        library.attempt(scheduler.configure, gconfig, **{"timezone": "UTC", **options})
        library.see(
            scheduler._job_defaults,
            scheduler.jobstore_retry_interval,
            [(alias, type(e).__name__) for alias, e in scheduler._executors.items()],
            [(alias, type(s).__name__) for alias, s in scheduler._jobstores.items()],
            str(scheduler.timezone),
        )


@scenario
def bad_jobs(library: Library) -> None:
    scheduler = library.manual_scheduler()
    scheduler.start(paused=True)
    arguments: list[dict[str, Any]] = [
        {"func": 5},
        {"func": "nomodule:nothing"},
        {"func": "tests.support:nosuch"},
        {"func": "nothing"},
        {"func": takes},
        {"func": takes, "args": [1]},
        {"func": takes, "args": [1, 2, 3]},
        {"func": takes, "args": [1, 2], "kwargs": {"a": 1}},
        {"func": takes, "args": [1, 2], "kwargs": {"d": 1}},
        {"func": takes, "args": "12"},
        {"args": 5},
        {"kwargs": 5},
        {"id": 5},
        {"name": 5},
        {"misfire_grace_time": 0},
        {"misfire_grace_time": "1"},
        {"misfire_grace_time": 1.5},
        {"max_instances": 0},
        {"max_instances": "1"},
        {"executor": None},
        {"jobstore": "nosuch"},
        {"trigger": 5},
        {"run_date": 5},
        {"run_date": "tomorrow"},
        {"trigger": "cron", "hour": "25", "run_date": undefined},
        {"next_run_time": "soon"},
        {"next_run_time": 5.0},
    ]
    for changes in arguments:
        merged = {"func": nothing, "trigger": "date", "run_date": FAR, "id": "a", **changes}
        library.attempt(
            scheduler.add_job, **{k: v for k, v in merged.items() if v is not undefined}
        )
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def bad_changes(library: Library) -> None:
    scheduler = library.manual_scheduler()
    scheduler.start(paused=True)
    scheduler.add_job(nothing, "date", run_date=FAR, id="a")
    changes: list[dict[str, Any]] = [
        {"id": "b"},
        {"colour": "red"},
        {"name": ""},
        {"trigger": "date"},
        {"func": takes},
        {"args": [1], "func": takes, "kwargs": {"b": 2}},
        {"next_run_time": 5.0},
        {"coalesce": "anything"},
        {"max_instances": 3, "misfire_grace_time": -1},
    ]
    for change in changes:
        library.attempt(scheduler.modify_job, "a", **change)
        library.see_jobs(scheduler)
    for method in ("modify_job", "reschedule_job", "pause_job", "resume_job", "remove_job"):
        library.attempt(getattr(scheduler, method), "nosuch")
        library.attempt(getattr(scheduler, method), "a", "nosuch")
    scheduler.shutdown()


@scenario
def decorated(library: Library) -> None:
    scheduler = library.manual_scheduler()
    decorator = scheduler.scheduled_job("date", run_date=FAR, id="a", name="named")
    library.see(decorator(nothing) is nothing)
    decorator(return_five)
    library.see_jobs(scheduler)
    scheduler.start(paused=True)
    library.see_jobs(scheduler)
    scheduler.shutdown()


@scenario
def uwsgi(library: Library) -> None:
    import sys

    scheduler = library.manual_scheduler()
    sys.modules["uwsgi"] = ModuleType("uwsgi")
    try:
        sys.modules["uwsgi"].has_threads = False  # type: ignore[attr-defined]
        library.attempt(scheduler.start)
    finally:
        del sys.modules["uwsgi"]
    library.see(scheduler.running)


@scenario
def plugin_errors(library: Library) -> None:
    scheduler = library.manual_scheduler()
    for type_ in ("trigger", "executor", "jobstore"):
        try:
            scheduler._create_plugin_instance(type_, "nosuch", {})
        except LookupError as exc:
            # DIFFERENCE: mainspring also says which ones there are.
            library.see(type(exc).__name__, str(exc).partition(" (known")[0])


@scenario
def pickling(library: Library) -> None:
    scheduler = library.manual_scheduler()
    library.attempt(scheduler.__getstate__)


@scenario
def restarting(library: Library) -> None:
    scheduler = library.manual_scheduler()
    for _ in range(2):
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        library.see_jobs(scheduler)
        scheduler.shutdown()
        library.see_jobs(scheduler)


@scenario
def in_the_background(library: Library) -> None:
    """What can be said of a scheduler that runs by itself: each job's own story, in order."""
    ended = threading.Semaphore(0)

    def on_event(event: Any) -> None:
        ended.release()

    scheduler = library.BackgroundScheduler(
        timezone="UTC", job_defaults={"misfire_grace_time": None}
    )
    scheduler.add_listener(library.on_event, library.EVENT_ALL & ~library.EVENT_JOB_SUBMITTED)
    scheduler.add_listener(on_event, library.EVENT_JOB_EXECUTED | library.EVENT_JOB_ERROR)
    scheduler.start()
    scheduler.add_job(return_five, "date", run_date=PAST, id="five")
    scheduler.add_job(raise_error, "date", run_date=PAST, id="raises")
    for _ in range(2):
        assert ended.acquire(timeout=PATIENCE)
    scheduler.shutdown()
    library.seen.sort(key=lambda entry: ("five" in str(entry), "raise" in str(entry), str(entry)))
