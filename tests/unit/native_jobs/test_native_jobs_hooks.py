"""Steps of adding a job that a user has replaced are theirs; the others are done in Rust."""

from __future__ import annotations

import threading
from functools import partial
from inspect import signature
from typing import Any

import pytest

from mainspring import BackgroundScheduler
from mainspring.events import EVENT_JOB_ADDED
from mainspring.job import Job
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.triggers.cron import CronTrigger
from tests.support import PATIENCE
from tests.unit.native_jobs.samples import BERLIN, nothing


class TestHooksOfSteps:
    """A step goes through a method that has been replaced, and the others are done all the same."""

    @pytest.mark.parametrize("running", [True, False])
    @pytest.mark.parametrize("step", ["_create_trigger", "_real_add_job", "_now"])
    @pytest.mark.parametrize("where", ["class", "scheduler", "scheduler before the start"])
    def test_each(self, step: str, running: bool, where: str) -> None:
        called: list[str] = []

        def replacement(self: Any, *args: Any) -> Any:
            called.append(step)
            return getattr(BackgroundScheduler, step)(self, *args)

        cls = type("Own", (BackgroundScheduler,), {step: replacement} if where == "class" else {})
        scheduler = cls(timezone="UTC")
        scheduler.add_job(nothing, "interval", hours=1)  # it is known then what it has
        if where == "scheduler before the start":
            setattr(scheduler, step, partial(replacement, scheduler))
        if running:
            scheduler.start(paused=True)
        if where == "scheduler":
            setattr(scheduler, step, partial(replacement, scheduler))
        del called[:]
        job = scheduler.add_job(nothing, "interval", hours=1, id="a")
        if not running:
            scheduler.start(paused=True)
        assert called.count(step) >= 1
        if step == "_create_trigger":
            assert len(called) == 1
        assert job == scheduler.get_job("a")
        assert not job.pending
        scheduler.shutdown()

    def test_trigger_of_a_hook(self) -> None:
        class Own(BackgroundScheduler):
            def _create_trigger(self, trigger: Any, trigger_args: Any) -> Any:
                return CronTrigger(hour=3, timezone=BERLIN)

        scheduler = Own(timezone="UTC")
        pending = scheduler.add_job(nothing, "nightly")
        scheduler.start(paused=True)
        for job in (pending, scheduler.add_job(nothing, "nightly")):
            assert str(job.trigger) == "cron[hour='3']"
            assert job.next_run_time is not None
            assert job.next_run_time.tzinfo is BERLIN
        scheduler.shutdown()

    def test_trigger_of_a_hook_that_is_none(self) -> None:
        class Own(BackgroundScheduler):
            def _create_trigger(self, trigger: Any, trigger_args: Any) -> Any:
                return None

        with pytest.raises(TypeError, match="Expected a trigger instance"):
            Own(timezone="UTC").add_job(nothing, "nightly")


class TestStopped:
    """What is read once of a scheduler is read anew when it has changed."""

    def test_changed_while_it_is_read(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        native = scheduler._native_jobs
        version = native.version
        scheduler.timezone = BERLIN
        native.open(scheduler, (), pends=False, guesses=False, version=version)
        job = scheduler.add_job(nothing)  # what was read is not believed: it would go to no store
        assert job.pending
        assert native.version > version

    def test_time_zone(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing, "cron", hour=3)
        scheduler.timezone = BERLIN
        assert scheduler.add_job(nothing, "cron", hour=3).trigger.timezone is BERLIN

    def test_options(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing)
        scheduler.configure(timezone="UTC", job_defaults={"max_instances": 7})
        scheduler.add_job(nothing, id="a")
        scheduler.start(paused=True)
        found = scheduler.get_job("a")
        assert found is not None
        assert found.max_instances == 7
        scheduler.shutdown()

    def test_started_and_stopped_again(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        jobs = [scheduler.add_job(nothing)]
        for _ in range(2):
            scheduler.start(paused=True)
            assert [job.pending for job in jobs] == [False] * len(jobs)
            jobs.append(scheduler.add_job(nothing, "interval", hours=1))
            assert not jobs[-1].pending
            scheduler.shutdown()
            jobs.append(scheduler.add_job(nothing, "interval", hours=1))
            assert jobs[-1].pending
            assert scheduler.get_jobs() == [jobs[-1]]

    def test_added_by_another_thread_in_the_midst_of_the_start(self) -> None:
        # The pending jobs have been taken by then, and the state is not yet that of a running scheduler.
        scheduler = BackgroundScheduler(timezone="UTC")
        at = threading.Event()
        added = threading.Event()
        jobs: list[Job] = []

        def add() -> None:
            assert at.wait(PATIENCE)
            jobs.append(scheduler.add_job(nothing, "interval", hours=1, id="late"))
            added.set()

        thread = threading.Thread(target=add)
        thread.start()
        mask = scheduler._listener_mask

        def listener_mask() -> int:
            at.set()
            added.wait(0.1)  # it may have to wait for the start
            return mask()

        scheduler._listener_mask = listener_mask  # type: ignore[method-assign]
        scheduler.start(paused=True)
        thread.join(PATIENCE)
        assert added.is_set()
        assert not jobs[0].pending
        assert [job.id for job in scheduler.get_jobs()] == ["late"]
        scheduler.shutdown()

    def test_added_by_a_listener_of_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")

        def listener(event: Any) -> None:
            if event.job_id == "a":
                scheduler.add_job(nothing, "interval", hours=1, id="b")

        scheduler.add_listener(listener, EVENT_JOB_ADDED)
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.start(paused=True)
        assert {job.id for job in scheduler.get_jobs()} == {"a", "b"}
        scheduler.shutdown()

    def test_refused_at_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        first, second = (scheduler.add_job(nothing, "interval", hours=1, id="a") for _ in range(2))
        with pytest.raises(ConflictingIdError):
            scheduler.start(paused=True)
        assert scheduler.get_jobs() == [first, second]
        assert scheduler.add_job(nothing, "interval", hours=1).pending

    def test_replaced_at_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing, "interval", hours=1, id="a", name="first")
        scheduler.add_job(
            nothing, "interval", hours=2, id="a", name="second", replace_existing=True
        )
        scheduler.start(paused=True)
        assert [job.name for job in scheduler.get_jobs()] == ["second"]
        scheduler.shutdown()

    def test_list_that_is_replaced(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing, "interval", hours=1)
        scheduler.remove_all_jobs()
        job = scheduler.add_job(nothing, "interval", hours=1, jobstore="other")
        assert scheduler._pending_jobs == [(job, "other", False)]


def test_a_job_that_is_removed_while_it_is_changed() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job(nothing, "interval", hours=1, id="a")

    class Removes:
        """A function whose signature, which is asked for, takes the job away."""

        @property
        def __signature__(self) -> Any:
            scheduler.remove_job("a")
            return signature(nothing)

        def __call__(self) -> None: ...

    with pytest.raises(JobLookupError):
        scheduler.modify_job("a", func=Removes())
    scheduler.shutdown()
