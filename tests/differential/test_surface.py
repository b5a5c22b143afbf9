"""What lies around jobs and their runs, on APScheduler and on mainspring: files of jobs, forms of
configuration, plugins, executors of one's own, and the names that people's test suites patch."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import json
import logging
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from copy import deepcopy
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from tests.differential.library import FAR, PAST, Library, Scenario, assert_same
from tests.support import PATIENCE, coroutine_five, nothing, raise_error, return_five

SCENARIOS: list[Scenario] = []


def scenario(function: Scenario) -> Scenario:
    SCENARIOS.append(function)
    return function


@pytest.mark.parametrize("function", SCENARIOS, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


# Messages that programs compare; what was given and what is allowed is in notes


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


# What a job store of one's own is asked


@scenario
def questions_to_a_store(library: Library) -> None:
    jobs: dict[str, Any] = {}

    class Store(library.BaseJobStore):  # type: ignore[misc, name-defined]
        def note(self, *call: Any) -> None:
            library.see("asked", *call)

        def lookup_job(self, job_id: str) -> Any:
            self.note("lookup_job", job_id)
            return jobs.get(job_id)

        def get_due_jobs(self, now: datetime) -> list[Any]:
            self.note("get_due_jobs")
            return []

        def get_next_run_time(self) -> None:
            self.note("get_next_run_time")

        def get_all_jobs(self) -> list[Any]:
            self.note("get_all_jobs")
            return list(jobs.values())

        def add_job(self, job: Any) -> None:
            self.note("add_job", job.id)
            if job.id in jobs:
                raise library.ConflictingIdError(job.id)
            jobs[job.id] = job

        def update_job(self, job: Any) -> None:
            self.note("update_job", job.id)

        def remove_job(self, job_id: str) -> None:
            self.note("remove_job", job_id)
            if jobs.pop(job_id, None) is None:
                raise library.JobLookupError(job_id)

        def remove_all_jobs(self) -> None:
            self.note("remove_all_jobs")

    scheduler = library.manual_scheduler(jobstores={"default": Store()})
    scheduler.start()
    for _ in range(2):
        scheduler.add_job(nothing, "date", run_date=FAR, id="1", replace_existing=True)
    library.attempt(scheduler.add_job, nothing, "date", run_date=FAR, id="1")
    scheduler.get_job("1")
    scheduler.modify_job("1", name="one")
    scheduler.reschedule_job("1", trigger="date", run_date=FAR)
    scheduler.pause_job("1")
    scheduler.resume_job("1", "default")
    library.see_jobs(scheduler)
    scheduler._process_jobs()
    for job_id in ("1", "2"):
        library.attempt(scheduler.remove_job, job_id)
        library.attempt(scheduler.modify_job, job_id)
    scheduler.remove_all_jobs()
    scheduler.shutdown()


# Files of jobs


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


# Configuration


@scenario
def prefixes_and_forms(library: Library) -> None:
    defaults = {"coalesce": "no"}
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"a.timezone": "Asia/Tokyo", "apscheduler.timezone": "UTC"}, {"prefix": "a."}),
        ({"timezone": "Asia/Tokyo"}, {"prefix": ""}),
        ({"timezone": "Asia/Tokyo"}, {"prefix": None}),
        ({"timezone": "Asia/Tokyo"}, {}),
        ({"apscheduler.timezone": "Asia/Tokyo"}, {"timezone": "UTC"}),
        ({"apscheduler.job_defaults": defaults, "apscheduler.job_defaults.max_instances": "4"}, {}),
        ({"apscheduler.executors.default": "debug"}, {}),
        ({"apscheduler.executors.default.type": "debug"}, {"executors": {}}),
        ({"apscheduler.executors.a.type": "threadpool", "apscheduler.executors.a.x": 1}, {}),
        ({"apscheduler.logger": "logging:root"}, {}),
        ({}, {"logger": logging.getLogger("of.ones.own")}),
        ({}, {"logger": "nosuch"}),
        ({}, {"logger": "logging:nosuch"}),
        ({}, {"timezone": None}),
        ({}, {"jobstore_retry_interval": None}),
        ({}, {"jobstore_retry_interval": "2.5"}),
    ]
    for gconfig, options in cases:
        scheduler = library.manual_scheduler()
        with mock.patch(
            f"{library.package}.schedulers.base.get_localzone", return_value=ZoneInfo("Asia/Seoul")
        ):
            library.attempt(scheduler.configure, gconfig, **options)
        library.see(
            scheduler._job_defaults,
            str(scheduler.timezone),
            scheduler.jobstore_retry_interval,
            sorted(scheduler._executors),
            scheduler._logger.name.replace(library.package, "<package>"),
        )


@scenario
def retry_interval(library: Library) -> None:
    class Store(library.MemoryJobStore):  # type: ignore[misc, name-defined]
        def get_due_jobs(self, now: Any) -> Any:
            raise OSError("gone")

    for interval in (7, 3600):
        scheduler = library.manual_scheduler(
            jobstores={"default": Store()}, jobstore_retry_interval=interval
        )
        scheduler.start()
        library.see("wait", interval - 1 < scheduler._process_jobs() <= interval)
        scheduler.shutdown()


@scenario
def a_logger_of_ones_own(library: Library) -> None:
    logger = mock.Mock()
    scheduler = library.manual_scheduler(logger=logger)
    scheduler.start()
    scheduler.add_job(nothing, "date", run_date=FAR, id="a")
    scheduler.remove_job("a")
    scheduler.shutdown()
    library.see([(call[0], *map(str, call[1])) for call in logger.method_calls])


@scenario
def debug_records(library: Library) -> None:
    scheduler = library.manual_scheduler()
    logger = logging.getLogger(f"{library.package}.scheduler")
    logger.setLevel(logging.DEBUG)
    library.setLevel(logging.DEBUG)
    try:
        scheduler.start()
        scheduler._process_jobs()
        scheduler.add_job(
            nothing, "date", run_date=datetime.now(FAR.tzinfo) + timedelta(days=1), id="a"
        )
        before = len(library.seen)
        scheduler._process_jobs()
        library.seen[before:] = [
            (*entry[:3], re.sub(r"due at .* \(in [\d.]+", "due at <time> (in <n>", entry[3]))
            for entry in library.seen[before:]
        ]
        scheduler.pause()
        library.see(scheduler._process_jobs())
        scheduler.shutdown()
    finally:
        logger.setLevel(logging.NOTSET)
    library.seen[:] = [entry for entry in library.seen if entry[0] == "log" and entry[2] == "DEBUG"]


@scenario
def copying_a_scheduler(library: Library) -> None:
    scheduler = library.manual_scheduler()
    for function in (pickle.dumps, deepcopy):
        library.attempt(function, scheduler)
    library.attempt(pickle.dumps, {"argument": [scheduler]})


# Executors


def events_of(library: Library, executor: Any, func: Callable[..., Any]) -> None:
    """Run a job with an executor, and see the events of its end."""
    ended = threading.Event()

    def take(event: Any) -> None:
        library.on_event(event)
        ended.set()

    scheduler = library.BackgroundScheduler(timezone="UTC", executors={"default": executor})
    scheduler.add_listener(take, library.EVENT_JOB_EXECUTED | library.EVENT_JOB_ERROR)
    scheduler.start()
    before = len(library.seen)
    scheduler.add_job(func, "date", run_date=PAST, misfire_grace_time=None, id="a")
    assert ended.wait(PATIENCE)
    scheduler.shutdown()
    library.seen[before:] = [entry for entry in library.seen[before:] if entry[0] != "log"]


@scenario
def executors_of_ones_own(library: Library) -> None:
    run_job, run_coroutine_job = library.run_job, library.run_coroutine_job

    class Here(library.BaseExecutor):  # type: ignore[misc, name-defined]
        def _do_submit_job(self, job: Any, run_times: Any) -> None:
            try:
                events = self.run(job, job._jobstore_alias, run_times, self._logger.name)
            except BaseException:
                self._run_job_error(job.id, *sys.exc_info()[1:])
            else:
                self._run_job_success(job.id, events)

        def run(self, *args: Any) -> Any:
            return run_job(*args)

    class OnALoop(Here):
        def run(self, *args: Any) -> Any:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                return pool.submit(asyncio.run, run_coroutine_job(*args)).result()

    class OnThePool(library.ThreadPoolExecutor):  # type: ignore[misc, name-defined]
        def _do_submit_job(self, job: Any, run_times: Any) -> None:
            future = self._pool.submit(
                run_job, job, job._jobstore_alias, run_times, self._logger.name
            )
            future.add_done_callback(lambda done: self._run_job_success(job.id, done.result()))

    class Watching(library.ThreadPoolExecutor):  # type: ignore[misc, name-defined]
        def _run_job_success(self, job_id: str, events: Any) -> None:
            library.see("success", job_id, [event.code for event in events])
            super()._run_job_success(job_id, events)

    class OnAnotherPool(library.BasePoolExecutor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__(concurrent.futures.ThreadPoolExecutor(1))

    for cls in (Here, OnThePool, Watching, OnAnotherPool):
        for func in (return_five, raise_error):
            library.see(cls.__name__, func.__name__)
            events_of(library, cls(), func)
    events_of(library, OnALoop(), coroutine_five)


@scenario
def executors_that_fail(library: Library) -> None:
    class Failing(library.BaseExecutor):  # type: ignore[misc, name-defined]
        def _do_submit_job(self, job: Any, run_times: Any) -> None:
            self._instances[job.id] += 1
            self._run_job_error(job.id, OSError("no room"), None)
            library.see(dict(self._instances))

    scheduler = library.manual_scheduler(executors={"default": Failing()})
    scheduler.start()
    scheduler.add_job(nothing, "date", run_date=FAR, next_run_time=PAST, id="a", name="b")
    library.process(scheduler)
    # DIFFERENCE: the listeners are told of a run that an executor could not make.
    library.seen[:] = [
        entry for entry in library.seen if entry[:2] != ("event", "JobExecutionEvent")
    ]
    scheduler.shutdown()
    for arguments in ((0,), ("many",), (-1,)):
        library.attempt(library.ThreadPoolExecutor, *arguments)
        library.attempt(library.ProcessPoolExecutor, *arguments)
    for cls in (library.ThreadPoolExecutor, library.ProcessPoolExecutor, library.DebugExecutor):
        executor = cls()
        library.attempt(executor.submit_job, mock.Mock(id="a"), [PAST])


@scenario
def options_of_the_pool(library: Library) -> None:
    seen: list[int] = []
    options = {"initializer": seen.append, "initargs": (5,), "thread_name_prefix": "mine"}
    events_of(library, library.ThreadPoolExecutor(1, options), lambda: seen)
    events_of(
        library, library.ThreadPoolExecutor(1, options), lambda: threading.current_thread().name
    )
    library.see(library.ThreadPoolExecutor(7)._pool._max_workers)


# Names that test suites patch


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


# Plugins

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
from {package}.schedulers.background import BackgroundScheduler
from {package}.triggers.interval import IntervalTrigger
scheduler = BackgroundScheduler(
    timezone="UTC", executors={{"default": {{"type": "mine", "size": 3}}}},
    jobstores={{"default": {{"type": "mine"}}}},
)
print(type(scheduler._executors["default"]).__name__, scheduler._executors["default"].size)
print(type(scheduler._jobstores["default"]).__name__)
print(type(scheduler.add_job(print, "mine", minutes=3).trigger).__name__)
for type_ in ("trigger", "executor", "jobstore"):
    for alias in ("nosuch", "broken", "other"):
        try:
            scheduler._create_plugin_instance(type_, alias, {{}})
        except Exception as exc:
            print(type_, alias, type(exc).__name__, exc)
"""

