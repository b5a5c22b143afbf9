from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from unittest.mock import MagicMock

import pytest

from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from mainspring.executors.base import MaxInstancesReachedError, run_job
from mainspring.executors.pool import BasePoolExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from mainspring.job import Job
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.base import BaseScheduler
from mainspring.triggers.date import DateTrigger
from tests.support import PATIENCE, coroutine_five, listen, raise_error, return_five

PAST = datetime(1970, 1, 1, tzinfo=timezone.utc)


def now() -> datetime:
    return datetime.now(timezone.utc)


class Harness:
    """An executor, started stand-alone for a scheduler that only collects events."""

    def __init__(self, executor: BasePoolExecutor) -> None:
        self.events: list[Any] = []
        self.scheduler = MagicMock(BaseScheduler, timezone=timezone.utc)
        self.scheduler._create_lock.side_effect = threading.RLock
        self.scheduler._coroutine_loop.return_value = None
        self.scheduler._dispatch_event = self.events.append
        self.executor = executor
        executor.start(self.scheduler, "pool")

    def job(self, func: Any, **options: Any) -> Job:
        defaults = {
            "trigger": DateTrigger(PAST),
            "executor": "pool",
            "args": (),
            "kwargs": {},
            "misfire_grace_time": 60,
            "coalesce": True,
            "max_instances": 1,
            "next_run_time": None,
        }
        job = Job(self.scheduler, func=func, **{**defaults, **options})
        job._jobstore_alias = "store"
        return job

    def run(self, func: Any, run_time: datetime | None = None, **options: Any) -> Any:
        self.executor.submit_job(self.job(func, **options), [run_time or now()])
        self.executor.shutdown()
        (event,) = self.events
        return event


@pytest.fixture(params=[ThreadPoolExecutor, ProcessPoolExecutor])
def pool(request: Any) -> Iterator[Harness]:
    harness = Harness(request.param(2))
    yield harness
    harness.executor.shutdown()


class TestPools:
    @pytest.mark.parametrize("func", [return_five, coroutine_five])
    def test_success(self, pool: Harness, func: Any) -> None:
        event = pool.run(func, id="a")
        assert (event.code, event.job_id, event.jobstore) == (EVENT_JOB_EXECUTED, "a", "store")
        assert event.retval == 5

    def test_error(self, pool: Harness) -> None:
        event = pool.run(raise_error)
        assert event.code == EVENT_JOB_ERROR
        assert str(event.exception) == "no good"
        assert "in raise_error" in event.traceback

    def test_missed(self, pool: Harness) -> None:
        assert pool.run(return_five, PAST).code == EVENT_JOB_MISSED

    def test_max_instances(self, pool: Harness) -> None:
        job = pool.job(return_five, max_instances=2)
        executor = pool.executor
        with executor._lock:  # type: ignore[union-attr]
            executor._instances[job.id] = 2
            with pytest.raises(MaxInstancesReachedError):
                executor.submit_job(job, [now()])
            executor._instances[job.id] = 1
            executor.submit_job(job, [now()])
        executor.shutdown()
        assert len(pool.events) == 1
        assert executor._instances == {job.id: 1}

    def test_started_again(self, pool: Harness) -> None:
        # DIFFERENCE: APScheduler's pools stay shut down.
        pool.executor.shutdown()
        pool.executor.start(pool.scheduler, "pool")
        assert pool.run(return_five).retval == 5


class TestThreadPool:
    def test_options(self) -> None:
        initialized: list[Any] = []
        executor = ThreadPoolExecutor(
            1,
            {
                "thread_name_prefix": "mine",
                "initializer": lambda *args: initialized.append(args),
                "initargs": (1, 2),
            },
        )
        event = Harness(executor).run(threading.current_thread)
        assert event.retval.name.startswith("mine_")
        assert initialized == [(1, 2)]

    def test_max_workers_as_text(self) -> None:
        assert ThreadPoolExecutor("3")._pool.max_workers == 3  # type: ignore[arg-type]
        assert ThreadPoolExecutor()._pool.max_workers == 10

    def test_unknown_pool_option(self) -> None:
        with pytest.raises(TypeError, match="nosuch"):
            ThreadPoolExecutor(1, {"nosuch": 1})

    def test_shutdown_waits_for_what_is_queued(self) -> None:
        harness = Harness(ThreadPoolExecutor(1))
        for _ in range(3):
            harness.executor.submit_job(harness.job(return_five), [now()])
        harness.executor.shutdown()
        assert [event.retval for event in harness.events] == [5, 5, 5]

    def test_submission_after_shutdown(self) -> None:
        harness = Harness(ThreadPoolExecutor(1))
        harness.executor.shutdown()
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            harness.executor.submit_job(harness.job(return_five), [now()])

    def test_pool_of_ones_own(self) -> None:
        from concurrent.futures import ThreadPoolExecutor as StandardPool

        class Own(BasePoolExecutor):
            def __init__(self) -> None:
                super().__init__(StandardPool(1))

        scheduler = BackgroundScheduler(timezone="UTC", executors={"default": Own()})
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(return_five)
        scheduler.add_job(coroutine_five)
        assert [event.retval for event in events.wait_for(EVENT_JOB_EXECUTED, 2)] == [5, 5]
        scheduler.shutdown()


def exit_process() -> None:
    os._exit(1)


def unpicklable() -> Any:
    return lambda: None


async def own_loop() -> bool:
    return asyncio.get_running_loop().is_running()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kinds", [("threadpool",) * 5, ("debug", "threadpool", "threadpool")])
