"""Coroutines that a job made and did not await: the job is named, and CPython's warning is as it was."""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainspring import BackgroundScheduler
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from tests.loops.apps import APPS, App, background_app, double
from tests.loops.programs import run_program
from tests.support import ListJobStore, ManualScheduler

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.fixture(params=APPS)
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    with APPS[request.param](executors={"default": ThreadPoolExecutor(1)}) as app:
        yield app


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [r for r in caplog.records if "never awaited" in r.getMessage()]
    assert {r.levelno for r in records} <= {logging.WARNING}
    assert {r.name for r in records} <= {"mainspring.executors"}
    return [r.getMessage() for r in records]


def drops() -> str:
    double(1)
    return "done"


def drops_two() -> str:
    double(1)
    asyncio.sleep(0)
    return "done"


def keeps_until_it_returns() -> str:
    coroutine = double(1)
    assert coroutine
    return "done"


def drops_and_fails() -> None:
    coroutine = double(1)
    raise ValueError(f"made {coroutine}")


@pytest.mark.parametrize("in_python_store", [False, True])
@pytest.mark.parametrize(
    ("job", "names"),
    [
        (drops, "double"),
        (drops_two, "double, sleep"),
        (keeps_until_it_returns, "double"),
        (drops_and_fails, "double"),
    ],
)
def test_the_job_is_named(
    app: App,
    caplog: pytest.LogCaptureFixture,
    job: Callable[[], Any],
    names: str,
    in_python_store: bool,
) -> None:
    options = {}
    if in_python_store:
        app.scheduler.add_jobstore(ListJobStore(), "python")
        options = {"jobstore": "python"}
    if job is drops_and_fails:
        with pytest.raises(ValueError, match="made"):
            app.run(job, id="the-id", **options)
    else:
        assert app.run(job, id="the-id", **options) == "done"
    app.run(threading.get_ident)  # the thread is at its next run
    assert told(caplog) == [f'Job "the-id" made a coroutine that was never awaited: {names}']


def test_what_is_awaited_closed_or_returned_is_not_told_of(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    def job() -> Any:
        loop = asyncio.get_event_loop()
        loop.run_until_complete(double(1))
        double(2).close()
        task = asyncio.ensure_future(double(3))
        loop.run_until_complete(asyncio.wait([task]))
        return double(4)

    assert app.run(job)[0] == 8
    assert app.run(threading.get_ident)
    assert told(caplog) == []


def test_another_thread_is_not_the_jobs(app: App, caplog: pytest.LogCaptureFixture) -> None:
    def job() -> None:
        thread = threading.Thread(target=drops)
        thread.start()
        thread.join()

    app.run(job)
    drops()
    assert told(caplog) == []


def test_a_job_within_a_job(caplog: pytest.LogCaptureFixture) -> None:
    inner = ManualScheduler(timezone="UTC", executors={"default": DebugExecutor()})
    inner.start()
    inner.add_job(drops, id="inner")

    def job() -> None:
        inner._process_jobs()
        drops()

    with background_app() as app:
        app.run(job, id="outer")
    inner.shutdown()
    assert [text.split('"')[1] for text in told(caplog)] == ["inner", "outer"]


@pytest.mark.parametrize("scheduler_class", [BackgroundScheduler, ManualScheduler])
def test_the_debug_executor(
    caplog: pytest.LogCaptureFixture, scheduler_class: type[BackgroundScheduler]
) -> None:
    scheduler = scheduler_class(timezone="UTC", executors={"default": DebugExecutor()})
    ended = threading.Event()
    scheduler.add_listener(lambda event: ended.set(), 1 << 12)
    scheduler.start()
    scheduler.add_job(drops, id="the-id", misfire_grace_time=None)
    if scheduler_class is ManualScheduler:
        scheduler._process_jobs()
    assert ended.wait(30)
    scheduler.shutdown()
    assert told(caplog) == ['Job "the-id" made a coroutine that was never awaited: double']


def test_the_warning_is_as_it_was() -> None:
    # A line of this file, and once for each place, as the filters say.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with background_app() as app:
            for _ in range(3):
                app.run(drops)
    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert str(warning.message) == "coroutine 'double' was never awaited"
    assert warning.filename == __file__
    assert warning.lineno == drops.__code__.co_firstlineno + 1


PROGRAM = """
from mainspring import BackgroundScheduler

async def double(number):
    return 2 * number

def job():
    double(1)

scheduler = BackgroundScheduler(timezone="UTC")
ended = threading.Event()
scheduler.add_listener(lambda event: ended.set(), 1 << 12)
scheduler.start()
scheduler.add_job(job, id="the-id", misfire_grace_time=None)
ended.wait(30)
scheduler.shutdown()
"""


def test_a_warning_that_is_an_error(tmp_path: Path) -> None:
    # Where it is raised, CPython writes it to stderr, and no more.
    ended = run_program(tmp_path, PROGRAM)
    assert ended.status == 0
    assert ended.stdout == (
        "WARNING mainspring.executors: "
        'Job "the-id" made a coroutine that was never awaited: double\n'
    )
    assert "RuntimeWarning: coroutine 'double' was never awaited" in ended.stderr
    assert "mainspring" not in ended.stderr
