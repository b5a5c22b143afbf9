"""Triggers that are changed while jobs have them: attributes, lists and methods, on both libraries."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime, timedelta, timezone
from functools import partial, partialmethod
from inspect import signature
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from mainspring import BackgroundScheduler, CronTrigger, IntervalTrigger, Job
from mainspring.events import EVENT_JOB_EXECUTED
from tests.differential.library import PAST, Library, observed
from tests.support import listen, nothing

BERLIN = ZoneInfo("Europe/Berlin")
SOON = datetime(2021, 1, 1, tzinfo=timezone.utc)
#: What a method returns that is put into a class or an object.
GIVEN = datetime(2345, 6, 7, tzinfo=timezone.utc)


def interval(library: Library, **options: Any) -> Any:
    return library.IntervalTrigger(days=20_000, start_date=PAST, timezone="UTC", **options)


def cron(library: Library, **options: Any) -> Any:
    return library.CronTrigger(year="2000-2999/7", timezone="UTC", **options)


def calendar(library: Library, **options: Any) -> Any:
    options = {"years": 50, "start_date": "2020-01-01", "timezone": "UTC", **options}
    return library.CalendarIntervalTrigger(**options)


def either(library: Library) -> Any:
    return library.OrTrigger([cron(library), calendar(library, years=200)])


def both(library: Library) -> Any:
    return library.AndTrigger([cron(library), cron(library)])


def set_to(name: str, value: Any) -> Callable[[Library, Any], None]:
    def change(library: Library, trigger: Any) -> None:
        setattr(trigger, name, value(library) if callable(value) else value)

    change.__name__ = name
    return change


def interval_length(library: Library, trigger: Any) -> None:
    # DIFFERENCE: in APScheduler both are to be changed, here either will do.
    trigger.interval = timedelta(days=30_000)
    trigger.interval_length = timedelta(days=30_000).total_seconds()


def append(library: Library, trigger: Any) -> None:
    trigger.triggers.append(library.CronTrigger(year="2000-2999", timezone="UTC"))


def replace_member(library: Library, trigger: Any) -> None:
    trigger.triggers[0] = library.CronTrigger(year="2000-2999/11", timezone="UTC")


def end_members(library: Library, trigger: Any) -> None:
    for member in trigger.triggers:
        member.end_date = SOON if isinstance(member, library.CronTrigger) else SOON.date()


def made_anew(library: Library, trigger: Any) -> None:
    again: dict[str, dict[str, Any]] = {
        "IntervalTrigger": {"days": 30_000, "start_date": PAST},
        "CronTrigger": {"year": "*/9"},
        "CalendarIntervalTrigger": {"years": 70, "start_date": "2020-01-01"},
    }
    trigger.__init__(**again[type(trigger).__name__], timezone="UTC")


def members_made_anew(library: Library, trigger: Any) -> None:
    trigger.__init__([interval(library)])


def given_a_state(library: Library, trigger: Any) -> None:
    other = copy.copy(trigger)
    made_anew(library, other)
    trigger.__setstate__(other.__getstate__())


CHANGES: list[tuple[Callable[[Library], Any], Callable[[Library, Any], None]]] = [
    (interval, interval_length),
    (interval, set_to("end_date", SOON)),
    (
        cron,
        set_to("fields", lambda library: library.CronTrigger(year="*/9", timezone="UTC").fields),
    ),
    (cron, set_to("end_date", SOON)),
    (cron, set_to("timezone", BERLIN)),
    (calendar, set_to("years", 70)),
    (calendar, set_to("months", 7)),
    (calendar, set_to("weeks", 7)),
    (calendar, set_to("days", 7)),
    (calendar, set_to("end_date", date(2021, 1, 1))),
    (either, set_to("triggers", lambda library: [interval(library)])),
    (either, append),
    (either, replace_member),
    (either, end_members),
    (either, members_made_anew),
    *((make, again) for make in (interval, cron, calendar) for again in (made_anew, given_a_state)),
    # Other members that do not agree at once keep APScheduler searching for ever.
    (both, set_to("triggers", lambda library: [interval(library)])),
    (both, end_members),
]


def next_run_time(
    package: str,
    make: Callable[[Library], Any],
    change: Callable[[Library, Any], None] | None,
    when: str,
) -> Any:
    """Return when a job runs the next time whose trigger is changed before, or while, it is due."""
    with observed(package) as library:
        scheduler = library.manual_scheduler()
        trigger = make(library)
        options = {"id": "a", "misfire_grace_time": None, "coalesce": True}
        if when == "before start" and change is not None:
            scheduler.add_job(nothing, trigger, next_run_time=PAST, **options)
            change(library, trigger)
            scheduler.start()
        else:
            scheduler.start()
            scheduler.add_job(nothing, trigger, next_run_time=PAST, **options)
            job = scheduler.get_job("a")
            assert job.next_run_time == PAST
            if change is not None:
                change(library, job.trigger)
                assert scheduler.get_job("a").next_run_time == PAST
        scheduler._process_jobs()
        job = scheduler.get_job("a")
        scheduler.shutdown()
        return job and job.next_run_time.isoformat()


@pytest.mark.parametrize("when", ["before start", "while it runs"])
@pytest.mark.parametrize(
    ("make", "change"), CHANGES, ids=[f"{m.__name__}-{c.__name__}" for m, c in CHANGES]
)
def test_attributes(make: Any, change: Any, when: str) -> None:
    unchanged = next_run_time("mainspring", make, None, when)
    ours = next_run_time("mainspring", make, change, when)
    assert ours != unchanged
    assert ours == next_run_time("apscheduler", make, change, when)


@pytest.mark.parametrize("make", [interval, cron, calendar, either])
def test_jitter(make: Any) -> None:
    longest = 10_000_000
    for package in ("apscheduler", "mainspring"):
        with mock.patch("random.uniform", return_value=longest):
            jittered = next_run_time(package, make, set_to("jitter", longest), "while it runs")
        plain = next_run_time(package, make, None, "while it runs")
        assert datetime.fromisoformat(jittered) > datetime.fromisoformat(plain)


def patched(library: Library, trigger: Any) -> mock._patch[Any]:
    return mock.patch.object(type(trigger), "get_next_fire_time", return_value=GIVEN)


@pytest.mark.parametrize("make", [interval, cron, calendar, both, either])
@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
def test_a_method_put_into_a_class(package: str, make: Any) -> None:
    unchanged = next_run_time(package, make, None, "while it runs")
    with ExitStack() as stack:

        def patch(library: Library, trigger: Any) -> None:
            stack.enter_context(patched(library, trigger))

        assert next_run_time(package, make, patch, "while it runs") == GIVEN.isoformat()
        # And for a job that is made meanwhile.
        assert next_run_time(package, make, None, "while it runs") == GIVEN.isoformat()
    assert next_run_time(package, make, None, "while it runs") == unchanged


@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
def test_a_job_is_added_while_a_class_has_another_method(package: str) -> None:
    with observed(package) as library:
        scheduler = library.BackgroundScheduler(timezone="UTC")
        scheduler.start()
        add = {"trigger": "interval", "days": 1}
        first = scheduler.add_job(nothing, **add)
        shown = first.next_run_time
        with patched(library, interval(library)):
            assert scheduler.add_job(nothing, **add).next_run_time == GIVEN
            assert scheduler.reschedule_job(first.id, **add).next_run_time == GIVEN
            assert first.next_run_time == GIVEN
        assert scheduler.add_job(nothing, **add).next_run_time != GIVEN
        assert shown != GIVEN
        scheduler.shutdown()


def test_a_method_put_into_a_class_reaches_jobs_whose_trigger_nobody_has_looked_at() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    options: dict[str, Any] = {"misfire_grace_time": None, "coalesce": True}
    jobs = [
        scheduler.add_job(nothing, "interval", days=1, **options),
        scheduler.add_job(nothing, "cron", year="*", **options),
    ]
    for job, cls in zip(jobs, (IntervalTrigger, CronTrigger), strict=True):
        with mock.patch.object(cls, "get_next_fire_time", return_value=GIVEN) as method:
            ran = listen(scheduler, EVENT_JOB_EXECUTED)
            job.modify(next_run_time=PAST)
            ran.wait_for(EVENT_JOB_EXECUTED)
            assert job.next_run_time == GIVEN
            method.assert_called()
    scheduler.shutdown()


@pytest.mark.parametrize(
    ("name", "value"), [("interval", timedelta(2)), ("interval_length", 172_800)]
)
def test_either_way_to_change_an_interval(name: str, value: Any) -> None:
    trigger = IntervalTrigger(days=1, timezone="UTC")
    setattr(trigger, name, value)
    assert (trigger.interval, trigger.interval_length) == (timedelta(2), 172_800)
    assert trigger.get_next_fire_time(PAST, PAST) == PAST + timedelta(2)


@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
def test_a_method_put_into_a_trigger(package: str) -> None:
    def make(library: Library) -> Any:
        class Own(library.IntervalTrigger):  # type: ignore[misc, name-defined]
            """A subclass, whose objects have a dictionary."""

        return Own(days=20_000, start_date=PAST, timezone="UTC")

    def put(library: Library, trigger: Any) -> None:
        trigger.get_next_fire_time = lambda previous, now: GIVEN

    for when in ("before start", "while it runs"):
        assert next_run_time(package, make, put, when) == GIVEN.isoformat()


def returned(*args: Any) -> datetime:
    """Return what tells which trigger, if any, this was called with."""
    *owner, previous, _now = args
    assert previous == PAST
    return GIVEN + timedelta(days=30 * len(owner))


BOUND = GIVEN + timedelta(days=30)
#: What may be put into a class, and what it returns there and in an object.
KINDS: list[tuple[str, Callable[[], dict[str, Any]], datetime, datetime]] = [
    ("function", lambda: {"new": returned}, BOUND, GIVEN),
    ("lambda", lambda: {"new": lambda self, previous, now: BOUND}, BOUND, BOUND),
    ("partial", lambda: {"new": partial(returned, "first")}, BOUND, BOUND),
    ("static", lambda: {"new": staticmethod(returned)}, GIVEN, GIVEN),
    ("class", lambda: {"new": classmethod(returned)}, BOUND, BOUND),
    ("partialmethod", lambda: {"new": partialmethod(returned, "more")}, BOUND, BOUND),
    ("mock", lambda: {"side_effect": returned}, GIVEN, GIVEN),
    ("autospec", lambda: {"autospec": True, "side_effect": returned}, BOUND, GIVEN),
]


@pytest.mark.parametrize("make", [interval, cron, calendar, both, either])
@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
@pytest.mark.parametrize("kind", KINDS, ids=[kind[0] for kind in KINDS])
def test_what_is_put_into_a_class_is_bound_as_python_binds_it(
    package: str, make: Any, kind: Any
) -> None:
    name, options, expected, _ = kind
    if name == "partialmethod" or (name == "partial" and sys.version_info >= (3, 15)):
        expected += timedelta(days=30)
    with ExitStack() as stack:

        def patch(library: Library, trigger: Any) -> None:
            patcher = mock.patch.object(type(trigger), "get_next_fire_time", **options())
            stack.enter_context(patcher)

        assert next_run_time(package, make, patch, "while it runs") == expected.isoformat()


@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
@pytest.mark.parametrize("level", ["class", "object", "slot", "lookup", "other class"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind[0] in ("mock", "autospec")])
def test_what_is_put_into_a_subclass_or_its_object(package: str, level: str, kind: Any) -> None:
    _, options, in_class, in_object = kind
    with ExitStack() as stack:

        def make(library: Library) -> Any:
            class Own(library.IntervalTrigger):  # type: ignore[misc, name-defined]
                if level == "slot":
                    __slots__ = ("get_next_fire_time",)

                if level == "lookup":

                    def __getattribute__(self, name: str) -> Any:
                        found = {"get_next_fire_time": lambda previous, now: GIVEN}
                        return found.get(name) or super().__getattribute__(name)

            if level == "slot":
                # Not to be called while it is empty.
                Own.__new__ = with_method  # type: ignore[method-assign]
            return Own(days=20_000, start_date=PAST, timezone="UTC")

        def with_method(cls: Any, *args: Any, **options: Any) -> Any:
            trigger = super(cls, cls).__new__(cls)
            trigger.get_next_fire_time = lambda previous, now: GIVEN
            return trigger

        def change(library: Library, trigger: Any) -> None:
            target = type(trigger) if level == "class" else trigger
            if level == "other class":

                class Other(library.IntervalTrigger):  # type: ignore[misc, name-defined]
                    def get_next_fire_time(self, previous: Any, now: Any) -> datetime:
                        return GIVEN

                trigger.__class__ = Other
            elif level in ("class", "object"):
                patcher = mock.patch.object(target, "get_next_fire_time", **options())
                stack.enter_context(patcher)

        for when in ("before start", "while it runs"):
            expected = in_class if level == "class" else in_object
            assert next_run_time(package, make, change, when) == expected.isoformat()


@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
def test_the_methods_are_functions(package: str) -> None:
    library = Library(package)
    for make in (interval, cron, calendar, both, either):
        method = type(make(library)).get_next_fire_time
        assert list(signature(method).parameters) == ["self", "previous_fire_time", "now"]
        assert pickle.loads(pickle.dumps(method)) is method
    with mock.patch.object(IntervalTrigger, "get_next_fire_time", autospec=True) as method:
        with pytest.raises(TypeError, match="missing a required argument"):
            interval(Library("mainspring")).get_next_fire_time(PAST)
        method.assert_not_called()


def test_methods_of_a_job_are_functions_as_well() -> None:
    job = BackgroundScheduler(timezone="UTC").add_job(nothing, "date", id="a")
    for name in ("modify", "reschedule", "pause", "resume", "remove", "_modify"):
        with mock.patch.object(Job, name, autospec=True) as method:
            getattr(job, name)(*(["date"] if name == "reschedule" else []))
        assert method.call_args.args[0] == job
        assert pickle.loads(pickle.dumps(getattr(Job, name))) is getattr(Job, name)


@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
def test_what_cannot_be_changed_raises(package: str) -> None:
    library = Library(package)
    for make in (interval, cron, calendar, both, either):
        trigger = make(library)
        with pytest.raises(AttributeError):
            trigger.get_next_fire_time = None
        with pytest.raises(AttributeError):
            trigger.nonsense = 1


@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
def test_a_class_may_be_abstract_in_its_own_way(package: str) -> None:
    from abc import ABC, abstractmethod

    library = Library(package)

    class Abstract(library.IntervalTrigger, ABC):  # type: ignore[misc, name-defined]
        @abstractmethod
        def name(self) -> str: ...

    with pytest.raises(TypeError, match="abstract"):
        Abstract(days=1)

    class Registered:
        pass

    library.BaseTrigger.register(Registered)
    assert isinstance(Registered(), library.BaseTrigger)
    assert isinstance(interval(library), library.BaseTrigger)
    assert not isinstance(interval(library), library.CronTrigger)
    assert issubclass(Abstract, library.IntervalTrigger)
