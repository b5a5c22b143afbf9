"""A job that pends is kept as `add_job` made it; its objects are made when somebody asks for them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mainspring.schedulers.background import BackgroundScheduler
from mainspring.triggers.interval import IntervalTrigger


def work(**kwargs: Any) -> None: ...


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(timezone="UTC")
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


def test_jobs_of_one_function_have_objects_of_their_own(scheduler: BackgroundScheduler) -> None:
    first, second = (scheduler.add_job(work, "interval", hours=n) for n in (1, 2))

    first.kwargs["answer"] = 42

    assert (first.kwargs, second.kwargs) == ({"answer": 42}, {})
    assert first.trigger.interval == timedelta(hours=1)
    assert second.trigger.interval == timedelta(hours=2)


def test_objects_stay_those_that_were_asked_for(scheduler: BackgroundScheduler) -> None:
    job = scheduler.add_job(work, "interval", hours=1)
    trigger, kwargs = job.trigger, job.kwargs

    scheduler.start(paused=True)

    assert job.trigger is trigger
    assert job.kwargs is kwargs
    assert job.next_run_time == trigger.start_date


def test_what_was_changed_of_its_trigger_counts(scheduler: BackgroundScheduler) -> None:
    job = scheduler.add_job(work, "interval", hours=1)
    start = datetime.now(timezone.utc) + timedelta(days=9)
    job.trigger.start_date = start

    scheduler.start(paused=True)

    assert job.next_run_time == start


def test_a_class_that_was_changed_meanwhile_counts(
    scheduler: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scheduler.add_job(work, "interval", hours=1)
    job = scheduler.add_job(work, "interval", hours=1)
    start = datetime.now(timezone.utc) + timedelta(days=9)
    assert asked.trigger is not None
    monkeypatch.setattr(IntervalTrigger, "get_next_fire_time", lambda *_: start)

    scheduler.start(paused=True)

    assert [asked.next_run_time, job.next_run_time] == [start, start]


def test_the_options_that_were_given_and_the_defaults_of_the_start(
    scheduler: BackgroundScheduler,
) -> None:
    plain = scheduler.add_job(work, "interval", hours=1)
    given = scheduler.add_job(work, "interval", hours=1, max_instances=3, next_run_time=None)
    scheduler.configure(job_defaults={"max_instances": 7})

    scheduler.start(paused=True)

    assert (plain.max_instances, given.max_instances) == (7, 3)
    assert plain.next_run_time == plain.trigger.start_date
    assert given.next_run_time is None


def test_the_garbage_collector_sees_what_jobs_call(scheduler: BackgroundScheduler) -> None:
    def make() -> weakref.ref[Callable[[], object]]:
        unused = BackgroundScheduler(timezone="UTC")

        def tick() -> object:
            return unused

        for _ in range(2):
            unused.add_job(tick, "interval", hours=1)
        return weakref.ref(tick)

    tick = make()
    gc.collect()

    assert tick() is None
