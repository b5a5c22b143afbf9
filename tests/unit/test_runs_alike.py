"""A run is the same run wherever its function is called: on a loop, in threads, in a child process, by an
executor of the user's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from mainspring.executors.asyncio import AsyncIOExecutor
from mainspring.executors.base import BaseExecutor, run_coroutine_job, run_job
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from mainspring.job import Job
from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.blocking import BlockingScheduler
from mainspring.testing import ManualClock
from mainspring.testing._conductor import Conductor
from tests.support import PATIENCE, Recorder, listen

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ENDED = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED


class OwnExecutor(BaseExecutor):
    """An executor as a user writes one."""

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
        self._run_job_success(job.id, events)


class OwnTasks(BaseExecutor):
    """Another one, for coroutines."""

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        async def run() -> None:
            alias, logger = job._jobstore_alias, self._logger.name
            self._run_job_success(job.id, await run_coroutine_job(job, alias, run_times, logger))

        self.task = asyncio.ensure_future(run())


class OwnDebugExecutor(DebugExecutor):
    """One whose runs the engine leaves to it."""

    def _run_job_success(self, job_id: str, events: Sequence[Any]) -> None:
        super()._run_job_success(job_id, events)


#: How often each job has been called in this process.
calls: dict[str, int] = {}


def play(name: str, script: Sequence[str]) -> object:
    """Do what the script has for this call."""
    number = calls[name] = calls.get(name, 0) + 1
    what = script[number - 1]
    if what == "exit":
        raise SystemExit(3)
    if what == "error":
        raise LookupError(number)
    return number if what == "value" else None


async def play_at_once(name: str, script: Sequence[str]) -> object:
    return play(name, script)


async def play_later(name: str, script: Sequence[str]) -> object:
    await asyncio.sleep(0)
    return play(name, script)


def play_what_is_awaited(name: str, script: Sequence[str]) -> object:
    return play_later(name, script)


class Told(NamedTuple):
    """What was told of a job, in order."""

    events: list[tuple[Any, ...]]
    records: list[tuple[Any, ...]]


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[0] if record.exc_info else None
        self.seen.append((record.levelname, record.getMessage(), record.funcName, raised))


@contextmanager
def listened_to(executor: str) -> Iterator[Records]:
    logger = logging.getLogger(f"mainspring.executors.{executor}")
    records = Records()
    logger.addHandler(records)
    logger.setLevel(logging.INFO)
    try:
        yield records
    finally:
        logger.removeHandler(records)
        logger.setLevel(logging.NOTSET)


async def told_of(
    executor: BaseExecutor, func: Callable[..., object], script: Sequence[str], grace: int | None
) -> Told:
    """Have a job run for as many run times as the script has, one a minute, all due at once."""
    clock = ManualClock(START)
    scheduler = AsyncIOScheduler(clock=clock, timezone="UTC", executors={"default": executor})
    recorder = listen(scheduler, ENDED)
    name = f"{id(executor)}"
    calls.pop(name, None)
    with listened_to("default") as records:
        scheduler.start()
        options: dict[str, Any] = {"coalesce": False, "misfire_grace_time": grace, "id": "a"}
        end = START + timedelta(minutes=len(script))
        scheduler.add_job(func, "interval", (name, script), minutes=1, end_date=end, **options)
        clock.suspend(timedelta(minutes=len(script)))
        await clock.aadvance(0)
        await asyncio.to_thread(
            recorder.wait_until, lambda: len(recorder.of(ENDED)) >= len(script), int
        )
        scheduler.shutdown()
    return Told([summary(event) for event in recorder.of(ENDED)], records.seen)


def summary(event: Any) -> tuple[Any, ...]:
    last = (event.traceback or "").splitlines()[-1:]
    about = (event.code, event.job_id, event.jobstore, event.scheduled_run_time)
    return (*about, event.retval, repr(event.exception), last)


def expected(script: Sequence[str], grace: int | None, caller: str, job: str) -> Told:
    """Say what is to be told, as 3.x's `run_job` would."""
    told = Told([], [])
    now, called = START + timedelta(minutes=len(script)), 0
    for number in range(1, len(script) + 1):
        at = START + timedelta(minutes=number)
        about = ("a", "default", at)
        if grace is not None and now - at > timedelta(seconds=grace):
            told.events.append((EVENT_JOB_MISSED, *about, None, "None", []))
            late = f'Run time of job "{job}" was missed by {now - at}'
            told.records.append(("WARNING", late, caller, None))
            continue
        called += 1
        told.records.append(("INFO", f'Running job "{job}" (scheduled at {at})', caller, None))
        what = script[called - 1]
        if what in ("error", "exit"):
            raised: Any = LookupError(called) if what == "error" else SystemExit(3)
            line = "    raise LookupError(number)" if what == "error" else "    raise SystemExit(3)"
            told.events.append((EVENT_JOB_ERROR, *about, None, repr(raised), [line]))
            told.records.append(("ERROR", f'Job "{job}" raised an exception', caller, type(raised)))
        else:
            value = called if what == "value" else None
            told.events.append((EVENT_JOB_EXECUTED, *about, value, "None", []))
            told.records.append(("INFO", f'Job "{job}" executed successfully', caller, None))
    return told


