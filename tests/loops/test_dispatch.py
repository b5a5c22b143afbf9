"""Dispatch to the caller's loop: what runs where, what becomes of results, and of the loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import threading
import traceback
from typing import Any
from unittest.mock import AsyncMock

import pytest

from mainspring import AsyncIOScheduler
from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
)
from tests.loops.dispatching import WAIT, Recorder, on, plain


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
        pytest.param(functools.partial(AsyncCallable()), id="partial of callable object"),
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


@pytest.mark.parametrize("func", [plain, AsyncCallable()], ids=["function", "object"])
def test_a_partial_known_to_give_a_coroutine_is_called_on_the_loop(
    loop: asyncio.AbstractEventLoop, func: Any
) -> None:
    threads = []

    class Noting(functools.partial[Any]):
        def __call__(self) -> Any:
            threads.append(threading.current_thread())
            return super().__call__()

    async def scenario(scheduler: AsyncIOScheduler) -> None:
        recorder = Recorder(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, loop)
        scheduler.add_job(Noting(func))
        await recorder.wait(1)
        assert threads == [threading.current_thread()]

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
