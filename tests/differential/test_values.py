"""Values from outside have the meaning that APScheduler 3.11.3 gives them, or a better one.

Missing settings, what is false, numbers of other libraries and without measure. Times are in
``test_times.py``, ids in ``test_ids.py``.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from mainspring.job import Job
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.differential.library import FAR, PAST, Library, assert_same
from tests.support import make_job, nothing

UTC = timezone.utc
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LIBRARIES = (Library("apscheduler"), Library("mainspring"))


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns as text, or the class of what it raises."""
    try:
        return str(call())
    except Exception as exc:
        return type(exc).__name__


def outcomes(call: Callable[[Library], Any]) -> tuple[Any, Any]:
    """The outcomes with APScheduler and with mainspring."""
    theirs, ours = (outcome(lambda library=library: call(library)) for library in LIBRARIES)
    return theirs, ours


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    """One that runs, so that jobs get into its memory store in Rust."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


# --- settings that are missing ---


def numbers_of(name: str) -> list[tuple[str, str]]:
    """The parameters of a class of APScheduler's whose default is a number."""
    parameters = inspect.signature(getattr(LIBRARIES[0], name)).parameters.values()
    return [(name, p.name) for p in parameters if type(p.default) in (int, float)]


NUMBERS = [
    pair
    for name in (
        "DateTrigger",
        "IntervalTrigger",
        "CalendarIntervalTrigger",
        "CronTrigger",
        "AndTrigger",
        "ThreadPoolExecutor",
        "ProcessPoolExecutor",
    )
    for pair in numbers_of(name)
]


def test_there_are_numbers_to_leave_out():
    assert len(NUMBERS) == 5 + 7 + 2


@pytest.mark.parametrize(("cls", "name"), NUMBERS)
def test_none_is_no_number(cls, name):
    def made(library):
        others = {"days": 1} if cls == "CalendarIntervalTrigger" and name != "days" else {}
        return getattr(library, cls)(**{name: None}, **others)

    theirs, ours = outcomes(made)
    assert ours == "TypeError"
    # DIFFERENCE: APScheduler says so of a step of the calendar when its job has run once.
    if name not in ("years", "months", "weeks", "days") or cls == "IntervalTrigger":
        assert theirs == ours


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize(
    ("trigger", "name"),
    [(cls.removesuffix("Trigger").lower(), name) for cls, name in NUMBERS if "Interval" in cls],
)
def test_none_is_no_number_for_any_way_to_add_a_job(trigger, name, running):
    scheduler = BackgroundScheduler(timezone="UTC")
    if running:
        scheduler.start(paused=True)
    missing: dict[str, Any] = {name: None}
    job = scheduler.add_job(nothing, "interval", hours=1, id="a")
    for call in (
        lambda: scheduler.add_job(nothing, trigger, **missing),
        lambda: scheduler.add_jobs([{"func": nothing, "trigger": trigger, **missing}]),
        lambda: scheduler.scheduled_job(trigger, **missing)(nothing),
        lambda: scheduler.reschedule_job("a", None, trigger, **missing),
        lambda: job.reschedule(trigger, **missing),
    ):
        with pytest.raises(TypeError):
            call()
    assert [job.id for job in scheduler.get_jobs()] == ["a"]
    if running:
        scheduler.shutdown()


# --- what is false ---

FALSE = ["", 0, False, [], (), 0.0]


@pytest.mark.parametrize("value", FALSE, ids=repr)
@pytest.mark.parametrize(
    ("cls", "name"),
    [
        ("DateTrigger", "run_date"),
        ("DateTrigger", "timezone"),
        ("IntervalTrigger", "start_date"),
        ("IntervalTrigger", "end_date"),
        ("IntervalTrigger", "timezone"),
        ("CalendarIntervalTrigger", "start_date"),
        ("CalendarIntervalTrigger", "end_date"),
        ("CalendarIntervalTrigger", "timezone"),
        ("CalendarIntervalTrigger", "jitter"),
        ("CronTrigger", "start_date"),
        ("CronTrigger", "end_date"),
        ("CronTrigger", "timezone"),
        ("CronTrigger", "jitter"),
    ],
)
def test_what_is_false_is_not_given(cls, name, value):
    others = {
        "DateTrigger": {"run_date": FAR},
        "IntervalTrigger": {"hours": 1},
        "CalendarIntervalTrigger": {"days": 1, "start_date": "2026-07-01"},
        "CronTrigger": {"hour": 3},
    }[cls] | {"timezone": "UTC"}

    def answer(library):
        trigger = getattr(library, cls)(**others | {name: value})
        return f"{trigger} {trigger.get_next_fire_time(NOW, NOW) is None}"

    theirs, ours = outcomes(answer)
    assert ours == theirs or (ours, theirs) == ("ZoneInfoNotFoundError", "ValueError")


