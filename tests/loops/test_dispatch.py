"""Dispatch to the caller's loop: what runs where, what becomes of results, and of the loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import logging
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import AsyncMock

import pytest

from mainspring import AsyncIOScheduler
from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)

uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheel for this platform")

WAIT = 30


class NoReaderLoop(asyncio.SelectorEventLoop):
    """A loop that cannot watch file descriptors, as Windows' Proactor loop."""

    def __init__(self) -> None:
        self._refuses = False
        super().__init__()
        self._refuses = True

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        if self._refuses:
            raise NotImplementedError
        return super().add_reader(fd, callback, *args)


@pytest.fixture(params=[asyncio.SelectorEventLoop, uvloop.new_event_loop, NoReaderLoop])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = request.param()
    loop.set_debug(True)
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Recorder:
    """Collects events and lets the test wait for some."""

    def __init__(
        self, scheduler: AsyncIOScheduler, mask: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.events: list[Any] = []
        self.threads: set[threading.Thread] = set()
        self._loop = loop
        self._changed = asyncio.Event()
        scheduler.add_listener(self._add, mask)

    def _add(self, event: Any) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread())
        self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self, count: int) -> list[Any]:
        while len(self.events) < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), WAIT)
        return self.events


Scenario = Callable[..., Any]


def on(loop: asyncio.AbstractEventLoop, scenario: Scenario, *args: Any) -> Any:
    """Run a scenario on a loop with a scheduler that is shut down at the end."""

    async def main() -> Any:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        try:
            return await asyncio.wait_for(scenario(scheduler, *args), WAIT)
        finally:
            await scheduler.aclose()

    return loop.run_until_complete(main())


async def plain() -> str:
    return f"{threading.current_thread().name}"


class AsyncCallable:
    async def __call__(self) -> str:
        return await plain()

    async def method(self) -> str:
        return await plain()

    @classmethod
    async def class_method(cls) -> str:
        return await plain()

    @staticmethod
    async def static_method() -> str:
        return await plain()


class Awaitable:
    def __await__(self) -> Any:
        return plain().__await__()


def decorated() -> Any:
    def decorator(func: Any) -> Any:
        @functools.wraps(func)
        def wrapper() -> Any:
            return func()

        return wrapper

    return decorator(plain)


@pytest.mark.parametrize(
    "func",
    [
        pytest.param(plain, id="coroutine function"),
        pytest.param(functools.partial(plain), id="partial"),
        pytest.param(functools.partial(functools.partial(plain)), id="partial of partial"),
        pytest.param(lambda: plain(), id="lambda"),
        pytest.param(AsyncCallable(), id="callable object"),
        pytest.param(AsyncCallable().method, id="method"),
        pytest.param(AsyncCallable.class_method, id="class method"),
        pytest.param(AsyncCallable.static_method, id="static method"),
        pytest.param(decorated(), id="sync decorator"),
        pytest.param(lambda: Awaitable(), id="object with __await__"),
        pytest.param(AsyncMock(side_effect=plain), id="AsyncMock"),
    ],
)
def test_every_awaitable_result_is_awaited_on_the_callers_loop(
    loop: asyncio.AbstractEventLoop, func: Any
) -> None:
    # DIFFERENCE: APScheduler reports lambdas, callable objects and decorated coroutine functions as
    # executed and never awaits them.
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        scheduler.add_job(func)
        (event,) = await recorder.wait(1)
        assert event.code == EVENT_JOB_EXECUTED
        assert event.retval == threading.current_thread().name

    on(loop, scenario)


def test_current_task_and_running_loop_inside_a_job(loop: asyncio.AbstractEventLoop) -> None:
    async def job() -> tuple[Any, Any]:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        return before is not None and before is asyncio.current_task(), asyncio.get_running_loop()

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        here = asyncio.current_task()
        scheduler.add_job(job)
        (event,) = await recorder.wait(1)
        assert event.retval == (True, loop)
        assert asyncio.current_task() is here

    on(loop, scenario)


