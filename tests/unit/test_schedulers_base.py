from __future__ import annotations

import gc
import inspect
import io
import logging
import pickle
import sys
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, Mock
from zoneinfo import ZoneInfo

import pytest

from mainspring.events import (
    EVENT_ALL,
    EVENT_ALL_JOBS_REMOVED,
    EVENT_EXECUTOR_ADDED,
    EVENT_EXECUTOR_REMOVED,
    EVENT_JOB_ADDED,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
    EVENT_JOBSTORE_ADDED,
    EVENT_JOBSTORE_REMOVED,
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    SchedulerEvent,
)
from mainspring.executors.base import BaseExecutor
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.job import Job
from mainspring.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from mainspring.schedulers.base import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.stores.servers import import_etcd3
from tests.support import ListJobStore, ManualScheduler, Recorder, listen, nothing, raise_error

PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)
FAR = datetime(2999, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def scheduler() -> Iterator[ManualScheduler]:
    scheduler = ManualScheduler(
        timezone="UTC",
        executors={"default": DebugExecutor()},
        job_defaults={"misfire_grace_time": None},
    )
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


@pytest.fixture
def events(scheduler: ManualScheduler) -> Recorder:
    return listen(scheduler)


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


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


class TestExecutors:
    @pytest.mark.parametrize("running", [False, True])
    def test_add(self, running: bool) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        if running:
            scheduler.start(paused=True)
        events = listen(scheduler)
        executor = MagicMock(BaseExecutor)
        scheduler.add_executor(executor, "other")
        if running:
            executor.start.assert_called_once_with(scheduler, "other")
            scheduler.shutdown()
        else:
            executor.start.assert_not_called()
        assert events.events[0].code == EVENT_EXECUTOR_ADDED
        assert events.events[0].alias == "other"

    def test_add_by_alias(self, scheduler: ManualScheduler) -> None:
        scheduler.add_executor("threadpool", "pool", max_workers=3)
        assert scheduler._lookup_executor("pool")._pool.max_workers == 3

    def test_add_twice(self, scheduler: ManualScheduler) -> None:
        with pytest.raises(ValueError, match='already has an executor by the alias of "default"'):
            scheduler.add_executor(DebugExecutor())

    def test_add_something_else(self, scheduler: ManualScheduler) -> None:
        with pytest.raises(TypeError, match="Expected an executor instance or a string, got int"):
            scheduler.add_executor(5, "five")  # type: ignore[arg-type]

    @pytest.mark.parametrize("shutdown", [True, False])
    def test_remove(self, scheduler: ManualScheduler, events: Recorder, shutdown: bool) -> None:
        executor = MagicMock(BaseExecutor)
        scheduler.add_executor(executor, "other")
        events.events.clear()
        scheduler.remove_executor("other", shutdown)
        assert executor.shutdown.called == shutdown
        assert [(e.code, e.alias) for e in events.events] == [(EVENT_EXECUTOR_REMOVED, "other")]
        with pytest.raises(KeyError, match="No such executor: other"):
            scheduler.remove_executor("other")


class TestJobStores:
    @pytest.mark.parametrize("running", [False, True])
    def test_add(self, scheduler: ManualScheduler, running: bool) -> None:
        if running:
            scheduler.start(paused=True)
        events = listen(scheduler)
        store = MagicMock(BaseJobStore)
        wakeups = scheduler.wakeups
        scheduler.add_jobstore(store, "other")
        assert store.start.called == running
        assert scheduler.wakeups == wakeups + running
        assert [(e.code, e.alias) for e in events.events] == [(EVENT_JOBSTORE_ADDED, "other")]

    def test_add_by_alias(self, scheduler: ManualScheduler) -> None:
        scheduler.add_jobstore("memory", "other")
        assert isinstance(scheduler._lookup_jobstore("other"), MemoryJobStore)

    def test_add_twice(self, scheduler: ManualScheduler) -> None:
        scheduler.add_jobstore("memory")
        with pytest.raises(ValueError, match='already has a job store by the alias of "default"'):
            scheduler.add_jobstore("memory")

    def test_add_something_else(self, scheduler: ManualScheduler) -> None:
        with pytest.raises(TypeError, match="Expected a job store instance or a string, got dict"):
            scheduler.add_jobstore({})  # type: ignore[arg-type]

    @pytest.mark.parametrize("shutdown", [True, False])
    def test_remove(self, scheduler: ManualScheduler, events: Recorder, shutdown: bool) -> None:
        store = MagicMock(BaseJobStore)
        scheduler.add_jobstore(store, "other")
        events.events.clear()
        scheduler.remove_jobstore("other", shutdown)
        assert store.shutdown.called == shutdown
        assert [(e.code, e.alias) for e in events.events] == [(EVENT_JOBSTORE_REMOVED, "other")]
        with pytest.raises(KeyError, match="No such job store: other"):
            scheduler.remove_jobstore("other")

    def test_jobs_of_removed_store_do_not_run(
        self, scheduler: ManualScheduler, events: Recorder
    ) -> None:
        scheduler.add_jobstore("memory", "other")
        scheduler.start()
        scheduler.add_job(nothing, jobstore="other")
        scheduler.remove_jobstore("other")
        assert scheduler._process_jobs() is None
        assert not events.of(EVENT_JOB_EXECUTED)


class TestListeners:
    def test_mask(self, scheduler: ManualScheduler) -> None:
        started = listen(scheduler, EVENT_SCHEDULER_STARTED)
        everything = listen(scheduler)
        scheduler.start()
        assert started.codes() == [EVENT_SCHEDULER_STARTED]
        assert everything.codes() == [EVENT_JOBSTORE_ADDED, EVENT_SCHEDULER_STARTED]

    def test_mask_of_a_listener_added_later(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        executed = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.add_job(nothing, id="a")
        scheduler._process_jobs()
        assert [event.job_id for event in executed.events] == ["a"]

    def test_remove(self, scheduler: ManualScheduler) -> None:
        one, two = listen(scheduler), listen(scheduler)
        scheduler.remove_listener(one)
        scheduler.remove_listener(one)
        scheduler.start()
        assert one.events == []
        assert two.events

    def test_remove_takes_away_every_registration(self, scheduler: ManualScheduler) -> None:
        # DIFFERENCE: APScheduler skips an entry after each one it removes.
        listener = listen(scheduler, EVENT_SCHEDULER_STARTED)
        scheduler.add_listener(listener, EVENT_SCHEDULER_SHUTDOWN)
        scheduler.remove_listener(listener)
        scheduler.start()
        scheduler.shutdown()
        assert listener.events == []

    def test_error_is_logged_and_others_are_called(
        self, scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        scheduler.add_listener(lambda event: raise_error())
        after = listen(scheduler)
        scheduler.start()
        assert after.events
        told = messages(caplog, logging.ERROR)
        assert any(message.startswith("Error notifying listener") for message in told)

    def test_overridden_dispatch_gets_every_event(self) -> None:
        class Scheduler(ManualScheduler):
            def _dispatch_event(self, event: SchedulerEvent) -> None:
                seen.append(event.code)

        seen: list[int] = []
        scheduler = Scheduler(timezone="UTC", executors={"default": DebugExecutor()})
        scheduler.start()
        scheduler.add_job(nothing)
        scheduler._process_jobs()
        scheduler.shutdown()
        assert EVENT_JOB_SUBMITTED in seen
        assert EVENT_JOB_EXECUTED in seen


class TestAddJob:
    def test_pending(self, scheduler: ManualScheduler, events: Recorder) -> None:
        job = scheduler.add_job(nothing, "date", run_date=FAR)
        assert job.pending
        assert scheduler.get_jobs() == [job]
        assert events.events == []
        scheduler.start()
        assert not job.pending
        assert events.codes() == [EVENT_JOBSTORE_ADDED, EVENT_JOB_ADDED, EVENT_SCHEDULER_STARTED]
        assert job.next_run_time == FAR

    def test_added_while_running(self, scheduler: ManualScheduler, events: Recorder) -> None:
        scheduler.start()
        events.events.clear()
        wakeups = scheduler.wakeups
        job = scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        assert not job.pending
        assert [(e.code, e.job_id, e.jobstore) for e in events.events] == [
            (EVENT_JOB_ADDED, "a", "default")
        ]
        assert scheduler.wakeups == wakeups + 1

    def test_all_arguments(self, scheduler: ManualScheduler) -> None:
        job = scheduler.add_job(
            nothing,
            IntervalTrigger(hours=1, timezone="UTC"),
            [1],
            {"k": 2},
            "the id",
            "the name",
            77,
            False,
            9,
            FAR,
            "default",
            "default",
            False,
        )
        assert (job.args, job.kwargs) == ((1,), {"k": 2})
        assert (job.id, job.name) == ("the id", "the name")
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (77, False, 9)
        assert job.next_run_time == FAR
        assert job.executor == "default"

    def test_defaults_are_filled_in_when_it_enters_its_store(
        self, scheduler: ManualScheduler
    ) -> None:
        job = scheduler.add_job(nothing, "date", run_date=FAR)
        assert not hasattr(job, "max_instances")
        assert not hasattr(job, "next_run_time")
        scheduler.start()
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (None, True, 1)

    def test_paused(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        job = scheduler.add_job(nothing, "interval", seconds=1, next_run_time=None)
        assert job.next_run_time is None
        assert scheduler._process_jobs() is None

    def test_conflicting_id(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        with pytest.raises(ConflictingIdError, match=r"\(a\) conflicts with an existing job"):
            scheduler.add_job(nothing, "date", run_date=FAR, id="a")

    def test_replace_existing(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        job = scheduler.add_job(
            nothing, "date", run_date=FAR, id="a", name="new", replace_existing=True
        )
        assert [j.name for j in scheduler.get_jobs()] == ["new"]
        scheduler.modify_job("a", name="newer")
        assert job.name == "newer"

    def test_textual_reference(self, scheduler: ManualScheduler) -> None:
        job = scheduler.add_job("tests.support:nothing")
        assert job.func is nothing

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            (
                {"trigger": "nosuch"},
                LookupError,
                'No trigger by the name "nosuch" was found',
            ),
            ({"trigger": 5}, TypeError, "Expected a trigger instance or string, got int instead"),
            ({"args": 5}, TypeError, "not iterable"),
            ({"args": [1], "func": raise_error}, ValueError, "list of positional arguments"),
            ({"func": 5}, TypeError, "func must be a callable or a textual reference to one"),
            ({"func": "tests.nosuch:f"}, LookupError, "tests.nosuch:f"),
            ({"id": 5}, TypeError, "id must be a nonempty string"),
            ({"name": 5}, TypeError, "name must be a nonempty string"),
            ({"misfire_grace_time": 0}, TypeError, "misfire_grace_time must be"),
            ({"max_instances": "2"}, TypeError, "max_instances must be a positive integer"),
            ({"executor": 5}, TypeError, "executor must be a string"),
            ({"next_run_time": 5.5}, TypeError, "Unsupported type for next_run_time: float"),
            ({"jobstore": "nosuch"}, KeyError, "No such job store: nosuch"),
        ],
    )
    def test_bad_arguments(
        self,
        scheduler: ManualScheduler,
        arguments: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        scheduler.start()
        arguments = {"func": nothing, "trigger": "date", **arguments}
        with pytest.raises(error, match=message):
            scheduler.add_job(**arguments)

    def test_scheduled_job(self, scheduler: ManualScheduler) -> None:
        @scheduler.scheduled_job("interval", minutes=5, id="a")
        def first() -> None: ...

        @scheduler.scheduled_job("interval", minutes=5, id="a")
        def second() -> None: ...

        scheduler.start()
        assert [job.func for job in scheduler.get_jobs()] == [second]
        assert callable(first)

    def test_listener_sees_the_scheduler_of_the_default_zone(self) -> None:
        scheduler = ManualScheduler(timezone="Europe/Berlin")
        trigger = scheduler.add_job(nothing, "cron", hour=3).trigger
        assert trigger.timezone == ZoneInfo("Europe/Berlin")


class TestModifyJobs:
    def test_modify(self, scheduler: ManualScheduler, events: Recorder) -> None:
        scheduler.start()
        job = scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        events.events.clear()
        assert scheduler.modify_job("a", name="new", max_instances=4) == job
        assert (job.name, job.max_instances) == ("new", 4)
        assert [(e.code, e.job_id, e.jobstore) for e in events.events] == [
            (EVENT_JOB_MODIFIED, "a", "default")
        ]

    def test_modify_pending(self, scheduler: ManualScheduler, events: Recorder) -> None:
        job = scheduler.add_job(nothing, id="a")
        job.modify(name="new")
        assert job.name == "new"
        assert [(e.code, e.jobstore) for e in events.events] == [(EVENT_JOB_MODIFIED, None)]

    def test_modify_what_cannot_be(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        with pytest.raises(AttributeError, match="not modifiable attributes of Job: colour"):
            scheduler.modify_job("a", colour="red")
        with pytest.raises(ValueError, match="The job ID may not be changed"):
            scheduler.modify_job("a", id="b")

    def test_reschedule(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        job = scheduler.add_job(nothing, "date", run_date=FAR)
        job.reschedule("date", run_date=FAR + timedelta(days=1))
        assert job.next_run_time == FAR + timedelta(days=1)

    def test_pause_and_resume(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        job = scheduler.add_job(nothing, "interval", hours=1)
        next_run_time = job.next_run_time
        job.pause()
        assert job.next_run_time is None
        assert job.resume() is job
        assert job.next_run_time == next_run_time

    def test_resume_after_the_end_of_the_trigger(
        self, scheduler: ManualScheduler, events: Recorder
    ) -> None:
        class OneTime(BaseTrigger):
            left = 1

            def get_next_fire_time(self, previous: datetime | None, now: datetime) -> Any:
                self.left -= 1
                return FAR if self.left >= 0 else None

        scheduler.start()
        job = scheduler.add_job(nothing, OneTime(), id="a")
        scheduler.pause_job("a")
        assert scheduler.resume_job("a") is None
        assert scheduler.get_job("a") is None
        assert events.codes()[-1] == EVENT_JOB_REMOVED
        assert job.id == "a"

    @pytest.mark.parametrize(
        "method", ["modify_job", "reschedule_job", "pause_job", "resume_job", "remove_job"]
    )
    @pytest.mark.parametrize("running", [False, True])
    def test_unknown_job(self, scheduler: ManualScheduler, method: str, running: bool) -> None:
        if running:
            scheduler.start()
        with pytest.raises(JobLookupError, match="No job by the id of nosuch was found"):
            getattr(scheduler, method)("nosuch")

    def test_hooks_are_used(self, scheduler: ManualScheduler) -> None:
        job, store = MagicMock(), MagicMock(BaseJobStore)
        scheduler._lookup_job = Mock(return_value=(job, "other"))  # type: ignore[method-assign]
        scheduler._lookup_jobstore = Mock(return_value=store)  # type: ignore[method-assign]
        assert scheduler.modify_job("a", "other", x=1) is job
        scheduler._lookup_job.assert_called_once_with("a", "other")
        job._modify.assert_called_once_with(x=1)
        store.update_job.assert_called_once_with(job)


class TestFindAndRemoveJobs:
    @pytest.fixture(params=[False, True], ids=["stopped", "running"])
    def two_stores(self, scheduler: ManualScheduler, request: Any) -> ManualScheduler:
        scheduler.add_jobstore("memory", "other")
        scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        scheduler.add_job(nothing, "date", run_date=FAR, id="b", jobstore="other")
        if request.param:
            scheduler.start()
        return scheduler

    def test_get_jobs(self, two_stores: ManualScheduler) -> None:
        assert sorted(job.id for job in two_stores.get_jobs()) == ["a", "b"]
        assert [job.id for job in two_stores.get_jobs("other")] == ["b"]
        assert two_stores.get_jobs("nosuch") == []

    def test_pending_argument_is_deprecated(self, two_stores: ManualScheduler) -> None:
        with pytest.warns(DeprecationWarning, match='The "pending" option is deprecated'):
            two_stores.get_jobs(pending=True)

    def test_get_job(self, two_stores: ManualScheduler) -> None:
        job = two_stores.get_job("b")
        assert job is not None
        assert job.id == "b"
        assert two_stores.get_job("nosuch") is None

    def test_get_job_of_another_store(self, scheduler: ManualScheduler) -> None:
        scheduler.add_jobstore("memory", "other")
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR, id="b", jobstore="other")
        assert scheduler.get_job("b", "default") is None
        assert scheduler.get_job("b", "other") is not None

    def test_remove(self, two_stores: ManualScheduler) -> None:
        events = listen(two_stores)
        two_stores.remove_job("b")
        assert [job.id for job in two_stores.get_jobs()] == ["a"]
        assert [(e.code, e.job_id, e.jobstore) for e in events.events] == [
            (EVENT_JOB_REMOVED, "b", "other")
        ]

    def test_remove_from_the_wrong_store(self, two_stores: ManualScheduler) -> None:
        with pytest.raises(JobLookupError):
            two_stores.remove_job("b", "default")

    def test_remove_all(self, two_stores: ManualScheduler) -> None:
        events = listen(two_stores)
        two_stores.remove_all_jobs("other")
        assert [job.id for job in two_stores.get_jobs()] == ["a"]
        two_stores.remove_all_jobs()
        assert two_stores.get_jobs() == []
        assert [(e.code, e.alias) for e in events.events] == [
            (EVENT_ALL_JOBS_REMOVED, "other"),
            (EVENT_ALL_JOBS_REMOVED, None),
        ]

    def test_print_jobs(self, scheduler: ManualScheduler) -> None:
        def printed(jobstore: str | None = None) -> list[str]:
            out = io.StringIO()
            scheduler.print_jobs(jobstore, out)
            return out.getvalue().splitlines()

        assert printed() == ["Pending jobs:", "    No pending jobs"]
        scheduler.add_jobstore("memory", "other")
        scheduler.add_job(nothing, "date", run_date=FAR)
        line = "    nothing (trigger: date[2999-01-01 00:00:00 UTC], "
        assert printed() == ["Pending jobs:", line + "pending)"]
        scheduler.start()
        job_line = line + "next run at: 2999-01-01 00:00:00 UTC)"
        empty = ["Jobstore other:", "    No scheduled jobs"]
        assert printed() == ["Jobstore default:", job_line, *empty]
        assert printed("other") == empty

    def test_print_jobs_to_stdout(
        self, scheduler: ManualScheduler, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scheduler.print_jobs()
        assert capsys.readouterr().out == "Pending jobs:\n    No pending jobs\n"


class TestProcessJobs:
    def test_due_job_is_run(
        self,
        scheduler: ManualScheduler,
        events: Recorder,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=PAST, id="a")
        events.events.clear()
        assert scheduler._process_jobs() is None
        assert set(events.codes()) == {EVENT_JOB_SUBMITTED, EVENT_JOB_EXECUTED, EVENT_JOB_REMOVED}
        assert scheduler.get_jobs() == []
        assert "Removed job a" in messages(caplog)

    def test_returns_the_seconds_to_the_next_run(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        scheduler.add_job(nothing, "interval", hours=1)
        wait = scheduler._process_jobs()
        assert wait is not None
        assert 3590 < wait <= 3600

    def test_very_long_waits_fit_a_lock(self, scheduler: ManualScheduler) -> None:
        import threading

        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR)
        wait = scheduler._process_jobs()
        assert wait is not None
        assert wait <= threading.TIMEOUT_MAX

    def test_without_a_start(self, scheduler: ManualScheduler) -> None:
        assert scheduler._process_jobs() is None

    def test_paused(self, scheduler: ManualScheduler) -> None:
        scheduler.start(paused=True)
        scheduler.add_job(nothing)
        assert scheduler._process_jobs() is None
        assert len(scheduler.get_jobs()) == 1

    def test_executor_that_does_not_exist(
        self,
        scheduler: ManualScheduler,
        events: Recorder,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        scheduler.start()
        job = scheduler.add_job(nothing, "interval", days=1, next_run_time=PAST, executor="nosuch")
        scheduler._process_jobs()
        assert scheduler.get_jobs() == []
        assert events.of(EVENT_JOB_REMOVED)[0].job_id == job.id
        (message,) = messages(caplog, logging.ERROR)
        assert message.startswith('Executor lookup ("nosuch") failed for job "nothing (trigger')
        assert message.endswith("-- removing it from the job store")


class TestPlugins:
    @pytest.mark.parametrize(
        ("type_", "known"),
        [("trigger", "cron"), ("executor", "threadpool"), ("jobstore", "memory")],
    )
    def test_unknown_alias_names_the_known_ones(
        self, scheduler: ManualScheduler, type_: str, known: str
    ) -> None:
        with pytest.raises(LookupError) as caught:
            scheduler._create_plugin_instance(type_, "x", {})
        assert str(caught.value) == f'No {type_} by the name "x" was found'
        if sys.version_info >= (3, 11):
            (note,) = caught.value.__notes__
            assert known in note

    def test_entry_points(
        self, scheduler: ManualScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trigger = Mock()
        trigger.load.return_value = DateTrigger
        monkeypatch.setattr(ManualScheduler, "_trigger_plugins", {"mine": trigger})
        monkeypatch.setattr(ManualScheduler, "_trigger_classes", {})
        for _ in range(2):
            assert isinstance(scheduler._create_trigger("mine", {"run_date": FAR}), DateTrigger)
        trigger.load.assert_called_once_with()

    def test_entry_point_of_the_wrong_type(
        self, scheduler: ManualScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = Mock()
        wrong.load.return_value = dict
        monkeypatch.setattr(ManualScheduler, "_executor_plugins", {"wrong": wrong})
        with pytest.raises(TypeError, match="executor entry point does not point to a executor"):
            scheduler.add_executor("wrong", "x")

    def test_all_built_in_plugins_load(self, scheduler: ManualScheduler) -> None:
        import_etcd3()  # which does not go by itself beside the protobuf of other packages
        for plugins, base in (
            (scheduler._trigger_plugins, BaseTrigger),
            (scheduler._executor_plugins, BaseExecutor),
            (scheduler._jobstore_plugins, BaseJobStore),
        ):
            for alias in plugins._builtin:  # type: ignore[attr-defined]
                assert issubclass(plugins[alias].load(), base)

    def test_installed_packages_are_looked_at_last(self) -> None:
        from mainspring._scheduler.plugins import Plugins

        plugins = Plugins("trigger", {"cron": "mainspring.triggers.cron:CronTrigger"})
        assert "cron" in plugins
        assert "_installed" not in vars(plugins)
        assert "nosuch" not in plugins
        assert "_installed" in vars(plugins)
        # APScheduler is installed here, and its own entry points are not taken.
        assert list(plugins) == ["cron"]
        assert len(plugins) == 1


def test_job_is_made_of_the_scheduler(scheduler: ManualScheduler) -> None:
    job = scheduler.add_job(nothing)
    assert isinstance(job, Job)
    assert job._scheduler is scheduler


def test_mask_of_no_listener(scheduler: ManualScheduler) -> None:
    assert scheduler._listener_mask() == 0
    scheduler.add_listener(nothing, EVENT_JOB_ADDED)
    scheduler.add_listener(nothing, EVENT_JOB_EXECUTED)
    assert scheduler._listener_mask() == EVENT_JOB_ADDED | EVENT_JOB_EXECUTED
    scheduler.add_listener(nothing)
    assert scheduler._listener_mask() == EVENT_ALL


def test_a_functions_signature_is_read_once_for_all_its_jobs(
    scheduler: ManualScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    # inspect.signature() costs more than all the rest of adding a job.
    read: list[Any] = []
    signature = inspect.signature

    def counted(func: Any, **options: Any) -> inspect.Signature:
        read.append(func)
        return signature(func, **options)

    def job(number: int) -> None: ...

    monkeypatch.setattr(inspect, "signature", counted)
    for number in range(50):
        scheduler.add_job(job, "interval", hours=1, args=[number])
    with pytest.raises(ValueError, match="not been supplied: number"):
        scheduler.add_job(job, "interval", hours=1)
    assert read.count(job) <= 1
