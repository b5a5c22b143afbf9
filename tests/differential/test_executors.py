"""Executors of APScheduler and of mainspring: a user's own, those that fail, and options of pools."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from tests.differential.library import FAR, PAST, Library, Scenario, Scenarios, assert_same
from tests.support import PATIENCE, coroutine_five, nothing, raise_error, return_five

scenario = Scenarios()


@pytest.mark.parametrize("function", scenario, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


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