@pytest.mark.parametrize("value", FALSE, ids=repr)
def test_a_fire_time_before_that_is_false(value):
    dates = {"start_date": NOW, "timezone": "UTC"}

    def answers(library):
        crons = [library.CronTrigger(hour=hour, timezone="UTC") for hour in (3, 4)]
        triggers = [
            *crons,
            library.IntervalTrigger(hours=1, **dates),
            library.CalendarIntervalTrigger(days=1, start_date="2026-07-01", timezone="UTC"),
            library.DateTrigger(NOW),
            library.OrTrigger(crons),
        ]
        return [str(trigger.get_next_fire_time(value, NOW)) for trigger in triggers]

    theirs, ours = outcomes(answers)
    assert ours == theirs


@pytest.mark.parametrize("value", FALSE, ids=repr)
def test_a_trigger_that_returns_what_is_false_has_ended(value):
    def run(library):
        class Own(library.BaseTrigger):
            def get_next_fire_time(self, previous, now):
                return value if previous else PAST

        scheduler = library.manual_scheduler()
        scheduler.start()
        scheduler.add_job(nothing, Own(), id="a", misfire_grace_time=None)
        library.process(scheduler)
        library.see("left", [job.id for job in scheduler.get_jobs()])
        scheduler.shutdown()

    assert_same(run)


@pytest.mark.parametrize("value", ["", None, "default", "other"])
def test_whose_jobs_are_removed(value):
    def left(library):
        scheduler = library.manual_scheduler()
        scheduler.add_job(nothing, "date", run_date=FAR, id="a")
        scheduler.add_job(nothing, "date", run_date=FAR, id="b", jobstore="other")
        scheduler.remove_all_jobs(value)
        pending = [job.id for job in scheduler.get_jobs()]
        scheduler.add_jobstore("memory", "other")
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR, id="c")
        scheduler.remove_all_jobs(value)
        stored = [job.id for job in scheduler.get_jobs()]
        scheduler.shutdown()
        return pending, stored

    theirs, ours = outcomes(left)
    assert ours == theirs


# --- numbers of other libraries ---

FOREIGN = [np.int64(2), np.int8(2), np.uint64(2), np.float64(2.0), np.float32(2), np.bool_(True)]


@pytest.mark.parametrize("value", [*FOREIGN, Decimal(2), 2.0, True, "2"], ids=repr)
@pytest.mark.parametrize(
    "made",
    [
        lambda library, value: library.IntervalTrigger(hours=value),
        lambda library, value: library.IntervalTrigger(seconds=value, minutes=1),
        lambda library, value: library.CalendarIntervalTrigger(
            days=1, hour=value, start_date="2026-07-01", timezone="UTC"
        ),
        lambda library, value: library.CronTrigger(hour=value),
        lambda library, value: value_of(library, misfire_grace_time=value),
        lambda library, value: value_of(library, max_instances=value),
        lambda library, value: value_of(library, coalesce=value),
    ],
    ids=["hours", "seconds", "hour", "cron", "misfire_grace_time", "max_instances", "coalesce"],
)
def test_numbers_of_other_libraries(made, value):
    theirs, ours = outcomes(lambda library: made(library, value))
    # A number that is a truth value is shown as the number.
    assert ours == theirs or (value is True and theirs == "True" and ours == "1")


PARTS = [0, 2, 2.0, 1.5, 0.75, np.float64(3), np.float64(2.5), float("nan")]


@pytest.mark.parametrize("days", PARTS, ids=repr)
@pytest.mark.parametrize("weeks", PARTS, ids=repr)
def test_weeks_and_days_may_have_a_fraction(weeks, days):
    def made(library, **step):
        return library.CalendarIntervalTrigger(**step, start_date="2026-07-01", timezone="UTC")

    def changed(library):
        trigger = made(library, weeks=1)
        trigger.days = days
        return trigger

    def stored(library):
        trigger = made(library, weeks=1)
        trigger.__setstate__(trigger.__getstate__() | {"interval": [0, 0, weeks, days]})
        return trigger

    for make in (lambda library: made(library, weeks=weeks, days=days), changed, stored):

        def step(library, make=make):
            trigger = make(library)
            first = trigger.get_next_fire_time(None, NOW)
            return (trigger.get_next_fire_time(first, NOW) - first).days

        theirs, ours = outcomes(step)
        # DIFFERENCE: a stored step of less than a day is one for 3.x, which fires again and again.
        assert ours == theirs or (ours, theirs) == ("ValueError", "0")