def test_an_exception_becomes_an_event_with_its_traceback(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def at_once() -> None:
        raise ValueError("at once")

    async def later() -> None:
        await asyncio.sleep(0)
        raise ValueError("later")

    def in_a_thread() -> None:
        raise ValueError("in a thread")

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        recorder = Recorder(scheduler, EVENT_JOB_ERROR, loop)
        for func in (at_once, later, in_a_thread):
            scheduler.add_job(func, id=func.__name__)
        events = {event.job_id: event for event in await recorder.wait(3)}
        for func in (at_once, later, in_a_thread):
            event = events[func.__name__]
            assert isinstance(event.exception, ValueError)
            assert f"in {func.__name__}" in event.traceback
            assert f'raise ValueError("{event.exception!s}")' in event.traceback
            frames = traceback.format_tb(event.exception.__traceback__)
            assert f"in {func.__name__}" in frames[-1]
            assert (
                f"line {frames[-1].split('line ')[1].split(',')[0]}, in {func.__name__}"
                in caplog.text
            )
        assert recorder.threads == {threading.current_thread()}

    on(loop, scenario)
    raised = [r for r in caplog.records if r.getMessage().endswith("raised an exception")]
    assert len(raised) == 3
    assert all(r.exc_info for r in raised)


def test_a_cancelled_run_is_reported(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        started = asyncio.Event()

        async def job() -> None:
            task = asyncio.current_task()
            assert task is not None
            loop.call_soon(task.cancel)
            started.set()
            await asyncio.Event().wait()

        recorder = Recorder(scheduler, EVENT_JOB_ERROR, loop)
        scheduler.add_job(job)
        await started.wait()
        (event,) = await recorder.wait(1)
        assert isinstance(event.exception, asyncio.CancelledError)

    on(loop, scenario)


@pytest.mark.parametrize("suspends", [False, True])
def test_a_run_cancelled_in_its_last_step_is_cancelled(
    loop: asyncio.AbstractEventLoop, suspends: bool
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        async def job() -> None:
            if suspends:
                await asyncio.sleep(0)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        scheduler.add_job(job)
        (event,) = await recorder.wait(1)
        assert isinstance(event.exception, asyncio.CancelledError)

    on(loop, scenario)


def test_events_of_a_last_run_come_in_apschedulers_order(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        mask = EVENT_JOB_SUBMITTED | EVENT_JOB_REMOVED | EVENT_JOB_EXECUTED
        recorder = Recorder(scheduler, mask, loop)
        scheduler.add_job(plain)
        codes = [event.code for event in await recorder.wait(3)]
        assert codes == [EVENT_JOB_REMOVED, EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED]

    on(loop, scenario)


def test_many_jobs_at_once_each_run_once_and_let_the_loop_breathe(
    loop: asyncio.AbstractEventLoop,
) -> None:
    count = 5_000

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        ran: list[int] = []
        turns_while_running = 0
        done = asyncio.Event()

        async def job(number: int) -> None:
            ran.append(number)
            if len(ran) == count:
                done.set()

        def turn() -> None:
            nonlocal turns_while_running
            if 0 < len(ran) < count:
                turns_while_running += 1
            if not done.is_set():
                loop.call_soon(turn)

        now = datetime.now(timezone.utc)
        scheduler.pause()
        for number in range(count):
            scheduler.add_job(job, "date", run_date=now, args=[number], misfire_grace_time=None)
        loop.call_soon(turn)
        scheduler.resume()
        await done.wait()
        assert sorted(ran) == list(range(count))
        assert turns_while_running > 0

    loop.set_debug(False)
    on(loop, scenario)


@pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="without eager tasks, functions are called before a coroutine begins",
)
def test_a_run_sees_what_another_of_the_same_instant_has_changed(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        ran: list[str] = []
        done = asyncio.Event()

        async def first() -> None:
            scheduler.modify_job("second", args=["changed"])

        async def second(word: str) -> None:
            ran.append(word)
            done.set()

        now = datetime.now(timezone.utc)
        scheduler.pause()
        scheduler.add_job(first, "interval", hours=1, next_run_time=now, misfire_grace_time=None)
        times: dict[str, Any] = {"hours": 1, "next_run_time": now, "misfire_grace_time": None}
        scheduler.add_job(second, "interval", args=["as it was"], id="second", **times)
        scheduler.resume()
        await done.wait()
        assert ran == ["changed"]

    on(loop, scenario)


def test_what_an_ended_job_held_is_let_go_of_without_a_further_call(
    loop: asyncio.AbstractEventLoop,
) -> None:
    class Argument:
        pass

    async def job(argument: Argument) -> None:
        pass

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        gone = asyncio.Event()
        argument = Argument()
        weakref.finalize(argument, loop.call_soon_threadsafe, gone.set)
        scheduler.add_job(job, args=[argument])
        del argument
        await gone.wait()

    on(loop, scenario)


def test_the_finalizer_of_an_ended_jobs_argument_may_ask_for_another_job(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        gone, asked = asyncio.Event(), asyncio.Event()
        answers: list[Any] = []

        class Argument:
            def __del__(self) -> None:
                answers.append(other.next_run_time)
                gone.set()

        async def once(argument: Argument) -> None:
            pass

        async def asks() -> None:
            answers.append(other.next_run_time)
            asked.set()

        now = datetime.now(timezone.utc)
        scheduler.pause()
        other = scheduler.add_job(plain, "interval", hours=2)
        scheduler.add_job(once, "date", run_date=now, args=[Argument()], misfire_grace_time=None)
        scheduler.add_job(asks, "interval", hours=1, next_run_time=now, misfire_grace_time=None)
        scheduler.resume()
        await gone.wait()
        await asked.wait()
        assert answers == [other.next_run_time] * 2

    on(loop, scenario)


def test_a_run_is_judged_after_its_submission_was_told(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        due = datetime.now(timezone.utc)
        late = due + timedelta(seconds=1.01)

        def slow(event: Any) -> None:
            while event.job_id == "second" and datetime.now(timezone.utc) < late:
                pass

        scheduler.add_listener(slow, EVENT_JOB_SUBMITTED)
        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_MISSED, loop)
        scheduler.pause()
        for job_id, grace in (("first", None), ("second", 1)):
            scheduler.add_job(plain, "date", run_date=due, id=job_id, misfire_grace_time=grace)
        scheduler.resume()
        codes = {event.job_id: event.code for event in await recorder.wait(2)}
        assert codes == {"first": EVENT_JOB_EXECUTED, "second": EVENT_JOB_MISSED}

    on(loop, scenario)


def test_skipped_runs_are_told_once_each_by_a_loop_that_is_behind(
    loop: asyncio.AbstractEventLoop,
) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        skipped: dict[str, list[datetime]] = {"a": [], "b": []}
        enough = asyncio.Event()

        def slow(event: Any) -> None:
            skipped[event.job_id].extend(event.scheduled_run_times)
            if min(map(len, skipped.values())) >= 200:
                enough.set()
            # Longer than a drain may take, so that what is left of its work goes back.
            end = time.perf_counter() + 0.002
            while time.perf_counter() < end:
                pass

        scheduler.add_listener(slow, EVENT_JOB_MAX_INSTANCES)
        never = asyncio.Event()
        for job_id in skipped:
            scheduler.add_job(never.wait, "interval", seconds=0.001, id=job_id, coalesce=False)
        await enough.wait()
        scheduler.remove_all_jobs()
        never.set()
        for times in skipped.values():
            steps = {later - earlier for earlier, later in itertools.pairwise(times)}
            assert steps == {timedelta(milliseconds=1)}

    on(loop, scenario)


@pytest.mark.own_grace
def test_max_instances_and_missed_runs_are_told(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario(scheduler: AsyncIOScheduler) -> None:
        release = asyncio.Event()

        async def holds() -> None:
            await release.wait()

        recorder = Recorder(scheduler, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED, loop)
        scheduler.add_job(holds, "interval", seconds=0.01, id="holds")
        events = await recorder.wait(1)
        assert (events[0].code, events[0].job_id) == (EVENT_JOB_MAX_INSTANCES, "holds")
        scheduler.remove_job("holds")
        release.set()
        missed = datetime.now(timezone.utc) - timedelta(seconds=60)
        seen = len(recorder.events)
        scheduler.add_job(plain, "date", run_date=missed, id="missed")
        event = (await recorder.wait(seen + 1))[-1]
        assert (event.code, event.job_id) == (EVENT_JOB_MISSED, "missed")
        assert event.scheduled_run_time == missed

    on(loop, scenario)


def test_each_run_has_its_own_copy_of_the_context_of_start(
    loop: asyncio.AbstractEventLoop,
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def job() -> str:
        before = variable.get()
        variable.set("set by a job")
        return before

    def sync_job() -> str:
        before = variable.get()
        variable.set("set by a sync job")
        return before

    async def main() -> list[str]:
        variable.set("at start")
        scheduler = AsyncIOScheduler(timezone="UTC")
        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        scheduler.start()
        variable.set("in a request")
        for func in (job, sync_job, job, sync_job):
            scheduler.add_job(func)
        events = await recorder.wait(4)
        await scheduler.aclose()
        return [event.retval for event in events]

    assert loop.run_until_complete(main()) == ["at start"] * 4
    assert variable.get() == "unset"


def test_a_custom_task_factory_makes_the_tasks(loop: asyncio.AbstractEventLoop) -> None:
    made: list[Any] = []

    def factory(loop: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coro.__name__)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        scheduler.add_job(plain)
        await recorder.wait(1)

    on(loop, scenario)
    assert "plain" in made


def test_an_exit_raised_by_one_job_loses_no_other(loop: asyncio.AbstractEventLoop) -> None:
    # A SystemExit that escapes an eagerly started task must not take the rest of the batch with it.
    count = 200

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        async def job(number: int) -> int:
            if number % 20 == 3:
                raise SystemExit(number)
            await asyncio.sleep(0)
            if number % 20 == 13:
                raise SystemExit(number)
            return number

        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        now = datetime.now(timezone.utc)
        scheduler.pause()
        for number in range(count):
            scheduler.add_job(job, "date", run_date=now, args=[number], misfire_grace_time=None)
        scheduler.resume()
        events = await recorder.wait(count)
        failed = {event.exception.code for event in events if event.code == EVENT_JOB_ERROR}
        assert failed == {number for number in range(count) if number % 10 == 3}

    on(loop, scenario)


def test_a_loop_closed_under_a_running_scheduler(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    stopped = threading.Event()
    ran = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.WARNING and "has been closed" in record.getMessage():
                stopped.set()

    handler = Told()
    logging.getLogger("mainspring.scheduler").addHandler(handler)

    async def tick() -> None:
        ran.set()

    async def start() -> None:
        scheduler.start()
        scheduler.add_job(tick, "interval", seconds=0.02, id="tick")
        await asyncio.get_running_loop().run_in_executor(None, ran.wait, WAIT)

    try:
        loop.run_until_complete(start())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        assert stopped.wait(WAIT)
    finally:
        logging.getLogger("mainspring.scheduler").removeHandler(handler)

    ran.clear()

    async def again() -> None:
        scheduler.start()
        assert scheduler.get_job("tick") is not None
        await asyncio.get_running_loop().run_in_executor(None, ran.wait, WAIT)
        await scheduler.aclose()

    asyncio.run(again())
    assert ran.is_set()
    told = [r for r in caplog.records if "has been closed" in r.getMessage()]
    assert [r.levelno for r in told] == [logging.WARNING]


@pytest.mark.parametrize("suspends", [False, True])
def test_an_interrupt_in_a_job_is_reported_and_reaches_the_program(
    loop: asyncio.AbstractEventLoop, suspends: bool
) -> None:
    # DIFFERENCE: APScheduler swallows it.
    events: list[Any] = []
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_listener(events.append, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    others = 5
    done: list[int] = []

    async def job() -> None:
        if suspends:
            await asyncio.sleep(0)
        raise KeyboardInterrupt

    async def other(number: int) -> None:
        done.append(number)

    async def main() -> None:
        scheduler.start(paused=True)
        now = datetime.now(timezone.utc)
        scheduler.add_job(job, "date", run_date=now, id="interrupt", misfire_grace_time=None)
        for number in range(others):
            scheduler.add_job(other, "date", run_date=now, args=[number], misfire_grace_time=None)
        scheduler.resume()
        await asyncio.Event().wait()

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    assert [e.job_id for e in events if isinstance(e.exception, KeyboardInterrupt)] == ["interrupt"]

    async def rest() -> None:
        await scheduler.aclose()
        task.cancel()
        await asyncio.wait([task])

    loop.run_until_complete(rest())
    assert sorted(done) == list(range(others))


def test_an_interrupt_while_a_run_is_logged_reaches_the_program(
    loop: asyncio.AbstractEventLoop,
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")

    def handler(record: logging.LogRecord) -> bool:
        raise KeyboardInterrupt

    logger = logging.getLogger("mainspring.executors.default")

    async def main() -> None:
        scheduler.start()
        logger.addFilter(handler)
        scheduler.add_job(failing)
        await asyncio.Event().wait()

    async def failing() -> None:
        raise ValueError

    task = loop.create_task(main())
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(task)
    finally:
        logger.removeFilter(handler)

    async def rest() -> None:
        await scheduler.aclose()
        task.cancel()
        await asyncio.wait([task])

    loop.run_until_complete(rest())
