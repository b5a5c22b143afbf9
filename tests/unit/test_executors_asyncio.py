from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
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


@pytest.mark.parametrize("by_hand", [False, True], ids=["due", "submitted"])
async def test_the_runs_that_are_going_on_can_be_awaited(
    scheduler: AsyncIOScheduler, executor: AsyncIOExecutor, by_hand: bool
) -> None:
    # As python-telegram-bot does before it shuts its scheduler down.
    assert executor._pending_futures == set()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        begun.set()
        await go_on.wait()

    if by_hand:
        executor.submit_job(scheduler.add_job(job, "interval", hours=1), [now()])
        (pending,) = executor._pending_futures
        await begun.wait()
        (task,) = executor._pending_futures
        assert not pending.done()
    else:
        scheduler.add_job(job, executor="other")
        scheduler.resume()
        await begun.wait()
        (pending,) = (task,) = executor._pending_futures
    assert isinstance(task, asyncio.Task)
    go_on.set()
    await asyncio.gather(pending, task)
    assert executor._pending_futures == set()


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_shutdown_cancels_what_was_submitted_to_the_executor_alone(
    scheduler: AsyncIOScheduler, executor: AsyncIOExecutor, has_begun: bool
) -> None:
    begun = asyncio.Event()

    async def job() -> None:
        begun.set()
        await asyncio.Event().wait()

    executor.submit_job(scheduler.add_job(job, "interval", hours=1), [now()])
    if has_begun:
        await begun.wait()
    (pending,) = executor._pending_futures
    executor.shutdown()
    if has_begun:  # as of any other error, the run tells of it
        assert isinstance((await pending)[0].exception, asyncio.CancelledError)
    else:
        with pytest.raises(asyncio.CancelledError):
            await pending
        assert not begun.is_set()
    assert executor._pending_futures == set()


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


class TestDefaultExecutorOfTheLoop:
    """Sync functions run in the executor that the program has set for its loop, and else in our threads."""

    @staticmethod
    async def thread_name(scheduler: AsyncIOScheduler) -> str:
        """Return the name of the thread in which a sync function runs, when it has been told of."""
        ended = asyncio.Future[Any]()

        def take(event: Any) -> None:
            assert asyncio.get_running_loop() is ended.get_loop()  # told of on the loop
            if not ended.done():
                ended.set_result(event)

        scheduler.add_listener(take, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.add_job(lambda: threading.current_thread().name, misfire_grace_time=None)
        event = await ended
        scheduler.remove_listener(take)
        assert event.exception is None
        return str(event.retval)

    @pytest.fixture
    async def pool(self) -> ThreadPoolExecutor:
        # asyncio shuts it down with the loop.
        return ThreadPoolExecutor(2, thread_name_prefix="the-programs")

    async def test_set_before_the_start(self, pool: ThreadPoolExecutor) -> None:
        asyncio.get_running_loop().set_default_executor(pool)
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            assert (await self.thread_name(scheduler)).startswith("the-programs_")
        # It is the program's: the scheduler leaves it as it is.
        assert await asyncio.to_thread(return_five) == 5

    async def test_set_after_the_start(self, pool: ThreadPoolExecutor) -> None:
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            assert (await self.thread_name(scheduler)).startswith("asyncio-default_")
            asyncio.get_running_loop().set_default_executor(pool)
            assert (await self.thread_name(scheduler)).startswith("the-programs_")

    def test_set_for_the_loop_that_the_scheduler_moves_to(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()  # on a guess
        names: list[str] = []

        async def main() -> None:
            pool = ThreadPoolExecutor(2, thread_name_prefix="the-programs")
            asyncio.get_running_loop().set_default_executor(pool)
            names.append(await self.thread_name(scheduler))
            scheduler.shutdown()

        asyncio.run(main())
        assert names[0].startswith("the-programs_")

    async def test_executors_of_other_kinds(self) -> None:
        class Executor(ThreadPoolExecutor):
            pass

        asyncio.get_running_loop().set_default_executor(Executor(1, "asyncio"))
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            assert (await self.thread_name(scheduler)).startswith("asyncio_")

    async def test_one_that_the_loop_has_made_is_left_to_the_loop(self) -> None:
        await asyncio.to_thread(return_five)
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            assert (await self.thread_name(scheduler)).startswith("asyncio-default_")

    async def test_a_function_there_finds_the_loop_and_its_limits_are_kept(
        self, pool: ThreadPoolExecutor
    ) -> None:
        asyncio.get_running_loop().set_default_executor(pool)
        ended = asyncio.Semaphore(0)
        results: list[Any] = []

        def job() -> tuple[int, str]:
            loop = asyncio.get_event_loop()
            return loop.run_until_complete(coroutine_five()), threading.current_thread().name

        def take(event: Any) -> None:
            results.append(event.retval)
            ended.release()

        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            scheduler.add_listener(take, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
            for _ in range(10):
                scheduler.add_job(job, misfire_grace_time=None)
            for _ in range(10):
                await ended.acquire()
        assert [value for value, _ in results] == [5] * 10
        assert {name for _, name in results} <= {"the-programs_0", "the-programs_1"}

    @pytest.mark.skipif(sys.platform == "win32", reason="uvloop has no wheel for Windows")
    def test_on_uvloop(self) -> None:
        import uvloop

        async def main() -> None:
            scheduler = AsyncIOScheduler(timezone="UTC")
            await asyncio.to_thread(return_five)
            async with scheduler:
                assert (await self.thread_name(scheduler)).startswith("asyncio-default_")
            pool = ThreadPoolExecutor(2, thread_name_prefix="the-programs")
            asyncio.get_running_loop().set_default_executor(pool)
            async with scheduler:
                assert (await self.thread_name(scheduler)).startswith("the-programs_")

        loop = uvloop.new_event_loop()
        try:
            loop.run_until_complete(main())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
