from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any
from unittest.mock import Mock

import pytest

from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from mainspring.executors.asyncio import AsyncIOExecutor
from mainspring.schedulers.asyncio import AsyncIOScheduler
from tests.support import coroutine_five, raise_error, return_five


def now() -> datetime:
    return datetime.now(timezone.utc)


async def fail() -> None:
    raise_error()


@pytest.fixture
async def scheduler() -> AsyncIterator[AsyncIOScheduler]:
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown(False)


@pytest.fixture
async def executor(scheduler: AsyncIOScheduler) -> AsyncIterator[AsyncIOExecutor]:
    executor = AsyncIOExecutor()
    scheduler.add_executor(executor, "other")
    yield executor
    executor.shutdown()


class TestSubmission:
    """Runs that come from a store written in Python, or from the user's own call."""

    @pytest.mark.parametrize("func", [return_five, coroutine_five, lambda: coroutine_five()])
    async def test_success(
        self, scheduler: AsyncIOScheduler, executor: AsyncIOExecutor, func: Any
    ) -> None:
        events, loop = asyncio.Future[Any](), asyncio.get_running_loop()
        executor._run_job_success = (  # type: ignore[method-assign]
            lambda job_id, e: events.set_result((e, threading.current_thread()))
        )
        job = scheduler.add_job(func, "interval", hours=1)
        executor.submit_job(job, [now()])
        (event,), thread = await events
        assert (event.code, event.retval) == (EVENT_JOB_EXECUTED, 5)
        assert thread is threading.current_thread()
        assert loop is executor._eventloop

    @pytest.mark.parametrize("func", [raise_error, fail])
    async def test_error(
        self, scheduler: AsyncIOScheduler, executor: AsyncIOExecutor, func: Any
    ) -> None:
        events = asyncio.Future[Any]()
        executor._run_job_success = (  # type: ignore[method-assign]
            lambda job_id, e: events.set_result(e)
        )
        job = scheduler.add_job(func, "interval", hours=1)
        executor.submit_job(job, [now()])
        (event,) = await events
        assert event.code == EVENT_JOB_ERROR
        assert str(event.exception) == "no good"

    async def test_error_of_run_job_itself(
        self,
        scheduler: AsyncIOScheduler,
        executor: AsyncIOExecutor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("mainspring.executors.base.run_job", Mock(side_effect=OSError("bad")))
        loop, error = asyncio.get_running_loop(), asyncio.Future[Any]()
        executor._run_job_error = (  # type: ignore[method-assign]
            lambda job_id, exc, traceback: loop.call_soon_threadsafe(error.set_result, exc)
        )
        executor.submit_job(scheduler.add_job(return_five, "interval", hours=1), [now()])
        assert str(await error) == "bad"

    @pytest.mark.parametrize("coroutine", [True, False])
    async def test_context_of_the_submission(
        self, scheduler: AsyncIOScheduler, executor: AsyncIOExecutor, coroutine: bool
    ) -> None:
        variable = contextvars.ContextVar("variable", default="none")

        def read() -> str:
            return variable.get()

        async def read_in_coroutine() -> str:
            return variable.get()

        events = asyncio.Future[Any]()
        executor._run_job_success = (  # type: ignore[method-assign]
            lambda job_id, e: events.set_result(e)
        )
        job = scheduler.add_job(read_in_coroutine if coroutine else read, "interval", hours=1)
        context = contextvars.copy_context()
        context.run(variable.set, "of the submission")
        context.run(executor.submit_job, job, [now()])
        assert (await events)[0].retval == "of the submission"


async def test_number_of_threads(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    executor = AsyncIOExecutor()
    assert executor._pool is None
    executor.shutdown()
    scheduler.add_executor(executor, "other")
    assert executor._pool is not None
    assert executor._pool.max_workers == 7


async def test_loop_that_is_closed(
    executor: AsyncIOExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    monkeypatch.setattr(executor._scheduler, "_coroutine_loop", lambda: loop)
    executor._run_job_success = Mock()  # type: ignore[method-assign]
    executor._deliver("a", [])
    executor._run_job_success.assert_called_once_with("a", [])