def value_of(library: Library, **option: Any) -> Any:
    """An option of a job, as the job has it."""
    job = library.manual_scheduler().add_job(nothing, "date", run_date=FAR, **option)
    return getattr(job, *option)


# --- numbers without measure ---

LARGEST = 2**32 - 1


@pytest.mark.parametrize("name", ["misfire_grace_time", "max_instances"])
@pytest.mark.parametrize("value", [2**32, 9_999_999_999, 2**63, 10**30])
def test_great_numbers_count_as_the_greatest(scheduler, name, value):
    """DIFFERENCE: APScheduler gives back what was given."""
    option: dict[str, Any] = {name: value}
    pending = BackgroundScheduler().add_job(nothing, "date", run_date=FAR, **option)
    added = scheduler.add_job(nothing, "date", run_date=FAR, **option)
    (row,) = scheduler.add_jobs([{"func": nothing, "trigger": "date", "run_date": FAR, **option}])
    changed = scheduler.add_job(nothing, "date", run_date=FAR).modify(**option)
    assigned = make_job("a")
    setattr(assigned, name, value)
    # As APScheduler has stored it.
    stored = Job.__new__(Job)
    stored.__setstate__(make_job("b").__getstate__() | option)
    for job in (pending, added, row, changed, assigned, stored):
        assert getattr(job, name) == LARGEST
    for refused in (0, -value, float(value), str(value)):
        with pytest.raises(TypeError, match="positive integer"):
            scheduler.add_job(nothing, "interval", hours=1, **{name: refused})


@pytest.mark.parametrize("name", ["misfire_grace_time", "max_instances"])
def test_great_defaults(name):
    def jobs_have_it(library):
        scheduler = library.manual_scheduler(job_defaults={name: "9999999999"})
        scheduler.add_job(nothing, "date", run_date=FAR)
        scheduler.start()
        scheduler.add_job(nothing, "date", run_date=FAR)
        found = [getattr(job, name) >= LARGEST for job in scheduler.get_jobs()]
        scheduler.shutdown()
        return found

    assert outcomes(jobs_have_it) == ("[True, True]", "[True, True]")


@pytest.mark.parametrize("jitter", [1e12, 10**30, float("inf")])
def test_a_great_jitter_is_as_long_as_there_is_time(jitter):
    """DIFFERENCE: APScheduler raises OverflowError when it fires."""
    for trigger in (
        IntervalTrigger(hours=1, start_date=NOW, timezone=UTC, jitter=jitter),
        CronTrigger(hour=12, timezone=UTC, jitter=jitter),
        CalendarIntervalTrigger(days=1, start_date="2026-07-02", timezone=UTC, jitter=jitter),
    ):
        assert trigger.get_next_fire_time(None, NOW) >= NOW
        assert trigger.jitter == jitter
    for refused in (-1, -1e12, float("-inf"), float("nan")):
        with pytest.raises(ValueError, match="must be 0 seconds or more"):
            IntervalTrigger(hours=1, jitter=refused)


def test_a_great_step_of_the_calendar_is_never_over():
    for name in ("years", "months", "weeks", "days"):
        for number in (2**32, 10**30):
            trigger = CalendarIntervalTrigger(
                **{name: number}, start_date="2026-07-01", timezone=UTC
            )
            first = trigger.get_next_fire_time(None, NOW)
            assert first is not None
            # DIFFERENCE: 3.x raises OverflowError, or searches for ever.
            assert trigger.get_next_fire_time(first, NOW) is None
            setattr(trigger, name, number)
            assert getattr(pickle.loads(pickle.dumps(trigger)), name) == LARGEST
        with pytest.raises(ValueError, match="must not be negative, got -1"):
            CalendarIntervalTrigger(**{name: -1}, timezone=UTC)
    for name, number in (("hour", 2**32), ("minute", 10**30), ("second", 60)):
        with pytest.raises(ValueError, match=f"{name} must be in 0"):
            CalendarIntervalTrigger(days=1, **{name: number}, timezone=UTC)
