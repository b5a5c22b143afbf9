"""Jobs in a process pool: the event loop that a function finds there, and every way a run may end."""

from __future__ import annotations

import concurrent.futures
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mainspring import BackgroundScheduler
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from mainspring.executors.pool import BasePoolExecutor, ProcessPoolExecutor
from tests.support import PATIENCE, Recorder, listen
from tests.unit import process_jobs as jobs

ENDED = EVENT_JOB_ERROR | EVENT_JOB_EXECUTED


class App:
    """A scheduler with one child process."""

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
        self.recorder: Recorder = listen(self.scheduler, ENDED)
        self.scheduler.start()

    def end_of(self, func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a job; return the event of its end, of which there is one, with its slot given back."""
        count = len(self.recorder.events)
        options = {"id": func.__name__, "misfire_grace_time": None, **options}
        self.scheduler.add_job(func, args=args, **options)
        event = self.recorder.wait_for(ENDED, count + 1)[-1]
        assert (event.job_id, event.jobstore) == (options["id"], "default")
        assert not self.executor._instances
        return event

    def run(self, func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        event = self.end_of(func, *args, **options)
        if event.exception is not None:
            raise event.exception
        return event.retval


class OwnPool(BasePoolExecutor):
    """An executor as a user writes one, over a pool of processes."""

    def __init__(self, max_workers: int) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        super().__init__(concurrent.futures.ProcessPoolExecutor(max_workers, context))


@pytest.fixture(scope="module", params=[ProcessPoolExecutor, OwnPool])
def any_app(request: Any) -> Iterator[App]:
    app = App(request.param(1))
    yield app
    app.scheduler.shutdown()


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    app = App(ProcessPoolExecutor(1))
    yield app
    app.scheduler.shutdown()


class TestLoop:
    """A function finds an event loop of its own, whatever the one before it has left."""

    @pytest.mark.parametrize(
        "before",
        [
            jobs.double,
            jobs.waits,
            jobs.returns_a_coroutine,
            jobs.waits_and_closes,
            jobs.runs,
            jobs.unsets_the_loop,
            jobs.sets_a_loop,
        ],
    )
    def test_after_another_function(self, any_app: App, before: Callable[..., Any]) -> None:
        assert any_app.run(before, 3) == 6
        assert any_app.run(jobs.waits_for_a_task, 21) == 42
        assert any_app.run(before, 3) == 6
        assert any_app.run(jobs.waits_for_many, 21) == [42, 2]
        assert any_app.run(jobs.returns_a_task, 21) == 42

    @pytest.mark.parametrize("before", [jobs.runs, jobs.unsets_the_loop])
    def test_after_a_loop_of_its_own(self, any_app: App, before: Callable[..., Any]) -> None:
        assert any_app.run(jobs.waits_after, before, 21) == 42

    def test_after_one_that_failed(self, app: App) -> None:
        with pytest.raises(ValueError, match="no good"):
            app.run(jobs.fails)
        assert app.run(jobs.waits, 21) == 42

    def test_what_it_leaves_behind_runs_to_its_end(self, app: App, tmp_path: Path) -> None:
        path = tmp_path / "left"
        app.run(jobs.leaves_a_task, str(path))
        assert path.exists()

    def test_a_loop_that_the_program_has_set(self) -> None:
        app = App(ProcessPoolExecutor(1, {"initializer": jobs.set_loop}))
        try:
            for _ in range(2):
                assert app.run(jobs.finds_the_programs_loop, 21) == 42
                assert app.run(jobs.awaits_on_the_programs_loop, 21) == 42
                assert app.run(jobs.unsets_the_loop, 21) == 42
                assert app.run(jobs.waits_after, jobs.runs, 21) == 42
        finally:
            app.scheduler.shutdown()


#: A program whose child process logs to the program's output.
TELLING = """
import logging, sys, threading
from tests.unit import process_jobs as jobs

def log_to_stdout():
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s")

if __name__ == "__main__":
    from mainspring import BackgroundScheduler
    from mainspring.executors.pool import ProcessPoolExecutor

    executor = ProcessPoolExecutor(1, {"initializer": log_to_stdout})
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
    ended = threading.Semaphore(0)
    scheduler.add_listener(lambda event: ended.release(), 1 << 12 | 1 << 13)
    scheduler.start()
    for name in sys.argv[1:]:
        scheduler.add_job(getattr(jobs, name), id=name, misfire_grace_time=None)
        assert ended.acquire(timeout=30)
    scheduler.shutdown()
"""


@pytest.mark.parametrize(
    ("name", "level", "text"),
    [
        ("drops_a_coroutine", "WARNING", 'Job "drops_a_coroutine" made a coroutine that was never'),
        ("leaves_a_task_that_fails", "ERROR", 'by job "leaves_a_task_that_fails", raised an exc'),
        ("leaves_a_task_for_ever", "WARNING", "did not end within 0.01 s, and are cancelled"),
    ],
)
def test_what_a_function_leaves_behind_is_told_of(
    tmp_path: Path, name: str, level: str, text: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(TELLING)
    # The function after it finds the child in order.
    ended = subprocess.run(
        [sys.executable, str(program), name, "fails"],
        cwd=Path(__file__).parents[2],
        env=None if sys.platform == "win32" else {"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told, failed = (line for line in ended.stdout.splitlines() if " mainspring." in line)
    assert told.startswith(f"{level} mainspring.executors: ")
    assert text in told
    assert name in told
    assert failed.startswith('ERROR mainspring.executors.default: Job "fails')


class TestEnds:
    """However a run ends, its listeners are told once, and the child or the next one is there for others."""

    @pytest.mark.parametrize(
        ("func", "error", "text"),
        [
            (jobs.ends_the_process, BrokenProcessPool, "terminated abruptly"),
            (jobs.returns_a_lambda, (AttributeError, pickle.PicklingError), "returns_a_lambda"),
            (jobs.returns_what_cannot_be_loaded, ValueError, "no number"),
            (jobs.raises_what_cannot_be_loaded, pickle.PicklingError, "OwnError: code: 5"),
            (jobs.raises_what_cannot_be_pickled, pickle.PicklingError, "LockingError: locked"),
        ],
    )
    def test_a_run_whose_end_the_pool_cannot_tell(
        self,
        app: App,
        caplog: pytest.LogCaptureFixture,
        func: Callable[..., Any],
        error: Any,
        text: str,
    ) -> None:
        # DIFFERENCE: APScheduler logs it and tells no listener.
        event = app.end_of(func)
        assert event.code == EVENT_JOB_ERROR
        assert isinstance(event.exception, error)
        assert text in str(event.exception)
        assert event.retval is None
        assert event.traceback is not None
        if func is jobs.raises_what_cannot_be_loaded:
            assert "in raises_what_cannot_be_loaded" in event.traceback
        (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
        assert record.getMessage() == f"Error running job {func.__name__}"
        assert app.run(jobs.waits, 21) == 42

    def test_each_run_time_of_a_submission_has_its_own_end(self, app: App) -> None:
        job = app.scheduler.add_job(
            jobs.returns_every_other_time, id="many", misfire_grace_time=None, next_run_time=None
        )
        count = len(app.recorder.events)
        times = [datetime(2020, 1, day, tzinfo=timezone.utc) for day in range(1, 5)]
        app.executor.submit_job(job, times)
        events = app.recorder.wait_for(ENDED, count + 4)[count:]
        job.remove()
        assert [event.scheduled_run_time for event in events] == times
        assert [event.retval for event in events] == [None, 2, None, 4]

    def test_what_breaks_the_pool_ends_all_that_is_in_it(self) -> None:
        app = App(ProcessPoolExecutor(1))
        try:
            app.scheduler.pause()
            options = {"misfire_grace_time": None, "max_instances": 2}
            for number in range(3):
                app.scheduler.add_job(jobs.ends_the_process, id=f"job-{number}", **options)
            app.scheduler.resume()
            events = app.recorder.wait_for(ENDED, 3)
            assert sorted(event.job_id for event in events) == ["job-0", "job-1", "job-2"]
            assert {event.code for event in events} == {EVENT_JOB_ERROR}
            assert app.run(jobs.waits, 21) == 42
            assert len(app.recorder.events) == 4
        finally:
            app.scheduler.shutdown()
