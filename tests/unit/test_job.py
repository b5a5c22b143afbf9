from __future__ import annotations

import functools
import pickle
import sys
import weakref
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any
from unittest.mock import MagicMock, Mock
from zoneinfo import ZoneInfo

import apscheduler.job
import apscheduler.triggers.interval
import pytest

from mainspring import BackgroundScheduler
from mainspring.job import Job
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.base import BaseScheduler
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.support import nothing, return_five

BERLIN = ZoneInfo("Europe/Berlin")
DAY = datetime(2999, 1, 1, tzinfo=timezone.utc)


class Greeter:
    """A class whose instances can be pickled, with methods to be scheduled."""

    def greet(self, name: str = "") -> str:
        return f"hello {name}"

    @classmethod
    def make(cls) -> Greeter:
        return cls()

    @staticmethod
    def shout(name: str = "") -> str:
        return name.upper()

    def __call__(self) -> None: ...


def scheduler() -> Any:
    return MagicMock(BaseScheduler, timezone=BERLIN)


def make(**options: Any) -> Job:
    defaults = {
        "trigger": DateTrigger(DAY),
        "executor": "default",
        "func": nothing,
        "args": (),
        "kwargs": {},
        "misfire_grace_time": 1,
        "coalesce": True,
        "max_instances": 1,
        "next_run_time": DAY,
    }
    return Job(scheduler(), **{**defaults, **options})


def linked(**options: Any) -> Job:
    job = make(**options)
    store = MemoryJobStore()
    store.start(job._scheduler, "default")  # type: ignore[arg-type]
    store.add_job(job)
    return job


@pytest.fixture(params=[make, linked], ids=["detached", "linked"])
def factory(request: Any) -> Callable[..., Job]:
    factory: Callable[..., Job] = request.param
    return factory


class TestMaking:
    def test_attributes(self, factory: Callable[..., Job]) -> None:
        job = factory(id="a", args=[1], kwargs={"k": 2}, name="named", max_instances=3)
        assert (job.id, job.name, job.executor) == ("a", "named", "default")
        assert (list(job.args), job.kwargs) == ([1], {"k": 2})
        assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (1, True, 3)
        assert job.func is nothing
        assert job.func_ref == "tests.support:nothing"
        assert job.next_run_time == DAY
        assert isinstance(job.trigger, DateTrigger)

    def test_id_is_made_up(self) -> None:
        ids = {make().id for _ in range(10)}
        assert len(ids) == 10
        assert all(len(bytes.fromhex(id_)) == 16 for id_ in ids)

    def test_what_is_not_given_is_not_set(self) -> None:
        job = Job(scheduler(), func=nothing, args=(), kwargs={}, trigger=DateTrigger(DAY))
        for name in ("next_run_time", "misfire_grace_time", "coalesce", "max_instances"):
            assert not hasattr(job, name)
        with pytest.raises(AttributeError, match="'Job' object has no attribute 'next_run_time'"):
            job.next_run_time  # noqa: B018

    @pytest.mark.parametrize(
        ("func", "name", "reference"),
        [
            (nothing, "nothing", "tests.support:nothing"),
            ("tests.support:return_five", "return_five", "tests.support:return_five"),
            (len, "len", "builtins:len"),
            (Greeter.shout, "Greeter.shout", f"{__name__}:Greeter.shout"),
            (Greeter.make, "Greeter.make", f"{__name__}:Greeter.make"),
            (Greeter().greet, "Greeter.greet", f"{__name__}:Greeter.greet"),
            (Greeter(), "Greeter", f"{__name__}:Greeter"),
            (lambda: None, "TestMaking.<lambda>", None),
            (functools.partial(nothing), "partial", None),
        ],
    )
    def test_names_and_references(self, func: Any, name: str, reference: str | None) -> None:
        args = [1] if func is len else []
        job = make(func=func, args=args)
        assert (job.name, job.func_ref) == (name, reference)

    def test_weak_references(self, factory: Callable[..., Job]) -> None:
        job = factory()
        assert weakref.ref(job)() is job

    def test_owner(self) -> None:
        job = make()
        assert job.pending
        assert job._jobstore_alias is None
        job._jobstore_alias = "default"
        assert not job.pending
        other = scheduler()
        job._scheduler = other
        assert job._scheduler is other


