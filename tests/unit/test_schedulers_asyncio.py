from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import pytest

from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_SUBMITTED,
    EVENT_SCHEDULER_SHUTDOWN,
)
from mainspring.executors.asyncio import AsyncIOExecutor
from mainspring.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from mainspring.schedulers.asyncio import AsyncIOScheduler, run_in_event_loop
from tests.support import PATIENCE, ListJobStore, Recorder, coroutine_five, listen, nothing


async def wait_for(recorder: Recorder, mask: int, count: int = 1) -> list[Any]:
    return await asyncio.to_thread(recorder.wait_for, mask, count)


def run_in_thread(function: Any) -> Any:
    """Call a function in a new thread, which has no event loop, and return what it returns."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert result, "the function raised an exception"
    return result[0]


@pytest.fixture
def no_current_loop() -> Iterator[None]:
    """Run a test in a thread that has no current loop, and clean up what it leaves."""
    asyncio.set_event_loop(None)
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            asyncio.get_event_loop_policy().get_event_loop().close()
        except RuntimeError:
            pass
    asyncio.set_event_loop(None)


def plain() -> None:
    plain.began.set()
    assert plain.go_on.wait(PATIENCE)


plain.began = threading.Event()  # type: ignore[attr-defined]
plain.go_on = threading.Event()  # type: ignore[attr-defined]


async def closer() -> None:
    closer.closed.set_result(await closer.scheduler.aclose())  # type: ignore[attr-defined]


async def sleeper() -> None:
    """Say that it has started, which tests wait for, and never end."""
    sleeper.started.set()  # type: ignore[attr-defined]
    await asyncio.get_running_loop().create_future()


class TestLoop:
    async def test_running_loop(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        assert scheduler._eventloop is None
        scheduler.start()
        assert scheduler._eventloop is asyncio.get_running_loop()
        scheduler.shutdown()
        assert scheduler._eventloop is None

    def test_given_loop(self) -> None:
        loop = asyncio.new_event_loop()
        scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
        for _ in range(2):
            scheduler.start()
            assert scheduler._eventloop is loop
            scheduler.shutdown()
        loop.close()

    async def test_given_loop_comes_before_the_running_one(self) -> None:
        loop = asyncio.new_event_loop()
        scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
        scheduler.start()
        assert scheduler._eventloop is loop
        scheduler.shutdown()
        loop.close()

    def test_current_loop(self, no_current_loop: None) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        assert scheduler._eventloop is loop
        scheduler.shutdown()

    def test_new_loop_becomes_the_current_one(self, no_current_loop: None) -> None:
        # DIFFERENCE: APScheduler raises "RuntimeError: no running event loop".
        scheduler = AsyncIOScheduler(timezone="UTC")
        events = listen(scheduler)
        scheduler.start()
        loop = scheduler._eventloop
        assert loop is not None
        assert asyncio.get_event_loop() is loop
        scheduler.add_job(coroutine_five, id="five")

        async def until_done() -> None:
            await wait_for(events, EVENT_JOB_EXECUTED)

        loop.run_until_complete(until_done())
        scheduler.shutdown()

    def test_closed_current_loop_is_passed_over(self, no_current_loop: None) -> None:
        closed = asyncio.new_event_loop()
        asyncio.set_event_loop(closed)
        closed.close()
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        assert scheduler._eventloop is not closed
        scheduler.shutdown()

    def test_thread_without_a_loop(self) -> None:
        def started() -> bool:
            scheduler = AsyncIOScheduler(timezone="UTC")
            scheduler.start()
            running = scheduler.running
            scheduler.shutdown()
            asyncio.get_event_loop().close()
            return running

        assert run_in_thread(started) is True

    async def test_run_in_event_loop(self) -> None:
        class Scheduler(AsyncIOScheduler):
            @run_in_event_loop
            def call(self, *args: Any, **kwargs: Any) -> None:
                called.set_result((args, kwargs, asyncio.get_running_loop()))

        loop = asyncio.get_running_loop()
        called: asyncio.Future[Any] = loop.create_future()
        async with Scheduler(timezone="UTC") as scheduler:
            await asyncio.to_thread(scheduler.call, 1, k=2)
            assert await called == ((1,), {"k": 2}, loop)


class TestJobs:
    @pytest.fixture
    def scheduler(self) -> AsyncIOScheduler:
        # A busy machine may be later than the default allows.
        return AsyncIOScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})

    async def test_coroutine_runs_on_the_loop(self, scheduler: AsyncIOScheduler) -> None:
        async def job() -> Any:
            task = asyncio.current_task()
            assert task is not None
            await asyncio.sleep(0)
            return asyncio.get_running_loop()

        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        async with scheduler:
            scheduler.add_job(job)
            (event,) = await wait_for(events, EVENT_JOB_EXECUTED)
        assert event.retval is asyncio.get_running_loop()
        assert events.threads == [threading.current_thread()]

    async def test_function_runs_in_a_worker(self, scheduler: AsyncIOScheduler) -> None:
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        async with scheduler:
            scheduler.add_job(threading.current_thread)
            (event,) = await wait_for(events, EVENT_JOB_EXECUTED)
        assert event.retval is not threading.current_thread()
        # As in APScheduler, listeners are called on the loop all the same.
        assert events.threads == [threading.current_thread()]

    async def test_error(self, scheduler: AsyncIOScheduler) -> None:
        async def job() -> None:
            raise ValueError("no good")

        events = listen(scheduler, EVENT_JOB_ERROR)
        async with scheduler:
            scheduler.add_job(job)
            (event,) = await wait_for(events, EVENT_JOB_ERROR)
        assert str(event.exception) == "no good"
        assert "in job" in event.traceback

    async def test_add_from_another_thread(self, scheduler: AsyncIOScheduler) -> None:
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        async with scheduler:
            await asyncio.to_thread(scheduler.add_job, coroutine_five, id="a")
            (event,) = await wait_for(events, EVENT_JOB_EXECUTED)
        assert (event.job_id, event.retval) == ("a", 5)

    @pytest.mark.parametrize("func", [coroutine_five, threading.get_ident])
    async def test_jobs_of_a_python_store(self, scheduler: AsyncIOScheduler, func: Any) -> None:
        scheduler.add_jobstore(ListJobStore())
        events = listen(scheduler, EVENT_JOB_SUBMITTED | EVENT_JOB_EXECUTED)
        async with scheduler:
            scheduler.add_job(func)
            await wait_for(events, EVENT_JOB_EXECUTED)
            await wait_for(events, EVENT_JOB_SUBMITTED)
        assert events.threads == [threading.current_thread()] * 2

    async def test_coroutine_that_ends_before_its_submission_does(
        self, scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is told of on the loop all the same."""
        loop, here = asyncio.get_running_loop(), threading.current_thread()
        call_soon_threadsafe = loop.call_soon_threadsafe

        def call_and_wait(callback: Any, *args: Any, **kwargs: Any) -> None:
            call_soon_threadsafe(callback, *args, **kwargs)
            if threading.current_thread().name == "APScheduler job stores":
                monkeypatch.undo()
                futures.wait([callback.__self__.ended], PATIENCE)

        scheduler.add_jobstore(ListJobStore())
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        async with scheduler:
            monkeypatch.setattr(loop, "call_soon_threadsafe", call_and_wait)
            # The sweep holds the store's lock meanwhile.
            await asyncio.to_thread(scheduler.add_job, coroutine_five)
            await wait_for(events, EVENT_JOB_EXECUTED)
        assert events.threads == [here]

    async def test_default_executor(self, scheduler: AsyncIOScheduler) -> None:
        async with scheduler:
            assert type(scheduler._lookup_executor("default")) is AsyncIOExecutor


