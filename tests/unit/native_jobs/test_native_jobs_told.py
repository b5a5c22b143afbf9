"""Who is told of jobs that are added and changed in Rust: listeners, logs, users' methods, other threads."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import MagicMock

import pytest

from mainspring import BackgroundScheduler
from mainspring.events import EVENT_ALL, EVENT_JOB_ADDED, EVENT_JOB_MODIFIED, EVENT_JOB_REMOVED
from mainspring.job import Job
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.triggers.interval import IntervalTrigger
from tests.support import listen
from tests.unit.native_jobs.samples import (
    BERLIN,
    DAY,
    Audience,
    nothing,
    one,
)


class TestWhoWantsToKnow:
    @pytest.mark.parametrize(("listens", "logs"), [(True, False), (False, True), (True, True)])
    def test_is_told_in_the_short_way(
        self, short: BackgroundScheduler, listens: bool, logs: bool
    ) -> None:
        with Audience(listens, logs).of(short) as told:
            short.add_job(nothing, "interval", hours=1, id="a")
            short.add_jobs([{"func": nothing, "trigger": "interval", "hours": 1, "id": "b"}] * 1)
            short.pause_job("a")
            short.resume_job("a")
            short.remove_job("a")
        assert len([each for each in told if each[0] == "INFO"]) == 3 * logs
        assert len([each for each in told if each[0] != "INFO"]) == 5 * listens

    def test_sees_each_job_before_the_next(self, short: BackgroundScheduler) -> None:
        seen: list[int] = []
        short.add_listener(lambda _: seen.append(len(short.get_jobs())), EVENT_JOB_ADDED)
        short.add_jobs([{"func": nothing}] * 600)
        assert seen == list(range(1, 601))

    def test_listener_that_shuts_the_scheduler_down(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)
        scheduler.add_listener(lambda _: scheduler.shutdown(), EVENT_JOB_ADDED)
        jobs = scheduler.add_jobs([{"func": nothing}, {"func": nothing}])
        assert [job.pending for job in jobs] == [False, True]

    def test_listener_that_fails(self, short: BackgroundScheduler) -> None:
        def listener(event: Any) -> None:
            raise ValueError(event)

        short.add_listener(listener, EVENT_JOB_ADDED)
        jobs = short.add_jobs([{"func": nothing}, {"func": nothing}])
        assert len(jobs) == len(short.get_jobs()) == 2

    def test_interrupt_in_a_listener_is_passed_on(self, short: BackgroundScheduler) -> None:
        def listener(event: Any) -> None:
            raise KeyboardInterrupt

        short.add_listener(listener, EVENT_JOB_ADDED)
        with pytest.raises(KeyboardInterrupt):
            short.add_job(nothing, id="a")
        assert [job.id for job in short.get_jobs()] == ["a"]

    @pytest.mark.parametrize("mask", [EVENT_JOB_ADDED, EVENT_ALL])
    def test_listeners_of_added_jobs(self, scheduler: BackgroundScheduler, mask: int) -> None:
        recorder = listen(scheduler, mask)
        scheduler.add_jobs([{"func": nothing, "id": "a"}, {"func": nothing, "id": "b"}])
        scheduler.add_job(nothing, id="c")
        assert [event.job_id for event in recorder.of(EVENT_JOB_ADDED)] == ["a", "b", "c"]

    def test_listeners_of_changes(self, scheduler: BackgroundScheduler) -> None:
        recorder = listen(scheduler, EVENT_JOB_MODIFIED | EVENT_JOB_REMOVED)
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.pause_job("a")
        scheduler.resume_job("a")
        scheduler.modify_job("a", name="b")
        scheduler.reschedule_job("a", trigger="interval", hours=2)
        scheduler.remove_job("a")
        assert recorder.codes() == 4 * [EVENT_JOB_MODIFIED] + [EVENT_JOB_REMOVED]

    def test_log(self, scheduler: BackgroundScheduler, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "mainspring.scheduler")
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.add_jobs([{"func": nothing, "trigger": "interval", "hours": 1, "id": "b"}])
        scheduler.remove_job("a")
        assert caplog.messages == [
            'Added job "nothing" to job store "default"',
            'Added job "nothing" to job store "default"',
            "Removed job a",
        ]

    @pytest.mark.parametrize(
        "hook", ["_real_add_job", "_create_trigger", "_lookup_jobstore", "_now"]
    )
    def test_hooks_of_a_class(self, hook: str) -> None:
        called = []

        def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            called.append(hook)
            return getattr(BackgroundScheduler, hook)(self, *args, **kwargs)

        cls = type("Own", (BackgroundScheduler,), {hook: replacement})
        scheduler = cls(timezone="UTC")
        scheduler.start(paused=True)
        del called[:]
        scheduler.add_job(nothing, "interval", hours=1)
        assert called
        scheduler.shutdown()

    @pytest.mark.parametrize("hook", ["_real_add_job", "_create_trigger", "_lookup_job"])
    def test_hooks_of_a_scheduler_that_runs(
        self, scheduler: BackgroundScheduler, hook: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = getattr(scheduler, hook)
        with monkeypatch.context() as patches:
            replacement = MagicMock(side_effect=original)
            patches.setattr(scheduler, hook, replacement)
            scheduler.add_job(nothing, "interval", hours=1, id="a")
            scheduler.get_job("a")
            replacement.assert_called_once()
        scheduler.add_job(nothing, "interval", hours=1, id="b")
        replacement.assert_called_once()

    def test_time_zone_that_is_changed(self, scheduler: BackgroundScheduler) -> None:
        scheduler.timezone = BERLIN
        job = scheduler.add_job(nothing, "cron", hour=3)
        assert job.next_run_time is not None
        assert job.next_run_time.tzinfo is BERLIN

    @pytest.mark.parametrize(
        "defaults", [{"max_instances": 0}, {"max_instances": -1}, {"misfire_grace_time": -(2**33)}]
    )
    def test_defaults_that_no_job_can_have(self, defaults: dict[str, int]) -> None:
        scheduler = BackgroundScheduler(timezone="UTC", job_defaults=defaults)
        scheduler.start(paused=True)
        with pytest.raises(TypeError, match="positive integer"):
            scheduler.add_job(nothing, "interval", hours=1)
        scheduler.shutdown()

    def test_store_with_its_own_lookup(self) -> None:
        looked_up: list[str] = []

        class Own(MemoryJobStore):
            def lookup_job(self, job_id: str) -> Job | None:
                looked_up.append(job_id)
                return super().lookup_job(job_id)

        scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": Own()})
        scheduler.start(paused=True)
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.pause_job("a")
        assert looked_up
        scheduler.shutdown()

    def test_trigger_of_ones_own_is_made_once(self, scheduler: BackgroundScheduler) -> None:
        made: list[Any] = []

        class Own(IntervalTrigger):
            def __init__(self, **options: Any) -> None:
                made.append(options)
                super().__init__(**options)

        with pytest.MonkeyPatch.context() as patches:
            patches.setitem(scheduler._trigger_classes, "own", Own)
            scheduler.add_job(nothing, "own", hours=1)
        assert len(made) == 1

    def test_function_that_is_changed(self, scheduler: BackgroundScheduler) -> None:
        def changing() -> None: ...

        scheduler.add_job(changing)
        changing.__code__ = one.__code__
        with pytest.raises(ValueError, match="have not been supplied"):
            scheduler.add_job(changing)
        scheduler.remove_all_jobs()

    def test_methods_that_others_call(self) -> None:
        called: list[str] = []

        class Own(BackgroundScheduler):
            def modify_job(self, *args: Any, **kwargs: Any) -> Job:
                called.append("modify")
                return super().modify_job(*args, **kwargs)

            def add_job(self, *args: Any, **kwargs: Any) -> Job:
                called.append("add")
                return super().add_job(*args, **kwargs)

        scheduler = Own(timezone="UTC")
        scheduler.start(paused=True)
        scheduler.add_jobs([{"func": nothing, "trigger": "interval", "hours": 1, "id": "a"}])
        scheduler.pause_job("a")
        scheduler.resume_job("a")
        assert called == ["add", "modify", "modify"]
        scheduler.shutdown()

    def test_replaced_clock(
        self, scheduler: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Frozen(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return DAY.astimezone(tz)

        for module in ("schedulers.base", "triggers.interval"):
            monkeypatch.setattr(f"mainspring.{module}.datetime", Frozen)
        job = scheduler.add_job(nothing, "interval", hours=1)
        assert job.next_run_time == DAY + timedelta(hours=1)
        assert scheduler.add_job(nothing, "cron", hour=3).next_run_time == DAY + timedelta(hours=3)
