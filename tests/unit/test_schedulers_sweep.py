"""Job stores that are written in Python, on a scheduler that the test drives and one that runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import MagicMock

import pytest

from mainspring._scheduler.replaced import native_pool, native_store
from mainspring._scheduler.sweep import StoreSweeper
from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from mainspring.executors.base import BaseExecutor, MaxInstancesReachedError
from mainspring.executors.debug import DebugExecutor
from mainspring.job import Job
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.triggers.base import BaseTrigger
from tests.support import (
    PATIENCE,
    ListJobStore,
    ManualScheduler,
    Recorder,
    coroutine_five,
    listen,
    nothing,
    return_five,
)

PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)


class RaisingTrigger(BaseTrigger):
    """A trigger that fails from its second call on."""

    calls = 0

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        pass

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        type(self).calls += 1
        if type(self).calls > 1:
            raise ValueError("bad trigger")
        return PAST


@pytest.fixture
def store() -> ListJobStore:
    return ListJobStore()


@pytest.fixture
def scheduler(store: ListJobStore) -> Iterator[ManualScheduler]:
    scheduler = ManualScheduler(
        timezone="UTC",
        executors={"default": DebugExecutor()},
        jobstores={"default": store},
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def events(scheduler: ManualScheduler) -> Recorder:
    return listen(scheduler, EVENT_JOB_SUBMITTED | EVENT_JOB_EXECUTED | EVENT_JOB_REMOVED)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


class TestSweep:
    def test_due_job(self, scheduler: ManualScheduler, events: Recorder) -> None:
        scheduler.add_job(return_five, "interval", hours=1, next_run_time=PAST, id="a")
        wait = scheduler._process_jobs()
        assert wait is not None
        assert 0 < wait <= 3600
        # As in APScheduler the submission is told last, after the whole sweep.
        assert events.codes() == [EVENT_JOB_EXECUTED, EVENT_JOB_SUBMITTED]
        assert events.events[0].retval == 5
        assert events.events[0].jobstore == "default"
        job = scheduler.get_job("a")
        assert job is not None
        assert job.next_run_time is not None
        assert job.next_run_time > datetime.now(timezone.utc)

    def test_job_whose_trigger_has_ended(
        self, scheduler: ManualScheduler, events: Recorder
    ) -> None:
        scheduler.add_job(nothing, "date", run_date=PAST)
        assert scheduler._process_jobs() is None
        assert scheduler.get_jobs() == []
        assert events.codes() == [EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED, EVENT_JOB_SUBMITTED]

    def test_no_coalescing(self, scheduler: ManualScheduler, events: Recorder) -> None:
        now = datetime.now(timezone.utc)
        scheduler.add_job(
            nothing,
            "interval",
            hours=1,
            start_date=now - timedelta(hours=2, minutes=30),
            next_run_time=now - timedelta(hours=2, minutes=30),
            coalesce=False,
        )
        scheduler._process_jobs()
        (submitted,) = events.of(EVENT_JOB_SUBMITTED)
        assert len(submitted.scheduled_run_times) == 3
        assert len(events.of(EVENT_JOB_EXECUTED)) == 3

    def test_job_that_removes_itself(self, scheduler: ManualScheduler, events: Recorder) -> None:
        # DIFFERENCE: in APScheduler the JobLookupError of the update ends the scheduler's thread.
        job = scheduler.add_job("tests.support:nothing", "interval", hours=1, next_run_time=PAST)
        job_id = job.id
        scheduler.add_listener(lambda event: scheduler.remove_job(job_id), EVENT_JOB_EXECUTED)
        scheduler._process_jobs()
        assert scheduler.get_jobs() == []
        assert len(events.of(EVENT_JOB_REMOVED)) == 1

    def test_max_instances(
        self, scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        executor = MagicMock(BaseExecutor)
        executor.submit_job.side_effect = MaxInstancesReachedError(MagicMock(Job, id="a"))
        scheduler.add_executor(executor, "full")
        events = listen(scheduler, EVENT_JOB_MAX_INSTANCES)
        scheduler.add_job(nothing, "interval", hours=1, next_run_time=PAST, executor="full", id="a")
        scheduler._process_jobs()
        (event,) = events.events
        assert len(event.scheduled_run_times) == 1
        (message,) = warnings_of(caplog)
        assert message.endswith("instances reached (1) (job id: a)")

    def test_executor_that_raises(
        self, scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        executor = MagicMock(BaseExecutor)
        executor.submit_job.side_effect = RuntimeError("no room")
        scheduler.add_executor(executor, "broken")
        scheduler.add_job(
            nothing, "interval", hours=1, next_run_time=PAST, executor="broken", id="the-id"
        )
        scheduler.add_job(nothing, "interval", hours=1, next_run_time=PAST, id="z")
        events = listen(scheduler, EVENT_JOB_SUBMITTED)
        wait = scheduler._process_jobs()
        assert wait is not None
        assert wait > 0
        assert [event.job_id for event in events.events] == ["z"]
        (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert record.getMessage().startswith('Error submitting job "nothing (trigger: interval')
        assert "the-id" in record.getMessage()
        assert "no room" in str(record.exc_text)


class TestTriggerThatRaises:
    # DIFFERENCE: in APScheduler the exception ends the scheduler's thread.

    @pytest.mark.parametrize("calls", [0, -1], ids=["run times", "next fire time"])
    def test_job_is_parked(
        self,
        scheduler: ManualScheduler,
        events: Recorder,
        caplog: pytest.LogCaptureFixture,
        calls: int,
    ) -> None:
        RaisingTrigger.calls = calls
        scheduler.add_job(nothing, RaisingTrigger(), id="the-id", next_run_time=PAST)
        scheduler.add_job(nothing, "interval", hours=1, next_run_time=PAST, id="z")
        wait = scheduler._process_jobs()
        assert wait is not None
        assert wait > 0
        assert "z" in [event.job_id for event in events.of(EVENT_JOB_EXECUTED)]
        job = scheduler.get_job("the-id")
        assert job is not None
        assert job.next_run_time is None
        (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert "the-id" in record.getMessage()
        assert "bad trigger" in str(record.exc_text)


class TestStoreThatRaises:
    @pytest.fixture
    def quick(self, scheduler: ManualScheduler) -> ManualScheduler:
        scheduler.jobstore_retry_interval = 7
        return scheduler

    def test_getting_the_due_jobs(
        self,
        quick: ManualScheduler,
        store: ListJobStore,
        events: Recorder,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        quick.add_jobstore(ListJobStore(), "good")
        quick.add_jobstore("memory", "native")
        quick.add_job(nothing, "interval", hours=1, next_run_time=PAST, jobstore="good")
        quick.add_job(nothing, "interval", hours=1, next_run_time=PAST, jobstore="native")
        monkeypatch.setattr(store, "get_due_jobs", MagicMock(side_effect=OSError("gone")))
        wait = quick._process_jobs()
        assert wait is not None
        assert 6 < wait <= 7
        assert {event.jobstore for event in events.of(EVENT_JOB_EXECUTED)} == {"good", "native"}
        assert warnings_of(caplog) == ["Error getting due jobs from job store 'default': gone"]

    def test_getting_the_next_run_time(
        self,
        quick: ManualScheduler,
        store: ListJobStore,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # DIFFERENCE: in APScheduler the exception ends the scheduler's thread.
        monkeypatch.setattr(store, "get_next_run_time", MagicMock(side_effect=OSError("gone")))
        wait = quick._process_jobs()
        assert wait is not None
        assert 6 < wait <= 7
        assert "gone" in warnings_of(caplog)[0]

    def test_updating_a_job(
        self,
        quick: ManualScheduler,
        store: ListJobStore,
        events: Recorder,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # DIFFERENCE: in APScheduler the exception ends the scheduler's thread.
        quick.add_job(nothing, "interval", hours=1, next_run_time=PAST, id="a")
        quick.add_job(nothing, "interval", hours=1, next_run_time=PAST, id="b")
        with monkeypatch.context() as patched:
            patched.setattr(store, "update_job", MagicMock(side_effect=OSError("gone")))
            wait = quick._process_jobs()
            assert wait is not None
            assert 6 < wait <= 7
        assert len(warnings_of(caplog)) == 2
        quick._process_jobs()
        # What was run before the store failed is not run again when it works again.
        assert [event.job_id for event in events.of(EVENT_JOB_EXECUTED)] == ["a", "b"]
        assert all(job.next_run_time != PAST for job in quick.get_jobs())


class TestThread:
    """The thread that sweeps the Python stores of a running scheduler."""

    @pytest.fixture
    def background(self, store: ListJobStore) -> Iterator[BackgroundScheduler]:
        scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"slow": store},
            job_defaults={"misfire_grace_time": None},
        )
        yield scheduler
        if scheduler.running:
            scheduler.shutdown()

    @pytest.mark.parametrize("func", [return_five, coroutine_five])
    def test_jobs_run(self, background: BackgroundScheduler, func: Any) -> None:
        events = listen(background, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        background.start()
        background.add_job(func, jobstore="slow", id="a")
        (event,) = events.wait_for(EVENT_JOB_EXECUTED)
        assert (event.job_id, event.jobstore, event.retval) == ("a", "slow", 5)

    def test_interval(self, background: BackgroundScheduler, store: ListJobStore) -> None:
        events = listen(background, EVENT_JOB_EXECUTED)
        background.add_job(nothing, "interval", seconds=0.01, jobstore="slow", id="a")
        background.start()
        run = events.wait_for(EVENT_JOB_EXECUTED, 3)
        times = [event.scheduled_run_time for event in run]
        assert times == sorted(set(times))
        assert threading.current_thread().name not in store.calls

    def test_there_is_none_without_a_python_store(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        scheduler.add_job(nothing, "interval", hours=1)
        assert scheduler._sweeper._thread is None
        scheduler.add_jobstore(ListJobStore(), "slow")
        assert scheduler._sweeper._thread is not None
        scheduler.shutdown()
        assert scheduler._sweeper._thread is None

    def test_slow_store_holds_up_nobody_else(
        self, background: BackgroundScheduler, store: ListJobStore, monkeypatch: Any
    ) -> None:
        entered, release = threading.Event(), threading.Event()

        def get_due_jobs(now: datetime) -> list[Job]:
            entered.set()
            assert release.wait(PATIENCE)
            return []

        monkeypatch.setattr(store, "get_due_jobs", get_due_jobs)
        events = listen(background, EVENT_JOB_EXECUTED)
        background.start()
        assert entered.wait(PATIENCE)
        background.add_job(nothing, id="fast")
        assert events.wait_for(EVENT_JOB_EXECUTED)[0].job_id == "fast"
        release.set()

    def test_pause(self, background: BackgroundScheduler, store: ListJobStore) -> None:
        events = listen(background, EVENT_JOB_EXECUTED)
        background.start(paused=True)
        background.add_job(nothing, jobstore="slow")
        assert "get_due_jobs" not in store.calls
        background.resume()
        events.wait_for(EVENT_JOB_EXECUTED)

    def test_error_of_the_sweep_itself_is_logged(
        self,
        background: BackgroundScheduler,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        logged = threading.Event()
        monkeypatch.setattr(background._sweeper, "sweep", MagicMock(side_effect=OSError("gone")))
        monkeypatch.setattr(background._logger, "exception", lambda *args: logged.set())
        background.start()
        assert logged.wait(PATIENCE)
        assert background.running

    def test_sees_the_context_of_start(self, background: BackgroundScheduler) -> None:
        import contextvars

        from tests.unit import context_jobs

        events = listen(background, EVENT_JOB_EXECUTED)

        def start() -> None:
            context_jobs.variable.set("of start")
            background.start()

        contextvars.copy_context().run(start)
        background.add_job(context_jobs.read, jobstore="slow", id="sync")
        assert events.wait_for(EVENT_JOB_EXECUTED)[0].retval == "of start"
        background.add_job(context_jobs.read_in_coroutine, jobstore="slow", id="coroutine")
        assert events.wait_for(EVENT_JOB_EXECUTED, 2)[1].retval == "of start"

    def test_is_waited_for_by_a_start_after_it_has_shut_the_scheduler_down(
        self, background: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # It holds the lock of its store meanwhile, and the jobs that have been pending are put there.
        stopped, about_to_wait = threading.Event(), threading.Event()

        def listener(event: Any) -> None:
            if not stopped.is_set():
                background.shutdown(wait=False)
                stopped.set()
                assert about_to_wait.wait(PATIENCE)

        def wait_for_former() -> None:
            about_to_wait.set()
            StoreSweeper.wait_for_former(background._sweeper)

        background.add_listener(listener, EVENT_JOB_REMOVED)
        for id_ in "ab":
            background.add_job(nothing, "date", run_date=PAST, jobstore="slow", id=id_)
        background.start()
        assert stopped.wait(PATIENCE)
        background.add_job(nothing, "interval", hours=1, jobstore="slow", id="pending")
        monkeypatch.setattr(background._sweeper, "wait_for_former", wait_for_former)
        background.start()
        assert "pending" in {job.id for job in background.get_jobs()}


class TestNative:
    def test_memory_store(self) -> None:
        store = MemoryJobStore()
        assert native_store(store) is store._native

    def test_subclass_without_a_method_of_its_own(self) -> None:
        class Store(MemoryJobStore):
            def lookup_job(self, job_id: str) -> Job | None:
                return super().lookup_job(job_id)

        assert native_store(Store()) is not None

    @pytest.mark.parametrize(
        "method", ["add_job", "get_due_jobs", "get_next_run_time", "remove_job", "update_job"]
    )
    def test_subclass_with_a_method_of_its_own(self, method: str) -> None:
        cls = type("Store", (MemoryJobStore,), {method: lambda self, *args: None})
        assert native_store(cls()) is None
        store = MemoryJobStore()
        setattr(store, method, MagicMock())
        assert native_store(store) is None

    def test_other_stores(self) -> None:
        assert native_store(ListJobStore()) is None
        assert native_store(MagicMock(MemoryJobStore)) is None

    def test_executors(self) -> None:
        from mainspring.executors.asyncio import AsyncIOExecutor
        from mainspring.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor

        class Own(ThreadPoolExecutor):
            def _run_job_success(self, *args: Any) -> None: ...

        class Same(ThreadPoolExecutor): ...

        executor = ThreadPoolExecutor(1)
        assert native_pool(executor) is executor._pool
        assert native_pool(Same(1)) is not None
        assert native_pool(Own(1)) is None
        assert native_pool(DebugExecutor()) is None
        assert native_pool(AsyncIOExecutor()) is None  # it has its pool only once it is started
        assert native_pool(MagicMock(ThreadPoolExecutor)) is None
        process_pool = ProcessPoolExecutor(1)
        assert native_pool(process_pool) is None
        process_pool.shutdown()

    def test_overridden_store_method_is_called(self) -> None:
        class Store(MemoryJobStore):
            updates = 0

            def update_job(self, job: Job) -> None:
                self.updates += 1
                super().update_job(job)

        store = Store()
        scheduler = ManualScheduler(
            timezone="UTC",
            executors={"default": DebugExecutor()},
            jobstores={"default": store},
            job_defaults={"misfire_grace_time": None},
        )
        scheduler.start()
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.add_job(nothing, "interval", hours=1, next_run_time=PAST)
        scheduler._process_jobs()
        assert store.updates == 1
        assert len(events.events) == 1
        scheduler.shutdown()
