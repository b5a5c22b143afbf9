"""Jobs are added to a scheduler, changed, found, listed and removed."""

from __future__ import annotations

import inspect
import io
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import MagicMock, Mock
from zoneinfo import ZoneInfo

import pytest

from mainspring.events import (
    EVENT_ALL_JOBS_REMOVED,
    EVENT_JOB_ADDED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    EVENT_JOBSTORE_ADDED,
    EVENT_SCHEDULER_STARTED,
)
from mainspring.job import Job
from mainspring.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.support import ManualScheduler, Recorder, listen, nothing, raise_error
from tests.unit.schedulers import FAR


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


def test_job_is_made_of_the_scheduler(scheduler: ManualScheduler) -> None:
    job = scheduler.add_job(nothing)
    assert isinstance(job, Job)
    assert job._scheduler is scheduler


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
