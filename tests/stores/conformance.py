"""What every job store must do, as tests that run over each of them.

A store is added by a test module with a class that derives from one of these and has one fixture,
``open_store``: a function that makes a store of the kind, each time over the same, at first empty,
data where these outlive the store. It passes keyword arguments on to the store's class.

- ``Conformance``: any store
- ``PickledConformance`` (``conformance_pickled.py``): a store that derives from ``PersistentJobStore``
- ``PersistentConformance`` (``conformance_persistent.py``): one of those whose data outlive it
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, ClassVar
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest

from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
)
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.base import BaseScheduler
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.stores import jobs
from tests.stores.samples import BERLIN, PAST, TRIGGERS, ForeignExecutor, facts, ids
from tests.support import DAY, ManualScheduler, listen, make_job

OpenStore = Callable[..., Any]


class Conformance:
    """Any store."""

    #: Ids with what a database may not take as it is: accents, spaces, quotes, many characters.
    odd_ids: ClassVar = ["naïve \N{SNOWMAN} 雪", "with space", "per%cent", "quo'te\"s", "a" * 100]
    #: How the store sorts "third" and "also third", which are due together and were added in this order.
    ties: ClassVar = ["also third", "third"]

    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Any]:
        store = open_store()
        store.start(Mock(BaseScheduler, timezone=timezone.utc, jobstore_retry_interval=10), "alias")
        yield store
        store.shutdown()

    @pytest.fixture
    def scheduler(self, open_store: OpenStore) -> Iterator[ManualScheduler]:
        jobs.calls.clear()
        scheduler = self.make_scheduler(open_store())
        scheduler.start()
        yield scheduler
        scheduler.shutdown()

    def make_scheduler(self, store: BaseJobStore) -> ManualScheduler:
        return ManualScheduler(
            timezone="UTC",
            executors={"default": ForeignExecutor(), "here": DebugExecutor()},
            jobstores={"default": store},
            job_defaults={"misfire_grace_time": None},
        )

    # Each method

    def test_lookup(self, store: BaseJobStore) -> None:
        store.add_job(make_job("a"))
        found = store.lookup_job("a")
        assert found == make_job("a")
        assert store.lookup_job("b") is None

    def test_jobs_know_their_scheduler_and_store(self, store: BaseJobStore) -> None:
        store.add_job(make_job("a"))
        found = [store.lookup_job("a"), *store.get_all_jobs(), *store.get_due_jobs(DAY)]
        assert len(found) == 3
        for job in found:
            assert job is not None
            assert job._scheduler is store._scheduler
            assert job._jobstore_alias == "alias"

    def test_all_fields_are_kept(self, store: BaseJobStore) -> None:
        options = {
            "name": "Näme",
            "args": (1, "zwei", None),
            "kwargs": {"three": [3.5, {4}]},
            "executor": "other",
            "misfire_grace_time": None,
            "coalesce": False,
            "max_instances": 7,
        }
        job = make_job("a", **options)
        expected = facts(job)
        store.add_job(job)
        found = store.lookup_job("a")
        assert found is not None
        assert facts(found) == expected
        assert {name: getattr(found, name) for name in options} == options

    @pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: type(trigger).__name__)
    def test_triggers(self, store: BaseJobStore, trigger: BaseTrigger) -> None:
        job = make_job("a", trigger=trigger, kwargs={"a": 1})
        expected = facts(job)
        store.add_job(job)
        found = store.lookup_job("a")
        assert found is not None
        assert facts(found) == expected
        if not getattr(trigger, "jitter", None):
            first = trigger.get_next_fire_time(None, PAST)
            assert found.trigger.get_next_fire_time(None, PAST) == first

    @pytest.mark.parametrize(
        ("func", "args", "expected"),
        [
            (jobs.record, (1,), (1,)),
            (jobs.Counter(40).add, (2,), (42,)),
            (jobs.Counter.of_class, (1,), ("Counter", 1)),
            (jobs.Counter.static, (1,), ("static", 1)),
            ("tests.stores.jobs:prefilled", (1,), ("prefilled", 1)),
            ("tests.stores.jobs:Counter.static", (1,), ("static", 1)),
        ],
    )
    def test_functions(self, store: BaseJobStore, func: Any, args: Any, expected: Any) -> None:
        store.add_job(make_job("a", func=func, args=args))
        for _ in range(2):
            found = store.lookup_job("a")
            assert found is not None
            assert found.func(*found.args, **found.kwargs) == expected
            store.update_job(found)

    def test_partial_as_an_argument(self, store: BaseJobStore) -> None:
        store.add_job(make_job("a", args=[partial(int, base=2)]))
        found = store.lookup_job("a")
        assert found is not None
        (argument,) = found.args
        assert argument("101") == 5

    def test_order(self, store: BaseJobStore) -> None:
        for id_, time in [
            ("paused", None),
            ("third", DAY + timedelta(days=2)),
            ("first", DAY),
            ("also third", DAY + timedelta(days=2)),
            ("second", DAY + timedelta(milliseconds=1)),
            ("also paused", None),
        ]:
            store.add_job(make_job(id_, time))
        found = ids(store.get_all_jobs())
        assert found[:4] == ["first", "second", *self.ties]
        assert sorted(found[4:]) == ["also paused", "paused"]

    def test_only_paused_jobs(self, store: BaseJobStore) -> None:
        for id_ in "ab":
            store.add_job(make_job(id_, None))
        assert sorted(ids(store.get_all_jobs())) == ["a", "b"]
        assert store.get_due_jobs(DAY) == []
        assert store.get_next_run_time() is None

    def test_due_jobs(self, store: BaseJobStore) -> None:
        for id_, days in [("c", 2), ("a", 0), ("b", 1)]:
            store.add_job(make_job(id_, DAY + timedelta(days=days)))
        store.add_job(make_job("paused", None))
        assert ids(store.get_due_jobs(DAY - timedelta(milliseconds=1))) == []
        assert ids(store.get_due_jobs(DAY)) == ["a"]
        assert ids(store.get_due_jobs(DAY + timedelta(days=1))) == ["a", "b"]
        assert ids(store.get_due_jobs(DAY + timedelta(days=9))) == ["a", "b", "c"]
        assert ids(store.get_due_jobs((DAY + timedelta(days=1)).astimezone(BERLIN))) == ["a", "b"]

    def test_next_run_time(self, store: BaseJobStore) -> None:
        assert store.get_next_run_time() is None
        store.add_job(make_job("paused", None))
        assert store.get_next_run_time() is None
        store.add_job(make_job("b", DAY + timedelta(days=1)))
        store.add_job(make_job("a", DAY))
        found = store.get_next_run_time()
        assert found == DAY
        assert found is not None
        assert found.tzinfo is not None
        store.update_job(make_job("a", None))
        assert store.get_next_run_time() == DAY + timedelta(days=1)
        store.remove_job("b")
        assert store.get_next_run_time() is None

    @pytest.mark.parametrize("microsecond", [1, 123456, 250000, 654321, 999999])
    def test_microseconds_are_kept(self, store: BaseJobStore, microsecond: int) -> None:
        time = datetime(2031, 7, 8, 9, 10, 11, microsecond, tzinfo=timezone.utc)
        store.add_job(make_job("a", time))
        assert store.get_next_run_time() == time
        assert ids(store.get_due_jobs(time - timedelta(microseconds=1))) == []
        (job,) = store.get_due_jobs(time)
        assert job.next_run_time == time

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
    def test_time_zones(self, store: BaseJobStore, zone: str) -> None:
        tzinfo = ZoneInfo(zone)
        time = datetime(2031, 7, 8, 9, 10, 11, 121314, tzinfo)
        store.add_job(make_job("a", time, trigger=IntervalTrigger(days=1, timezone=tzinfo)))
        (job,) = store.get_all_jobs()
        assert job.next_run_time == time
        assert job.next_run_time.utcoffset() == time.utcoffset()
        assert str(getattr(job.trigger, "timezone", None)) == zone
        assert store.get_next_run_time() == time

    def test_second_of_two_equal_civil_times(self, store: BaseJobStore) -> None:
        time = datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)
        store.add_job(make_job("a", time, trigger=DateTrigger(time)))
        (job,) = store.get_all_jobs()
        assert job.next_run_time is not None
        assert job.next_run_time.timestamp() == time.timestamp()
        next_run_time = store.get_next_run_time()
        assert next_run_time is not None
        assert next_run_time.timestamp() == time.timestamp()

    def test_conflicting_id(self, store: BaseJobStore) -> None:
        store.add_job(make_job("a", name="first"))
        with pytest.raises(ConflictingIdError, match=r"\(a\) conflicts with an existing job"):
            store.add_job(make_job("a", name="second"))
        (job,) = store.get_all_jobs()
        assert job.name == "first"

    @pytest.mark.parametrize("time", [DAY, DAY + timedelta(days=5), None])
    def test_update(self, store: BaseJobStore, time: datetime | None) -> None:
        store.add_job(make_job("a"))
        store.add_job(make_job("b", DAY + timedelta(days=1)))
        store.update_job(make_job("a", time, max_instances=6, name="new"))
        job = store.lookup_job("a")
        assert job is not None
        assert (job.next_run_time, job.max_instances, job.name) == (time, 6, "new")
        assert ids(store.get_all_jobs()) == (["a", "b"] if time == DAY else ["b", "a"])

    def test_update_of_a_paused_job(self, store: BaseJobStore) -> None:
        store.add_job(make_job("a", None))
        store.update_job(make_job("a", DAY))
        assert ids(store.get_due_jobs(DAY)) == ["a"]

    def test_update_of_no_job(self, store: BaseJobStore) -> None:
        with pytest.raises(JobLookupError, match="No job by the id of a was found"):
            store.update_job(make_job("a"))
        assert store.get_all_jobs() == []

    def test_remove(self, store: BaseJobStore) -> None:
        for id_ in "ab":
            store.add_job(make_job(id_))
        store.remove_job("a")
        assert ids(store.get_all_jobs()) == ["b"]
        assert store.lookup_job("a") is None
        with pytest.raises(JobLookupError, match="No job by the id of a was found"):
            store.remove_job("a")

    def test_remove_a_paused_job(self, store: BaseJobStore) -> None:
        store.add_job(make_job("a", None))
        store.remove_job("a")
        assert store.get_all_jobs() == []

    def test_remove_all(self, store: BaseJobStore) -> None:
        store.remove_all_jobs()
        for id_, time in [("a", DAY), ("b", DAY), ("paused", None)]:
            store.add_job(make_job(id_, time))
        store.remove_all_jobs()
        assert store.get_all_jobs() == []
        assert store.get_next_run_time() is None
        store.add_job(make_job("a"))
        assert ids(store.get_all_jobs()) == ["a"]

    def test_odd_ids(self, store: BaseJobStore) -> None:
        for id_ in self.odd_ids:
            store.add_job(make_job(id_))
        assert sorted(ids(store.get_all_jobs())) == sorted(self.odd_ids)
        for id_ in self.odd_ids:
            job = store.lookup_job(id_)
            assert job is not None
            assert job.id == id_
            store.update_job(job)
            store.remove_job(id_)
        assert store.get_all_jobs() == []

    def test_many_jobs(self, store: BaseJobStore) -> None:
        count = 300
        for number in range(count):
            time = DAY + timedelta(seconds=number * 7 % count)
            store.add_job(make_job(f"job {number}", time, args=[number]))
        found = store.get_all_jobs()
        times = [job.next_run_time for job in found]
        assert len(found) == count
        assert times == sorted(times, key=lambda time: time or DAY)
        assert len(store.get_due_jobs(DAY + timedelta(seconds=count // 2 - 1))) == count // 2

    # By way of a scheduler

    def test_scheduler_manages_jobs(self, scheduler: ManualScheduler) -> None:
        job = scheduler.add_job(jobs.record, "interval", hours=1, id="a")
        with pytest.raises(ConflictingIdError):
            scheduler.add_job(jobs.record, "interval", hours=1, id="a")
        scheduler.add_job(jobs.record, "cron", hour=3, id="a", replace_existing=True, name="new")
        (found,) = scheduler.get_jobs()
        assert (found.id, found.name, str(found.trigger)) == ("a", "new", "cron[hour='3']")
        scheduler.pause_job("a")
        (found,) = scheduler.get_jobs()
        assert found.next_run_time is None
        found.resume()
        (found,) = scheduler.get_jobs()
        assert found.next_run_time is not None
        scheduler.reschedule_job("a", trigger="date", run_date=DAY)
        scheduler.modify_job("a", args=[1, 2])
        (found,) = scheduler.get_jobs()
        assert (found.next_run_time, tuple(found.args)) == (DAY, (1, 2))
        assert scheduler.get_job("b") is None
        job.remove()
        assert scheduler.get_jobs() == []
        with pytest.raises(JobLookupError):
            scheduler.remove_job("a")

    @pytest.mark.parametrize("executor", ["default", "here"])
    def test_due_jobs_run_once_and_are_saved(
        self, scheduler: ManualScheduler, executor: str
    ) -> None:
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_REMOVED | EVENT_JOB_SUBMITTED)
        for number in range(20):
            scheduler.add_job(
                jobs.record,
                "interval",
                hours=1,
                next_run_time=PAST,
                args=[number],
                id=f"again {number}",
                executor=executor,
            )
            scheduler.add_job(
                jobs.record, "date", run_date=PAST, args=[number + 100], executor=executor
            )
        scheduler.add_job(jobs.record, "date", run_date=DAY, id="later")
        wait = scheduler._process_jobs()
        assert wait is not None
        assert 0 < wait <= 3600
        numbers = [args[0] for args, _ in jobs.calls]
        assert sorted(numbers) == [*range(20), *range(100, 120)]
        left = scheduler.get_jobs()
        assert sorted(ids(left)) == sorted([*(f"again {n}" for n in range(20)), "later"])
        assert all(job.next_run_time > datetime.now(timezone.utc) for job in left)  # type: ignore[operator]
        assert len(events.of(EVENT_JOB_EXECUTED)) == 40
        assert len(events.of(EVENT_JOB_SUBMITTED)) == 40
        assert len(events.of(EVENT_JOB_REMOVED)) == 20
        scheduler._process_jobs()
        assert len(jobs.calls) == 40

    def test_catching_up(self, scheduler: ManualScheduler) -> None:
        # DIFFERENCE: APScheduler would make a list of two thousand million run times.
        begin = datetime(1970, 1, 1, tzinfo=timezone.utc)
        options = {"start_date": begin, "next_run_time": begin}
        scheduler.add_job(jobs.record, "interval", seconds=1, id="a", **options)
        scheduler.add_job(jobs.record, "cron", second="*", id="b", **options)
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        before = datetime.now(timezone.utc)
        scheduler._process_jobs()
        after = datetime.now(timezone.utc)
        # Each once, or once more where a second has gone by meanwhile.
        assert {event.job_id for event in events.events} == {"a", "b"}
        assert len(events.events) < 10
        for event in events.events:
            assert before - timedelta(seconds=1) < event.scheduled_run_time <= after
        for job in scheduler.get_jobs():
            assert job.next_run_time is not None
            assert before < job.next_run_time <= after + timedelta(seconds=1)

    @pytest.mark.parametrize("executor", ["default", "here"])
    @pytest.mark.parametrize("trigger", ["interval", "date"])
    def test_job_that_removes_itself(
        self,
        scheduler: ManualScheduler,
        caplog: pytest.LogCaptureFixture,
        executor: str,
        trigger: str,
    ) -> None:
        options = {"hours": 1} if trigger == "interval" else {"run_date": PAST}
        scheduler.add_job(
            jobs.record, trigger, next_run_time=PAST, id="a", executor=executor, **options
        )
        removed = listen(scheduler, EVENT_JOB_REMOVED)

        def remove(event: Any) -> None:
            with suppress(JobLookupError):  # a memory store has let go of an ended job by now
                scheduler.remove_job("a")

        scheduler.add_listener(remove, EVENT_JOB_EXECUTED)
        scheduler._process_jobs()
        assert scheduler.get_jobs() == []
        assert scheduler._process_jobs() is None
        assert len(removed.events) == 1
        assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []

    def test_jobs_run_in_threads(self, open_store: OpenStore) -> None:
        scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": open_store()},
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"misfire_grace_time": None},
        )
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.start()
        for number in range(10):
            scheduler.add_job(jobs.record_later, args=[number])
        scheduler.add_job(jobs.record, "interval", seconds=0.01, id="again", args=["again"])
        values = {e.retval for e in events.wait_for(EVENT_JOB_EXECUTED, 15) if e.job_id != "again"}
        assert len(events.of(EVENT_JOB_ERROR)) == 0
        events.wait_until(
            lambda: (
                {(number,) for number in range(10)}
                <= {event.retval for event in events.of(EVENT_JOB_EXECUTED)}
            ),
            lambda: None,
        )
        assert len(values) <= 10
        scheduler.shutdown()
        # Not in order: a run is told of after the next one may have begun.
        times = [e.scheduled_run_time for e in events.events if e.job_id == "again"]
        assert len(times) == len(set(times))