class TestModify:
    """APScheduler's rules; that the messages are the same is compared in tests/differential."""

    def test_all_or_nothing(self, factory: Callable[..., Job]) -> None:
        job = factory(name="old")
        with pytest.raises(TypeError):
            job._modify(name="new", max_instances=0)
        assert job.name == "old"

    @pytest.mark.parametrize(
        ("given", "taken"),
        [
            (None, None),
            (DAY, DAY),
            (datetime(2999, 6, 1, 12), datetime(2999, 6, 1, 12, tzinfo=BERLIN)),
            ("2999-06-01 12:00:00", datetime(2999, 6, 1, 12, tzinfo=BERLIN)),
            (date(2999, 6, 1), datetime(2999, 6, 1, tzinfo=BERLIN)),
        ],
    )
    def test_next_run_time(self, factory: Callable[..., Job], given: Any, taken: Any) -> None:
        job = factory()
        job._modify(next_run_time=given)
        assert job.next_run_time == taken

    def test_function_with_arguments_that_do_not_fit(self, factory: Callable[..., Job]) -> None:
        job = factory(func=lambda a: None, args=[1])
        with pytest.raises(ValueError, match="longer than the target callable can handle"):
            job._modify(args=[1, 2])
        with pytest.raises(ValueError, match="have not been supplied: a"):
            job._modify(args=[])
        job._modify(func=return_five, args=[])
        assert job.func_ref == "tests.support:return_five"

    @pytest.mark.parametrize("name", ["misfire_grace_time", "max_instances"])
    def test_largest_numbers(self, factory: Callable[..., Job], name: str) -> None:
        # DIFFERENCE: APScheduler gives back what was given.
        job = factory()
        for number in (2**32 - 1, 2**32, 9_999_999_999, 10**30):
            job._modify(**{name: number})
            assert getattr(job, name) == 2**32 - 1

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")
    def test_what_was_given_is_a_note_of_the_error(self, factory: Callable[..., Job]) -> None:
        # DIFFERENCE: APScheduler does not say it.
        with pytest.raises(TypeError, match="max_instances must be a positive") as caught:
            factory()._modify(max_instances="many")
        assert caught.value.__notes__ == ["given: 'many'"]  # type: ignore[attr-defined]

    def test_zone_of_the_next_run_time(self) -> None:
        # DIFFERENCE: APScheduler keeps the zone it was given.
        trigger = IntervalTrigger(days=1, start_date=DAY, timezone=BERLIN)
        job = linked(trigger=trigger, next_run_time=DAY)
        assert job.next_run_time == DAY
        assert job.next_run_time.tzinfo is BERLIN  # type: ignore[union-attr]
        assert make(trigger=trigger, next_run_time=DAY).next_run_time is DAY

    def test_trigger_of_ones_own(self, factory: Callable[..., Job]) -> None:
        class Trigger(BaseTrigger):
            def get_next_fire_time(self, previous: Any, now: Any) -> Any:
                return DAY

        trigger = Trigger()
        job = factory()
        job._modify(trigger=trigger)
        assert job.trigger is trigger

    def test_attributes_can_be_set(self, factory: Callable[..., Job]) -> None:
        # As in APScheduler this is not checked; job stores and tests of users do it.
        job = factory()
        later = DAY + timedelta(days=1)
        job.next_run_time = later
        job.name = "set"
        job.max_instances = 7
        job.misfire_grace_time = None
        job.coalesce = False
        job.args = [3]
        job.func = return_five
        assert (job.next_run_time, job.name, job.max_instances) == (later, "set", 7)
        assert (job.misfire_grace_time, job.coalesce) == (None, False)
        assert (list(job.args), job.func) == ([3], return_five)
        job.next_run_time = None
        assert job.next_run_time is None

    def test_id_of_a_stored_job_cannot_be_set(self) -> None:
        # DIFFERENCE: APScheduler sets it, and the store does not find the job any more.
        with pytest.raises(ValueError, match="The job ID may not be changed"):
            linked().id = "new"

    def test_an_attribute_that_there_is_not_cannot_be_deleted(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)
        job = scheduler.add_job(print, "interval", hours=1, id="a")
        with pytest.raises(AttributeError, match="nonsense"):
            del job.nonsense
        job.max_instances = 7  # it is still a handle on the job of the scheduler
        found = scheduler.get_job("a")
        assert found is not None
        assert found.max_instances == 7
        scheduler.shutdown()

    def test_other_attributes_cannot_be_set(self, factory: Callable[..., Job]) -> None:
        with pytest.raises(AttributeError, match="'Job' object has no attribute 'colour'"):
            factory().colour = "red"  # type: ignore[attr-defined]


class TestRunTimes:
    def job(self) -> Job:
        trigger = IntervalTrigger(minutes=10, start_date=DAY, timezone=timezone.utc)
        return make(trigger=trigger, next_run_time=DAY)

    @pytest.mark.parametrize(("minutes", "count"), [(-1, 0), (0, 1), (9, 1), (10, 2), (35, 4)])
    def test_run_times(self, minutes: int, count: int) -> None:
        times = self.job()._get_run_times(DAY + timedelta(minutes=minutes))
        assert times == [DAY + i * timedelta(minutes=10) for i in range(count)]

    def test_paused(self) -> None:
        job = self.job()
        job._modify(next_run_time=None)
        assert job._get_run_times(DAY) == []

    def test_trigger_of_ones_own(self) -> None:
        class Trigger(BaseTrigger):
            def get_next_fire_time(self, previous: datetime | None, now: datetime) -> Any:
                assert previous is not None
                return previous + timedelta(hours=1) if previous < DAY else None

        job = make(trigger=Trigger(), next_run_time=DAY - timedelta(hours=2))
        assert len(job._get_run_times(DAY)) == 3


