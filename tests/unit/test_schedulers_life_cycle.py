"""A scheduler is started, paused, resumed, shut down and started again."""

from __future__ import annotations

import gc
import pickle
import weakref
from types import ModuleType
from unittest.mock import MagicMock

import pytest

from mainspring.events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOBSTORE_ADDED,
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
)
from mainspring.executors.base import BaseExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.jobstores.base import BaseJobStore, ConflictingIdError
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from mainspring.schedulers.base import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED
from tests.support import ListJobStore, ManualScheduler, Recorder, listen, nothing
from tests.unit.schedulers import FAR


class TestLifeCycle:
    def test_start(self, scheduler: ManualScheduler, events: Recorder) -> None:
        assert not scheduler.running
        scheduler.start()
        assert scheduler.state == STATE_RUNNING
        assert scheduler.running
        assert events.codes() == [EVENT_JOBSTORE_ADDED, EVENT_SCHEDULER_STARTED]
        assert scheduler.wakeups == 1

    def test_start_paused(self, scheduler: ManualScheduler) -> None:
        scheduler.start(paused=True)
        assert scheduler.state == STATE_PAUSED
        assert scheduler.running
        assert scheduler.wakeups == 0

    def test_start_twice(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        with pytest.raises(SchedulerAlreadyRunningError, match="Scheduler is already running"):
            scheduler.start()

    def test_start_gives_default_executor_and_job_store(self) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        scheduler.start(paused=True)
        assert isinstance(scheduler._lookup_executor("default"), ThreadPoolExecutor)
        assert isinstance(scheduler._lookup_jobstore("default"), MemoryJobStore)
        scheduler.shutdown()

    def test_failed_start_leaves_nothing_started(self, scheduler: ManualScheduler) -> None:
        # DIFFERENCE: APScheduler leaves executors and stores started, and cannot be started again.
        store = ListJobStore()
        scheduler.add_jobstore(store, "listed")
        scheduler.add_job(nothing, "date", run_date=FAR, id="same", jobstore="listed")
        scheduler.add_job(nothing, "date", run_date=FAR, id="same", jobstore="listed")
        with pytest.raises(ConflictingIdError):
            scheduler.start()
        assert not scheduler.running
        assert store.is_shut_down
        store.states.clear()
        scheduler.remove_job("same")
        scheduler.start()
        assert [job.id for job in scheduler.get_jobs()] == ["same"]

    def test_uwsgi_without_threads(
        self, scheduler: ManualScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uwsgi = ModuleType("uwsgi")
        uwsgi.has_threads = False  # type: ignore[attr-defined]
        monkeypatch.setitem(__import__("sys").modules, "uwsgi", uwsgi)
        with pytest.raises(RuntimeError, match="--enable-threads"):
            scheduler.start()
        assert not scheduler.running

    @pytest.mark.parametrize("wait", [True, False])
    def test_shutdown(self, wait: bool) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        executor, store = MagicMock(BaseExecutor), MagicMock(BaseJobStore)
        scheduler.add_executor(executor)
        scheduler.add_jobstore(store)
        scheduler.start(paused=True)
        events = listen(scheduler)
        scheduler.shutdown(wait)
        assert scheduler.state == STATE_STOPPED
        executor.shutdown.assert_called_once_with(wait)
        store.shutdown.assert_called_once_with()
        assert events.codes() == [EVENT_SCHEDULER_SHUTDOWN]

    def test_restart(self, scheduler: ManualScheduler, events: Recorder) -> None:
        for _ in range(2):
            scheduler.start()
            scheduler.add_job(nothing)
            scheduler._process_jobs()
            scheduler.shutdown()
        assert len(events.of(EVENT_JOB_EXECUTED)) == 2

    def test_restart_with_thread_pool(self) -> None:
        # DIFFERENCE: APScheduler's pool stays shut down, and every submission fails.
        scheduler = ManualScheduler(timezone="UTC")
        events = listen(scheduler)
        for count in (1, 2):
            scheduler.start()
            scheduler.add_job(nothing)
            scheduler._process_jobs()
            events.wait_for(EVENT_JOB_EXECUTED, count)
            scheduler.shutdown()

    @pytest.mark.parametrize("method", ["shutdown", "pause", "resume"])
    def test_not_running(self, scheduler: ManualScheduler, method: str) -> None:
        with pytest.raises(SchedulerNotRunningError, match="Scheduler is not running"):
            getattr(scheduler, method)()

    def test_pause_and_resume(self, scheduler: ManualScheduler, events: Recorder) -> None:
        scheduler.start()
        scheduler.add_job(nothing)
        events.events.clear()
        scheduler.pause()
        scheduler.pause()
        assert scheduler.state == STATE_PAUSED
        assert scheduler._process_jobs() is None
        wakeups = scheduler.wakeups
        scheduler.resume()
        scheduler.resume()
        assert scheduler.state == STATE_RUNNING
        assert scheduler.wakeups == wakeups + 1
        assert events.codes() == [EVENT_SCHEDULER_PAUSED, EVENT_SCHEDULER_RESUMED]

    def test_scheduler_cannot_be_pickled(self, scheduler: ManualScheduler) -> None:
        with pytest.raises(TypeError, match="Schedulers cannot be serialized"):
            pickle.dumps(scheduler)

    def test_forgotten_scheduler_is_freed(self) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        scheduler.start()
        scheduler.add_job(nothing, "interval", hours=1)
        scheduler.shutdown()
        reference = weakref.ref(scheduler)
        del scheduler
        gc.collect()
        assert reference() is None