def test_each_of_several_executors_begins_with_the_same_fire(
    kinds: tuple[str, ...], when: str
) -> None:
    executors = {str(number): {"type": kind} for number, kind in enumerate(kinds)}
    scheduler = BackgroundScheduler(timezone="UTC", executors=executors)
    executed = listen(scheduler, EVENT_JOB_EXECUTED)
    if when == "after":
        scheduler.start(paused=True)
    due = now()
    for alias in executors:
        job = {"executor": alias, "id": alias, "misfire_grace_time": None}
        scheduler.add_job(return_five, "date", run_date=due, **job)
    if when == "after":
        scheduler.resume()
    else:
        scheduler.start()
    executed.wait_for(EVENT_JOB_EXECUTED, len(kinds))
    scheduler.shutdown()
    assert sorted(event.job_id for event in executed.events) == sorted(executors)


class TestProcessPool:
    def test_processes_are_spawned(self) -> None:
        executor = ProcessPoolExecutor(1)
        assert executor.pool_kwargs["mp_context"].get_start_method() == "spawn"
        assert Harness(executor).run(os.getpid).retval != os.getpid()

    def test_given_context(self) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(1, {"mp_context": context})
        assert executor.pool_kwargs["mp_context"] is context
        executor.shutdown()

    def test_broken_pool_is_replaced(self, caplog: pytest.LogCaptureFixture) -> None:
        harness = Harness(ProcessPoolExecutor(1))
        broken = harness.executor._pool
        failed = threading.Event()
        harness.executor._run_job_error = (  # type: ignore[method-assign]
            lambda *args: failed.set()
        )
        harness.executor.submit_job(harness.job(exit_process), [now()])
        assert failed.wait(PATIENCE)
        assert harness.run(return_five).retval == 5
        assert harness.executor._pool is not broken
        assert "Process pool is broken; replacing pool with a fresh instance" in caplog.text

    def test_job_that_cannot_be_pickled(self, caplog: pytest.LogCaptureFixture) -> None:
        harness = Harness(ProcessPoolExecutor(1))
        told = threading.Event()
        tell = harness.executor._run_job_error

        def run_job_error(*args: Any) -> None:
            tell(*args)
            told.set()

        harness.executor._run_job_error = run_job_error  # type: ignore[method-assign]
        harness.executor.submit_job(harness.job(lambda: None, id="the-id"), [now()])
        # In CPython 3.12.1 a pool that is shut down before it has told of this waits for ever.
        assert told.wait(PATIENCE)
        harness.executor.shutdown()
        # DIFFERENCE: APScheduler logs it and tells no listener.
        (event,) = harness.events
        assert (event.code, event.job_id, event.jobstore) == (EVENT_JOB_ERROR, "the-id", "store")
        assert "cannot be serialized" in str(event.exception)
        assert "Error running job the-id" in caplog.text
        assert harness.executor._instances == {}

    def test_on_a_scheduler(self) -> None:
        scheduler = BackgroundScheduler(
            timezone="UTC", executors={"default": {"type": "processpool", "max_workers": 1}}
        )
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.start()
        scheduler.add_job(own_loop, misfire_grace_time=None)
        scheduler.add_job(os.getpid, misfire_grace_time=None)
        results = {event.retval for event in events.wait_for(EVENT_JOB_EXECUTED, 2)}
        assert True in results
        assert os.getpid() not in results
        scheduler.shutdown()


class TestSubclassesOfOnesOwn:
    """What is written for APScheduler hands over to the pool itself, and reads its size."""

    def test_a_subclass_that_submits_to_the_pool(self) -> None:
        outcomes: list[Any] = []

        class Executor(ThreadPoolExecutor):
            def _do_submit_job(self, job: Any, run_times: Any) -> None:
                def take(future: Any) -> None:
                    outcomes.append(future)
                    self._run_job_success(job.id, future.result())

                arguments = (job, job._jobstore_alias, run_times, self._logger.name)
                self._pool.submit(run_job, *arguments).add_done_callback(take)

        harness = Harness(Executor(2))
        assert harness.run(return_five).retval == 5
        (outcome,) = outcomes
        assert isinstance(outcome, concurrent.futures.Future)

    def test_the_futures_of_the_pool(self) -> None:
        pool = ThreadPoolExecutor(1)._pool
        begun, go_on = threading.Event(), threading.Event()

        def wait(*, then: int) -> int:
            begun.set()
            go_on.wait(PATIENCE)
            return then

        first, second = pool.submit(wait, then=5), pool.submit(raise_error)
        third = pool.submit(return_five)
        assert begun.wait(PATIENCE)
        assert third.cancel()
        go_on.set()
        assert first.result(PATIENCE) == 5
        assert str(second.exception(PATIENCE)) == "no good"
        pool.shutdown(True)
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            pool.submit(return_five)

    def test_the_number_of_threads_can_be_read(self) -> None:
        assert ThreadPoolExecutor(7)._pool._max_workers == 7
        assert ThreadPoolExecutor("3")._pool._max_workers == 3  # type: ignore[arg-type]

    def test_a_pool_of_another_kind_is_put_in_its_place(self) -> None:
        executor = ThreadPoolExecutor(1)
        executor._pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine")
        scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
        recorder = listen(scheduler)
        scheduler.start()
        scheduler.add_job(lambda: threading.current_thread().name, misfire_grace_time=None)
        (event,) = recorder.wait_for(EVENT_JOB_EXECUTED)
        scheduler.shutdown()
        assert event.retval == "mine_0"
