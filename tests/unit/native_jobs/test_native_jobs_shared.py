"""Which jobs are added in Rust alone, what they share, and many at once."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from datetime import timedelta
from functools import partial
from inspect import signature
from typing import Any
from unittest.mock import MagicMock
from uuid import RFC_4122, UUID

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.testing import ManualClock
from mainspring.triggers.date import DateTrigger
from tests.support import ListJobStore
from tests.unit.native_jobs.samples import (
    DAY,
    Callables,
    coroutine,
    keyword,
    nothing,
    one,
    some,
    two,
)


class TestWhatIsUsualIsShort:
    @pytest.mark.parametrize(
        "func",
        [
            nothing,
            coroutine,
            two,
            print,
            partial(some, 1),
            Callables(),
            Callables().method,
            keyword,
        ],
    )
    @pytest.mark.parametrize(
        "trigger",
        [
            {"trigger": "interval", "seconds": 5, "minutes": 1},
            {"trigger": "cron", "hour": 4, "minute": "*/5"},
            {"trigger": "cron", "hour": 4, "timezone": "Europe/Berlin"},
            {"trigger": "date", "run_date": DAY},
            {"trigger": DateTrigger(DAY)},
            {},
        ],
    )
    def test_adding(self, short: BackgroundScheduler, func: Any, trigger: dict[str, Any]) -> None:
        args = [1] if func is two else None
        kwargs = {"value": 1} if func is keyword else None
        job = short.add_job(func, args=args, kwargs=kwargs, misfire_grace_time=None, **trigger)
        assert short.get_job(job.id) == job
        assert [job.id] == [found.id for found in short.get_jobs()]

    def test_many(self, short: BackgroundScheduler) -> None:
        specs = [{"func": nothing, "trigger": "interval", "hours": n + 1} for n in range(1000)]
        jobs = short.add_jobs(specs)
        assert len({job.id for job in jobs}) == 1000
        assert [job.trigger.interval for job in jobs] == [
            timedelta(hours=n + 1) for n in range(1000)
        ]
        assert all(job._scheduler is short and not job.pending for job in jobs)

    def test_changing(self, short: BackgroundScheduler) -> None:
        short.add_job(nothing, "interval", hours=1, id="job")
        assert short.pause_job("job").next_run_time is None
        resumed = short.resume_job("job")
        assert resumed is not None
        assert resumed.next_run_time is not None
        assert short.modify_job("job", max_instances=3).max_instances == 3
        trigger = short.reschedule_job("job", trigger="cron", hour=3).trigger
        assert str(trigger) == "cron[hour='3']"
        short.remove_job("job")
        assert short.get_jobs() == []

    async def test_on_a_running_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start(paused=True)
        monkeypatch.setattr(scheduler, "_real_add_job", MagicMock(side_effect=AssertionError))
        scheduler._native_jobs.open(scheduler, (), pends=False, guesses=False)
        scheduler.add_job(coroutine, "interval", hours=1)
        scheduler.shutdown()


class TestWhatIsSharedBetweenJobs:
    def test_first_fire_time_of_equal_cron_triggers(self) -> None:
        clock = ManualClock("2026-10-25T02:58", timezone="Europe/Berlin")
        scheduler = BackgroundScheduler(clock=clock, timezone="Europe/Berlin")
        scheduler.start(paused=True)
        for hook in ("_real_add_job", "_create_trigger"):
            setattr(scheduler, hook, MagicMock(side_effect=AssertionError(hook)))
        scheduler._native_jobs.open(scheduler, (), pends=False, guesses=False)

        def first() -> str:
            jobs = [
                scheduler.add_job(nothing, "cron", minute=59),
                *scheduler.add_jobs([{"func": nothing, "trigger": "cron", "minute": 59}] * 2),
            ]
            (found,) = {job.next_run_time for job in jobs}
            assert found is not None
            return found.isoformat()

        found = [first()]
        for seconds in (30, 30, 1, 3599, 3600, -7200):
            clock.step(seconds)
            found.append(first())
        assert [time[11:19] + time[-6:] for time in found] == [
            "02:59:00+02:00",
            "02:59:00+02:00",
            "02:59:00+02:00",  # that is now
            "02:59:00+01:00",
            "02:59:00+01:00",
            "03:59:00+01:00",
            "02:59:00+02:00",  # stepped back
        ]
        scheduler.shutdown()

    def test_equal_cron_triggers_are_objects_of_their_own(self, short: BackgroundScheduler) -> None:
        first, second = (short.add_job(nothing, "cron", hour=4) for _ in range(2))
        assert first.trigger is first.trigger
        assert first.trigger is not second.trigger
        assert repr(first.trigger) == repr(second.trigger)

    def test_keyword_arguments_are_a_dictionary_of_their_own(
        self, scheduler: BackgroundScheduler
    ) -> None:
        first, second = (scheduler.add_job(some, "interval", hours=1) for _ in range(2))
        assert isinstance(first.kwargs, dict)
        first.kwargs["odd"] = 1  # a change in place, as APScheduler's memory store lets one make
        found = scheduler.get_job(first.id)
        assert found is not None
        assert found.kwargs == {"odd": 1}
        assert second.kwargs == {}

    def test_host_of_a_job_that_it_keeps_is_collected(self) -> None:
        class Host:
            def method(self) -> None: ...

        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)
        host = Host()
        host.job = scheduler.add_job(host.method, "interval", hours=1)  # type: ignore[attr-defined]
        reference = weakref.ref(host)
        host.job.remove()  # type: ignore[attr-defined]
        del host
        gc.collect()
        assert reference() is None
        scheduler.shutdown()

    def test_function_goes_with_its_last_job(self, scheduler: BackgroundScheduler) -> None:
        def local() -> None: ...

        reference = weakref.ref(local)
        for _ in range(3):
            job = scheduler.add_job(local, "interval", hours=1)
        del local, job
        gc.collect()
        assert reference() is not None
        scheduler.remove_all_jobs()
        gc.collect()
        assert reference() is None


class TestManyAtOnce:
    @pytest.mark.parametrize("where", [3, 511, 512, 1200])
    def test_one_that_is_refused(self, scheduler: BackgroundScheduler, where: int) -> None:
        ids = [f"job {n}" for n in range(1500)]
        ids[where] = ids[1]
        with pytest.raises(ConflictingIdError, match="job 1"):
            scheduler.add_jobs({"func": nothing, "next_run_time": None, "id": each} for each in ids)
        assert {job.id for job in scheduler.get_jobs()} == set(ids[:where])

    def test_one_that_cannot_be(self, scheduler: BackgroundScheduler) -> None:
        specs = [{"func": nothing, "id": f"job {n}"} for n in range(600)]
        specs[550]["max_instances"] = 0
        with pytest.raises(TypeError, match="max_instances must be a positive integer"):
            scheduler.add_jobs(specs)
        assert len(scheduler.get_jobs()) == 550

    def test_only_those_out_of_the_ordinary_go_the_ordinary_way(
        self, scheduler: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scheduler.add_jobstore(ListJobStore(), "python")
        ordinary = MagicMock(side_effect=scheduler._real_add_job)
        monkeypatch.setattr(scheduler, "_real_add_job", ordinary)
        scheduler._native_jobs.open(
            scheduler, (), pends=False, guesses=False
        )  # which that had closed
        specs = [{"func": nothing, "id": f"job {n}"} for n in range(1500)]
        for n in (0, 700, 701, 1499):
            specs[n]["jobstore"] = "python"
        jobs = scheduler.add_jobs(specs)
        assert [job.id for job in jobs] == [spec["id"] for spec in specs]
        assert ordinary.call_count == 4

    def test_several_memory_stores(self, short: BackgroundScheduler) -> None:
        short.add_jobstore("memory", "other")
        short._native_jobs.open(short, (), pends=False, guesses=False)
        aliases = [alias for alias in ("default", "other") for _ in range(3)] * 2
        jobs = short.add_jobs({"func": nothing, "jobstore": alias} for alias in aliases)
        assert [job._jobstore_alias for job in jobs] == aliases

    def test_several_functions(self, short: BackgroundScheduler) -> None:
        functions = [nothing, coroutine, some, print, Callables().method] * 300
        jobs = short.add_jobs({"func": function, "executor": "x"} for function in functions)
        assert [job.func for job in jobs] == functions
        assert [job.name for job in jobs[:3]] == ["nothing", "coroutine", "some"]
        assert {job.executor for job in jobs} == {"x"}

    def test_function_that_is_changed_between_two_calls(
        self, scheduler: BackgroundScheduler
    ) -> None:
        def changing() -> None: ...

        scheduler.add_jobs([{"func": changing}])
        changing.__qualname__ = "changed"
        assert [job.name for job in scheduler.add_jobs([{"func": changing}] * 2)] == 2 * ["changed"]
        changing.__code__ = one.__code__
        with pytest.raises(ValueError, match="have not been supplied"):
            scheduler.add_jobs([{"func": changing}])
        scheduler.remove_all_jobs()

    def test_ids_are_random_uuids(self, short: BackgroundScheduler) -> None:
        ids = [job.id for job in short.add_jobs({"func": nothing} for _ in range(600))]
        assert len(set(ids)) == 600
        assert {(UUID(each).version, UUID(each).variant) for each in ids} == {(4, RFC_4122)}
        assert all(UUID(each).hex == each for each in ids)

    def test_an_id_is_never_made_of_bytes_that_were_not_given(self) -> None:
        program = """if True:
            import os
            given = os.urandom
            os.urandom = lambda size: given(size) if size == 16 else given(8)
            from mainspring import BackgroundScheduler
            scheduler = BackgroundScheduler(timezone="UTC")
            scheduler.start(paused=True)
            print(*(scheduler.add_job(print, "interval", hours=1).id for _ in range(2)))
        """
        made = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        first, second = map(UUID, made.stdout.split())
        assert first != second
        assert UUID("0" * 12 + "4" + "0" * 3 + "8" + "0" * 15) not in (first, second)

    def test_shut_down_by_what_is_asked_for_its_signature(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)

        class Odd:
            def __call__(self) -> None: ...

            @property
            def __signature__(self) -> Any:
                if scheduler.running:
                    scheduler.shutdown()
                return signature(nothing)

        jobs = scheduler.add_jobs([{"func": nothing}, {"func": Odd()}, {"func": nothing}])
        # The first was added before, and left its store when that was shut down.
        assert [job.pending for job in jobs] == [False, True, True]
        assert [job.id for job in scheduler.get_jobs()] == [job.id for job in jobs[1:]]

    def test_stores_of_all_kinds(self, scheduler: BackgroundScheduler) -> None:
        scheduler.add_jobstore(ListJobStore(), "python")
        jobs = scheduler.add_jobs(
            {"func": nothing, "trigger": "interval", "hours": 1, "jobstore": alias}
            for alias in ("default", "python", "default")
        )
        assert [job._jobstore_alias for job in jobs] == ["default", "python", "default"]

    def test_before_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        (job,) = scheduler.add_jobs([{"func": nothing, "id": "a"}])
        assert job.pending
        scheduler.start(paused=True)
        assert scheduler.get_job("a") == job
        scheduler.shutdown()
        with pytest.raises(JobLookupError):
            scheduler.pause_job("a")

    def test_none(self, scheduler: BackgroundScheduler) -> None:
        assert scheduler.add_jobs([]) == []

    def test_all_run(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        done = threading.Semaphore(0)
        scheduler.add_jobs({"func": done.release, "misfire_grace_time": None} for _ in range(100))
        scheduler.add_jobs({"func": done.release, "args": (2,)} for _ in range(100))
        for _ in range(300):
            assert done.acquire(timeout=30)
        scheduler.shutdown()
