"""What log records and events say beside their text: where they come from, and the context they were made in.

Each scenario is run by APScheduler and by mainspring. Programs put a trace id, a user's name or the like into
context variables, and read them where a record or an event arrives.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.differential.library import PAST, Library
from tests.support import PATIENCE

request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")


def work() -> None:
    request.set("set by the run")


def fail() -> None:
    request.set("set by the run")
    raise LookupError


async def work_async() -> None:
    work()
    await asyncio.sleep(0)


async def fail_async() -> None:
    work()
    await asyncio.sleep(0)
    raise LookupError


class Records(logging.Handler):
    """What the records of a library say, by their texts."""

    def __init__(self, library: Library) -> None:
        super().__init__(logging.INFO)
        self.logger = logging.getLogger(library.package)
        self.seen: dict[str, Any] = {}

    def emit(self, record: logging.LogRecord) -> None:
        home = Path(record.pathname).parent.name
        self.seen[record.msg] = (home, record.module, record.funcName, request.get())

    def __enter__(self) -> Records:
        self.logger.addHandler(self)
        self.logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(logging.NOTSET)


async def observe(
    name: str, scheduler_class: str, executor: str | None, func: Callable[[], object], late: bool
) -> tuple[dict[str, Any], dict[int, str]]:
    """Run a job once; return what was seen of its records and its events."""
    library = Library(name)
    request.set("start")
    options: dict[str, Any] = {"timezone": "UTC"}
    if executor is not None:
        options["executors"] = {"default": getattr(library, executor)()}
    scheduler = getattr(library, scheduler_class)(**options)
    ended = library.EVENT_JOB_EXECUTED | library.EVENT_JOB_ERROR | library.EVENT_JOB_MISSED
    events: dict[int, str] = {}
    has_ended = threading.Event()

    def listener(event: Any) -> None:
        events[event.code] = request.get()
        if event.code & ended:
            has_ended.set()

    scheduler.add_listener(listener, ended | library.EVENT_JOB_SUBMITTED)
    with Records(library) as records:
        scheduler.start()
        grace = 1 if late else None
        scheduler.add_job(func, "date", run_date=PAST, id="a", misfire_grace_time=grace)
        assert await asyncio.to_thread(has_ended.wait, PATIENCE)
        await asyncio.sleep(0)
        scheduler.shutdown()
    return records.seen, events


RUNS = ("Running job", "Job ", "Run time", "Removed job")


def of_runs(records: dict[str, Any], part: slice) -> dict[str, Any]:
    return {text: about[part] for text, about in records.items() if text.startswith(RUNS)}


CASES = [
    ("BackgroundScheduler", None, work),
    ("BackgroundScheduler", None, fail),
    ("BackgroundScheduler", "DebugExecutor", work),
    ("BackgroundScheduler", "DebugExecutor", fail),
    ("AsyncIOScheduler", None, work),
    ("AsyncIOScheduler", None, fail),
    ("AsyncIOScheduler", None, work_async),
    ("AsyncIOScheduler", None, fail_async),
    ("AsyncIOScheduler", "DebugExecutor", work),
    ("AsyncIOScheduler", "ThreadPoolExecutor", fail),
]


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
@pytest.mark.parametrize(("scheduler", "executor", "func"), CASES)
async def test_records_and_events(scheduler: str, executor: Any, func: Any, late: bool) -> None:
    theirs, their_events = await observe("apscheduler", scheduler, executor, func, late)
    ours, our_events = await observe("mainspring", scheduler, executor, func, late)
    # The module and the function that a record names.
    assert of_runs(ours, slice(0, 3)) == of_runs(theirs, slice(0, 3))
    assert our_events.keys() == their_events.keys()
    end = "start" if late else "set by the run"
    for text, (*_, seen) in ours.items():
        if text.startswith(RUNS):
            before = text.startswith(("Running", "Removed"))
            # DIFFERENCE: a run begins in a copy of the context of start(), where APScheduler's run in a
            # thread has what the thread's last run has left, and with DebugExecutor the removal, too.
            assert seen == ("start" if before else end), text
            their_own = theirs[text][-1]
            assert before or their_own in ((seen, "none") if late else (seen,)), text
    for code, seen in our_events.items():
        # DIFFERENCE: APScheduler calls some listeners in the context of the scheduler, by the executor.
        submitted = code == Library("mainspring").EVENT_JOB_SUBMITTED
        assert seen == ("start" if submitted else end)
        assert their_events[code] in (seen, "start", "none", "set by the run")


class FullLog(logging.Handler):
    """Fails with the records of how a run has ended."""

    def __init__(self, ends: threading.Semaphore) -> None:
        super().__init__(logging.INFO)
        self.ends = ends

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith(("Job ", "Run time")):
            raise OSError("the log is full")
        if record.msg.startswith("Error running job"):
            self.ends.release()


async def codes_despite_a_full_log(
    name: str, scheduler_class: str, executor: str | None, func: Callable[[], object], late: bool
) -> list[str]:
    """Run a job once; return the names of the events that tell how it ended."""
    library = Library(name)
    options: dict[str, Any] = {"timezone": "UTC"}
    if executor is not None:
        options["executors"] = {"default": getattr(library, executor)()}
    scheduler = getattr(library, scheduler_class)(**options)
    names = {
        getattr(library, each): each
        for each in ("EVENT_JOB_EXECUTED", "EVENT_JOB_ERROR", "EVENT_JOB_MISSED")
    }
    told: list[str] = []
    # That of the run, and that of the job, of which other threads tell.
    ends = threading.Semaphore(0)

    def listener(event: Any) -> None:
        if event.code in names:
            told.append(names[event.code])
        ends.release()

    scheduler.add_listener(listener, sum(names) | library.EVENT_JOB_REMOVED)
    logger, handler = logging.getLogger(library.package), FullLog(ends)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        scheduler.start()
        grace = 1 if late else None
        scheduler.add_job(func, "date", run_date=PAST, id="a", misfire_grace_time=grace)
        for _ in ("run", "job"):
            assert await asyncio.to_thread(ends.acquire, timeout=PATIENCE)
        scheduler.shutdown()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    return told


@pytest.mark.parametrize("late", [False, True], ids=["in time", "late"])
@pytest.mark.parametrize(("scheduler", "executor", "func"), CASES)
async def test_a_logger_that_fails_keeps_no_listener_from_being_told(
    monkeypatch: pytest.MonkeyPatch, scheduler: str, executor: Any, func: Any, late: bool
) -> None:
    case = (scheduler, executor, func, late)
    # DIFFERENCE: APScheduler throws the events of the submission away.
    assert await codes_despite_a_full_log("apscheduler", *case) == []
    unraisable: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda about: unraisable.append(about.exc_type))
    told = await codes_despite_a_full_log("mainspring", *case)
    monkeypatch.undo()
    fails = func in (fail, fail_async)
    assert told == [
        "EVENT_JOB_MISSED" if late else "EVENT_JOB_ERROR" if fails else "EVENT_JOB_EXECUTED"
    ]
    assert unraisable == [OSError]