PLUGINS = """
from {package}.executors.debug import DebugExecutor
from {package}.jobstores.memory import MemoryJobStore
from {package}.triggers.interval import IntervalTrigger
class Executor(DebugExecutor):
    def __init__(self, size):
        super().__init__()
        self.size = size
class Store(MemoryJobStore): pass
class Trigger(IntervalTrigger): pass
class Other: pass
"""


@pytest.mark.parametrize("group", ["apscheduler", "mainspring"])
def test_plugins_of_installed_packages(tmp_path: Path, group: str) -> None:
    outputs = {}
    for package in ("apscheduler", "mainspring"):
        directory = tmp_path / package
        information = directory / "plugins-1.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1\n")
        # The group of mainspring's name is only mainspring's.
        prefix = group if package == "mainspring" else "apscheduler"
        lines = []
        for type_, cls in (("trigger", "Trigger"), ("executor", "Executor"), ("jobstore", "Store")):
            lines += [f"[{prefix}.{type_}s]", f"mine = plugins:{cls}"]
            lines += ["other = plugins:Other", "broken = plugins:nosuch"]
        (information / "entry_points.txt").write_text("\n".join(lines))
        (directory / "plugins.py").write_text(PLUGINS.format(package=package))
        program = PROGRAM.format(package=package)
        command = [sys.executable, "-c", program, package, str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), done
        outputs[package] = done.stdout
    assert outputs["mainspring"] == outputs["apscheduler"]
    assert outputs["mainspring"].startswith("Executor 3\nStore\nTrigger\n")


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