class TestShutdown:
    def test_not_running(self) -> None:
        with pytest.raises(SchedulerNotRunningError):
            AsyncIOScheduler(timezone="UTC").shutdown()

    async def test_twice(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start()
        with pytest.raises(SchedulerAlreadyRunningError):
            scheduler.start()
        scheduler.shutdown()
        # DIFFERENCE: APScheduler is still running here, until the loop's next turn.
        assert not scheduler.running
        with pytest.raises(SchedulerNotRunningError):
            scheduler.shutdown()

    async def test_on_the_loop_lets_coroutines_end(self) -> None:
        # DIFFERENCE: APScheduler cancels them.
        started, go_on = asyncio.Event(), asyncio.Event()

        async def job() -> str:
            started.set()
            await go_on.wait()
            return "ended"

        scheduler = AsyncIOScheduler(timezone="UTC")
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_SCHEDULER_SHUTDOWN)
        scheduler.start()
        scheduler.add_job(job)
        await started.wait()
        scheduler.shutdown()
        assert events.codes() == [EVENT_SCHEDULER_SHUTDOWN]
        go_on.set()
        (event,) = await wait_for(events, EVENT_JOB_EXECUTED)
        assert event.retval == "ended"
        await scheduler._unbinding
        assert scheduler._eventloop is None

    async def test_from_another_thread_waits_for_coroutines(self) -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def job() -> str:
            started.set()
            await go_on.wait()
            return "ended"

        scheduler = AsyncIOScheduler(timezone="UTC")
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_SCHEDULER_SHUTDOWN)
        scheduler.start()
        scheduler.add_job(job)
        await started.wait()
        shutdown = asyncio.create_task(asyncio.to_thread(scheduler.shutdown))
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await shutdown
        await wait_for(events, EVENT_JOB_EXECUTED)
        assert set(events.codes()) == {EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN}

    @pytest.mark.parametrize("store", ["memory", ListJobStore], ids=["native", "python"])
    async def test_without_waiting_cancels_coroutines(self, store: Any) -> None:
        sleeper.started = asyncio.Event()
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.add_jobstore(store if isinstance(store, str) else store())
        events = listen(scheduler, EVENT_JOB_ERROR)
        scheduler.start()
        scheduler.add_job(sleeper)
        await sleeper.started.wait()
        scheduler.shutdown(wait=False)
        (event,) = await wait_for(events, EVENT_JOB_ERROR)
        assert isinstance(event.exception, asyncio.CancelledError)

    async def test_restart(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        for count in (1, 2):
            scheduler.start()
            scheduler.add_job(coroutine_five)
            scheduler.add_job(nothing)
            await wait_for(events, EVENT_JOB_EXECUTED, 2 * count)
            scheduler.shutdown()

    def test_on_a_second_loop(self) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        events = listen(scheduler, EVENT_JOB_EXECUTED)

        async def main(count: int) -> None:
            async with scheduler:
                scheduler.add_job(coroutine_five)
                await wait_for(events, EVENT_JOB_EXECUTED, count)

        asyncio.run(main(1))
        asyncio.run(main(2))

    def test_with_a_loop_that_has_stopped(self) -> None:
        loop = asyncio.new_event_loop()
        scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
        sleeper.started = asyncio.Event()

        async def main() -> None:
            scheduler.start()
            scheduler.add_job(sleeper)
            await sleeper.started.wait()

        loop.run_until_complete(main())
        scheduler.shutdown()
        assert not scheduler.running
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    def test_no_thread_is_left(self) -> None:
        before = set(threading.enumerate())

        async def main() -> None:
            async with AsyncIOScheduler(timezone="UTC") as scheduler:
                events = listen(scheduler, EVENT_JOB_EXECUTED)
                scheduler.add_jobstore(ListJobStore(), "python")
                scheduler.add_job(nothing)
                scheduler.add_job(nothing, jobstore="python")
                await wait_for(events, EVENT_JOB_EXECUTED, 2)

        asyncio.run(main())
        gc.collect()
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE)
        assert set(threading.enumerate()) <= before