FUNCTIONS = (play, play_what_is_awaited)
COROUTINES = (play_at_once, play_later)
IN_PROCESS = [
    *((executor, func) for executor in (ThreadPoolExecutor, AsyncIOExecutor) for func in FUNCTIONS),
    *(
        (executor, func)
        for executor in (ThreadPoolExecutor, AsyncIOExecutor)
        for func in COROUTINES
    ),
    *((executor, func) for executor in (DebugExecutor, OwnDebugExecutor) for func in FUNCTIONS),
    *((executor, func) for executor in (DebugExecutor, OwnDebugExecutor) for func in COROUTINES),
    (OwnExecutor, play),
    *((OwnTasks, func) for func in COROUTINES),
]
SCRIPTS = st.lists(st.sampled_from(["none", "value", "error", "exit"]), min_size=1, max_size=4)


@pytest.mark.parametrize(("executor", "func"), IN_PROCESS)
@settings(max_examples=12)
@given(script=SCRIPTS, grace=st.sampled_from([None, 1, 60, 90, 600]))
def test_events_and_records(
    executor: type[BaseExecutor], func: Callable[..., object], script: list[str], grace: int | None
) -> None:
    told = asyncio.run(told_of(executor(), func, script, grace))
    caller = "run_coroutine_job" if func in COROUTINES else "run_job"
    job = told.records[0][1].split('"')[1]
    assert job.startswith(f"{func.__name__} (trigger: interval[0:01:00], next run at: ")
    assert told == expected(script, grace, caller, job)


@pytest.mark.parametrize("func", [*FUNCTIONS, *COROUTINES])
def test_events_of_a_child_process(func: Callable[..., object]) -> None:
    script = ["none", "value", "error", "exit", "value", "none"]
    told = asyncio.run(told_of(ProcessPoolExecutor(1), func, script, 270))
    assert told.events == expected(script, 270, "", "").events


def record_call(made: list[int]) -> None:
    made.append(len(made))
    raise asyncio.CancelledError("enough")


@pytest.mark.parametrize(
    "executor", [ThreadPoolExecutor, DebugExecutor, OwnDebugExecutor, OwnExecutor]
)
def test_a_function_that_is_cancelled_is_not_called_for_later_run_times(executor: Any) -> None:
    made: list[int] = []
    now = datetime.now(timezone.utc)
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor()})
    recorder: Recorder = listen(scheduler, ENDED)
    scheduler.start()
    options: dict[str, Any] = {"coalesce": False, "misfire_grace_time": None, "end_date": now}
    since = now - timedelta(minutes=3)
    scheduler.add_job(record_call, "interval", (made,), minutes=1, next_run_time=since, **options)
    recorder.wait_for(ENDED)
    scheduler.shutdown()
    assert made == [0]
    events = recorder.of(ENDED)
    assert {event.code for event in events} == {EVENT_JOB_ERROR}
    assert {str(event.exception) for event in events} == {"enough"}


def interrupt() -> None:
    raise KeyboardInterrupt


def test_an_interrupt_in_a_function_that_the_loop_calls_reaches_the_program() -> None:
    scheduler = BlockingScheduler(timezone="UTC", executors={"default": {"type": "debug"}})
    recorder = listen(scheduler, EVENT_JOB_ERROR)
    scheduler.add_job(interrupt, misfire_grace_time=None)
    later = datetime.now(timezone.utc) + timedelta(seconds=PATIENCE)
    scheduler.add_job(scheduler.shutdown, "date", (False,), run_date=later)
    with pytest.raises(KeyboardInterrupt):
        scheduler.start()
    scheduler.shutdown()
    (event,) = recorder.of(EVENT_JOB_ERROR)
    assert isinstance(event.exception, KeyboardInterrupt)


def test_runs_that_the_loop_calls_follow_each_other_without_the_kit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []
    stops: list[object] = []
    go_on = Conductor._go_on

    async def counted(self: Conductor, *args: Any) -> None:
        stops.append(args)
        await go_on(self, *args)

    async def main() -> None:
        clock = ManualClock(START)
        executors = {"default": DebugExecutor()}
        scheduler = AsyncIOScheduler(clock=clock, timezone="UTC", executors=executors)
        scheduler.start()
        scheduler.add_job(runs.append, "interval", (1,), seconds=1)
        await clock.aadvance(1_000)
        scheduler.shutdown()

    monkeypatch.setattr(Conductor, "_go_on", counted)
    asyncio.run(main())
    assert len(runs) == 1_000
    # It looks around every millisecond.
    assert len(stops) < 1_000


@pytest.mark.parametrize("executor", [DebugExecutor, OwnDebugExecutor])
def test_order_of_what_debug_executors_tell(executor: Any) -> None:
    removed, executed, submitted = EVENT_JOB_REMOVED, EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED

    async def main() -> list[int]:
        clock = ManualClock(START)
        executors = {"default": executor()}
        scheduler = AsyncIOScheduler(clock=clock, timezone="UTC", executors=executors)
        recorder = listen(scheduler, removed | executed | submitted)
        scheduler.start()
        scheduler.add_job(time.time, "date", run_date=START + timedelta(seconds=1))
        await clock.aadvance(1)
        scheduler.shutdown()
        return recorder.codes()

    assert asyncio.run(main()) == [executed, removed, submitted]
