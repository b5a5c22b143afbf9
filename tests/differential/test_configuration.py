"""Configuration of APScheduler and of mainspring: its forms and prefixes, intervals, loggers."""

from __future__ import annotations

import logging
import pickle
import re
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from tests.differential.library import FAR, Library, Scenario, Scenarios, assert_same
from tests.support import nothing

scenario = Scenarios()


@pytest.mark.parametrize("function", scenario, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


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