class TestClose:
    async def test_waits_for_coroutines(self) -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def job() -> str:
            started.set()
            await go_on.wait()
            return "ended"

        scheduler = AsyncIOScheduler(timezone="UTC")
        events = listen(scheduler)
        scheduler.start()
        scheduler.add_job(job)
        await started.wait()
        closing = asyncio.create_task(scheduler.aclose())
        await asyncio.sleep(0)
        assert not scheduler.running
        assert not closing.done()
        go_on.set()
        await closing
        assert events.of(EVENT_JOB_EXECUTED)[0].retval == "ended"
        assert events.codes()[-1] == EVENT_SCHEDULER_SHUTDOWN

    async def test_waits_for_functions_of_a_store_written_in_python(self) -> None:
        plain.began.clear()
        plain.go_on.clear()
        scheduler = AsyncIOScheduler(timezone="UTC", jobstores={"default": ListJobStore()})
        events = listen(scheduler)
        scheduler.start()
        scheduler.add_job(plain, misfire_grace_time=None)
        assert await asyncio.to_thread(plain.began.wait, PATIENCE)
        closing = asyncio.create_task(scheduler.aclose())
        for _ in range(3):
            await asyncio.sleep(0)
        assert not closing.done()
        plain.go_on.set()
        assert await closing == []
        assert events.of(EVENT_JOB_EXECUTED)
        assert events.codes()[-1] == EVENT_SCHEDULER_SHUTDOWN

    async def test_called_by_a_job_of_a_store_written_in_python(self) -> None:
        closer.scheduler = scheduler = AsyncIOScheduler(
            timezone="UTC", jobstores={"default": ListJobStore()}
        )
        closer.closed = asyncio.get_running_loop().create_future()
        scheduler.start()
        scheduler.add_job(closer, misfire_grace_time=None)
        assert await asyncio.wait_for(closer.closed, PATIENCE) == []

    async def test_deadline(self) -> None:
        sleeper.started = asyncio.Event()
        scheduler = AsyncIOScheduler(timezone="UTC")
        events = listen(scheduler, EVENT_JOB_ERROR)
        scheduler.start()
        scheduler.add_job(sleeper)
        await sleeper.started.wait()
        await scheduler.aclose(deadline=0)
        (event,) = await wait_for(events, EVENT_JOB_ERROR)
        assert isinstance(event.exception, asyncio.CancelledError)

    async def test_without_start(self) -> None:
        await AsyncIOScheduler(timezone="UTC").aclose()

    async def test_context_manager_that_is_left_by_an_exception(self) -> None:
        with pytest.raises(KeyError):
            async with AsyncIOScheduler(timezone="UTC") as scheduler:
                raise KeyError
        assert not scheduler.running