class TestShortcuts:
    @pytest.mark.parametrize(
        ("method", "arguments", "scheduler_method"),
        [
            ("modify", {"name": "new"}, "modify_job"),
            ("reschedule", {"trigger": "cron", "hour": 3}, "reschedule_job"),
            ("pause", {}, "pause_job"),
            ("resume", {}, "resume_job"),
            ("remove", {}, "remove_job"),
        ],
    )
    def test_they_ask_the_scheduler(
        self, method: str, arguments: dict[str, Any], scheduler_method: str
    ) -> None:
        job = make(id="a")
        job._jobstore_alias = "store"
        result = getattr(job, method)(**arguments)
        assert result is (None if method == "remove" else job)
        mock = getattr(job._scheduler, scheduler_method)
        arguments = dict(arguments)
        trigger = [arguments.pop("trigger")] if "trigger" in arguments else []
        mock.assert_called_once_with("a", "store", *trigger, **arguments)


class TestState:
    def test_keys_and_values_are_those_of_apscheduler(self, factory: Callable[..., Job]) -> None:
        job = factory(id="a", args=[1], kwargs={"k": 2})
        reference = apscheduler.job.Job(
            Mock(timezone=BERLIN),
            "a",
            func=nothing,
            args=[1],
            kwargs={"k": 2},
            trigger=apscheduler.triggers.interval.IntervalTrigger(days=1, timezone="UTC"),
            executor="default",
            misfire_grace_time=1,
            coalesce=True,
            max_instances=1,
            next_run_time=DAY,
        )
        ours, theirs = job.__getstate__(), reference.__getstate__()
        assert list(ours) == list(theirs)
        for state in (ours, theirs):
            del state["trigger"]
            state["args"] = list(state["args"])
        assert ours == theirs

    def test_bound_method_brings_its_object_along(self) -> None:
        greeter = Greeter()
        state = make(func=greeter.greet, args=["you"]).__getstate__()
        assert state["func"] == f"{__name__}:Greeter.greet"
        assert state["args"] == (greeter, "you")

    @pytest.mark.parametrize("func", [Greeter.make, Greeter.shout])
    def test_methods_without_an_object(self, func: Any) -> None:
        assert make(func=func).__getstate__()["args"] == ()

    def test_no_reference(self) -> None:
        with pytest.raises(
            ValueError, match=r"reference to its callable .* could not be determine"
        ):
            make(func=lambda: None).__getstate__()

    def test_pickle(self, factory: Callable[..., Job]) -> None:
        job = factory(id="a", func=Greeter().greet, args=["you"], max_instances=4)
        copy = pickle.loads(pickle.dumps(job))
        assert copy == job
        assert copy._scheduler is None
        assert copy._jobstore_alias is None
        assert copy.func(*copy.args, **copy.kwargs) == "hello you"
        assert (copy.max_instances, copy.next_run_time) == (4, DAY)
        assert str(copy.trigger) == str(job.trigger)

    def test_new_and_setstate_make_a_whole_job(self) -> None:
        job = Job.__new__(Job)
        job.__setstate__(make(id="a").__getstate__())
        assert job.id == "a"
        assert job.func is nothing
        assert job.func_ref == "tests.support:nothing"
        assert job.next_run_time == DAY

    def test_version(self) -> None:
        job = Job.__new__(Job)
        with pytest.raises(ValueError, match="Job has version 9999, but only version 1 can be"):
            job.__setstate__({"version": 9999})

    def test_function_that_is_gone(self) -> None:
        state = make().__getstate__()
        state["func"] = "tests.support:gone"
        with pytest.raises(LookupError, match=r"tests\.support:gone"):
            Job.__new__(Job).__setstate__(state)


class TestText:
    def test_repr(self, factory: Callable[..., Job]) -> None:
        assert repr(factory(id="a", name="b")) == "<Job (id=a name=b)>"

    def test_str(self, factory: Callable[..., Job]) -> None:
        job = factory(name="b")
        text = "b (trigger: date[2999-01-01 00:00:00 UTC], "
        assert str(job) == text + "next run at: 2999-01-01 00:00:00 UTC)"
        job._modify(next_run_time=None)
        assert str(job) == text + "paused)"

    def test_str_of_a_pending_job(self) -> None:
        job = Job(scheduler(), func=nothing, args=(), kwargs={}, trigger=DateTrigger(DAY))
        assert str(job) == "nothing (trigger: date[2999-01-01 00:00:00 UTC], pending)"


def test_equality(factory: Callable[..., Job]) -> None:
    assert factory(id="a") == factory(id="a", name="other")
    assert factory(id="a") != factory(id="b")
    assert factory(id="a") != "a"
