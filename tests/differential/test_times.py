"""Times of other classes than ``datetime`` mean what APScheduler 3.11.3 takes the same ``datetime`` for.

pandas, pendulum, and whoever derives from ``datetime`` give operators and attributes meanings of
their own. What counts are the fields.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import arrow
import numpy as np
import pandas as pd
import pytest
from apscheduler import util as their_util
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring import util
from mainspring.job import Job
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.testing import ManualClock
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.combining import AndTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from mainspring.util import astimezone
from tests.differential import reference
from tests.differential import strategies as some
from tests.support import ListJobStore, ManualScheduler, make_job, nothing

pendulum = pytest.importorskip("pendulum")

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def _refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
    raise AssertionError("an operator of its own was asked")


_OWN = (
    "__add__ __radd__ __sub__ __rsub__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ utcoffset dst tzname "
    "astimezone timestamp timetuple utctimetuple date time timetz combine replace toordinal isoformat"
)

#: Has the fields of a datetime, and nothing else that a datetime has.
Contrary = type("Contrary", (datetime,), dict.fromkeys(_OWN.split(), _refuse) | {"__hash__": None})
ContraryDate = type("ContraryDate", (date,), dict.fromkeys(_OWN.split(), _refuse))


class Liar(datetime):
    """Answers each question as if it were three hours later."""

    def __sub__(self, other: Any) -> Any:
        return super().__sub__(other) + 3 * HOUR

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.__hash__

    def utcoffset(self) -> timedelta:
        return 3 * HOUR

    @property
    def tzinfo(self) -> Any:
        return timezone(3 * HOUR)

    @property
    def fold(self) -> int:
        return 1 - super().fold


def made_by(cls: Any) -> Callable[[datetime], Any]:
    def make(dt: datetime) -> Any:
        fields = (dt.year, dt.month, dt.day, dt.hour, dt.minute, dt.second, dt.microsecond)
        return cls(*fields, tzinfo=dt.tzinfo, fold=dt.fold)

    return make


MAKERS = {
    "pandas": pd.Timestamp,
    "pendulum": made_by(pendulum.DateTime),
    "pendulum's own zones": lambda dt: pendulum.instance(dt, tz=None),
    "contrary": made_by(Contrary),
    "liar": made_by(Liar),
}

makers = st.sampled_from(sorted(MAKERS)).map(MAKERS.get)


def share(part: float) -> settings:
    return settings(max_examples=max(1, round(settings().max_examples * part)))


def instant(dt: Any) -> datetime | None:
    """Where a plain datetime is on the time line."""
    assert dt is None or type(dt) is datetime
    return dt and dt.astimezone(UTC)


@share(0.1)
@given(st.data())
def test_triggers(data):
    make = data.draw(makers)
    zone = astimezone(data.draw(some.zones, "zone"))
    at, now = data.draw(some.instants(zone), "at"), data.draw(some.instants(zone), "now")
    naive = at.replace(tzinfo=None)
    dates = DateTrigger(make(at)), DateTrigger(make(naive), zone)
    expected = instant(at), instant(reference.DateTrigger(naive, zone).run_date)
    for trigger, time in zip(dates, expected, strict=True):
        # On its own it gives back what it was given, as APScheduler does.
        assert instant(OrTrigger([trigger]).get_next_fire_time(None, now)) == time
    later, earlier = (util.datetime_utc_add(at, n * HOUR) for n in (400, -1))
    for cls, arguments in (
        (IntervalTrigger, {"hours": 7}),
        (CronTrigger, {"hour": "*/5", "minute": 10}),
    ):
        for given_by in (lambda t: t, lambda t: t.replace(tzinfo=None)):
            bounds = [given_by(at), given_by(later)]
            plain = cls(**arguments, timezone=zone, start_date=bounds[0], end_date=bounds[1])
            bounds = [make(t) for t in bounds]
            other = cls(**arguments, timezone=zone, start_date=bounds[0], end_date=bounds[1])
            for previous in (None, at, later, earlier):
                answer = instant(plain.get_next_fire_time(previous, now))
                assert instant(other.get_next_fire_time(previous, now)) == answer
                foreign = previous and make(previous)
                assert instant(plain.get_next_fire_time(foreign, make(now))) == answer


class Given(BaseTrigger):
    """Fires at one time, after which it ends."""

    def __init__(self, time: Any) -> None:
        self.time = time

    def get_next_fire_time(self, previous_fire_time: Any, now: Any) -> Any:
        return None if previous_fire_time else self.time


@share(0.05)
@given(st.data())
def test_jobs(data):
    """In memory and in a store written in Python, added in Rust and in Python."""
    make = data.draw(makers)
    zone = astimezone(data.draw(some.zones, "zone"))
    at = data.draw(some.instants(zone), "at")
    naive = at.replace(tzinfo=None)
    localized = instant(reference.DateTrigger(naive, zone).run_date)
    scheduler = ManualScheduler(timezone=zone)
    scheduler.add_jobstore(ListJobStore(), "python")
    short = BackgroundScheduler(timezone=zone)
    for started in (scheduler, short):
        started.start(paused=True)
    for owner, store in ((scheduler, "default"), (scheduler, "python"), (short, "default")):

        def add(owner=owner, store=store, **options):
            options = {"trigger": "interval", "hours": 1} | options
            return owner.add_job(nothing, jobstore=store, **options)

        for job, time in (
            (add(next_run_time=make(at)), instant(at)),
            (add(next_run_time=make(naive)), localized),
            (add().modify(next_run_time=make(at)), instant(at)),
            (add(trigger=DateTrigger(make(at))), instant(at)),
            (add(trigger=OrTrigger([DateTrigger(make(at))])), instant(at)),
        ):
            found = owner.get_job(job.id, store)
            assert instant(found.next_run_time) == time
    scheduler.shutdown()
    short.shutdown()


@share(0.1)
@given(st.data())
def test_helpers(data):
    make = data.draw(makers)
    zone = astimezone(data.draw(some.zones, "zone"))
    at = data.draw(some.instants(zone), "at")
    naive = at.replace(tzinfo=None)
    assert util.datetime_to_utc_timestamp(make(at)) == their_util.datetime_to_utc_timestamp(at)
    assert util.datetime_to_utc_timestamp(make(naive)) == their_util.datetime_to_utc_timestamp(
        naive
    )
    assert instant(util.datetime_utc_add(make(at), HOUR)) == instant(
        util.datetime_utc_add(at, HOUR)
    )
    assert instant(util.normalize(make(at))) == instant(at)
    localized = instant(their_util.localize(naive, zone))
    assert instant(util.localize(make(naive), zone)) == localized
    assert instant(util.convert_to_datetime(make(naive), zone, "x")) == localized
    if at.microsecond:
        assert instant(util.datetime_ceil(make(at))) == instant(util.datetime_ceil(at))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_times_that_a_trigger_returns(make):
    """In memory, in a store written in Python, and as a member of others."""
    at = datetime(2027, 7, 1, 10, tzinfo=BERLIN)

    class Every(BaseTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            return (
                make(datetime.astimezone(previous_fire_time, BERLIN) + HOUR)
                if previous_fire_time
                else make(at)
            )

    for trigger in (Every(), OrTrigger([Every()]), AndTrigger([Every(), Every()])):
        clock = ManualClock(at - HOUR)
        scheduler = BackgroundScheduler(clock=clock, timezone=UTC)
        scheduler.add_job(nothing, trigger)
        scheduler.start()
        clock.advance(3 * HOUR)
        scheduler.shutdown()
        scheduled = [instant(run.scheduled_run_time) for run in clock.runs()]
        assert scheduled == [at.astimezone(UTC) + n * HOUR for n in range(3)]

    for store in (MemoryJobStore(), ListJobStore()):
        scheduler = ManualScheduler(timezone=UTC, jobstores={"default": store})
        scheduler.start(paused=True)
        job = scheduler.add_job(nothing, Given(make(at)))
        assert instant(job.next_run_time) == at.astimezone(UTC)
        scheduler.shutdown()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_states_and_assignments(make):
    at = datetime(2027, 7, 1, 10, tzinfo=BERLIN)
    stored = Job.__new__(Job)
    stored.__setstate__(make_job("a").__getstate__() | {"next_run_time": make(at)})
    assigned = make_job("b")
    assigned.next_run_time = make(at)
    for job in (stored, assigned, make_job("c", make(at))):
        # What was pickled needs no library to be read.
        assert job.next_run_time == at
        assert type(job.next_run_time) is datetime
        run_times = job._get_run_times(make(at + HOUR))
        assert run_times == [at]
    interval = IntervalTrigger(hours=1, start_date=make(at))
    interval.end_date = make(at)
    again = IntervalTrigger.__new__(IntervalTrigger)
    again.__setstate__(interval.__getstate__())
    for trigger in (interval, again):
        assert instant(trigger.get_next_fire_time(None, at)) == instant(at)
        assert trigger.get_next_fire_time(at, at) is None


@pytest.mark.parametrize(
    "make",
    [
        made_by(Contrary),
        pd.Timestamp,
        made_by(pendulum.DateTime),
        lambda dt: ContraryDate(dt.year, dt.month, dt.day),
    ],
)
def test_dates(make):
    day = make(datetime(2027, 7, 1))
    found = CalendarIntervalTrigger(days=1, start_date=day, end_date=day, timezone=BERLIN)
    assert (found.start_date, found.end_date) == (date(2027, 7, 1), date(2027, 7, 1))
    midnight = datetime(2027, 7, 1, tzinfo=BERLIN)
    assert instant(DateTrigger(day, BERLIN).run_date) == midnight.astimezone(UTC)


class Offset(timedelta):
    """Says of itself that it is none."""

    days = seconds = microseconds = 0  # type: ignore[assignment]


class Odd(tzinfo):
    """Two hours east; what it returns is of classes of its own."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return Offset(hours=2)

    def dst(self, dt: datetime | None) -> timedelta:
        return Offset(0)

    def tzname(self, dt: datetime | None) -> str:
        return "odd"

    def fromutc(self, dt: datetime) -> Any:
        return made_by(Liar)(datetime.__add__(dt, timedelta(hours=2)))


def test_a_zone_that_returns_its_own_classes():
    at = datetime(2027, 7, 1, 10, tzinfo=Odd())
    assert instant(CronTrigger(hour=10, timezone=Odd()).get_next_fire_time(None, at)) == instant(
        datetime(2027, 7, 1, 8, tzinfo=UTC)
    )
    trigger = IntervalTrigger(hours=1, start_date=datetime(2027, 7, 1, tzinfo=UTC))
    trigger.interval = Offset(hours=3)
    assert trigger.interval == timedelta(hours=3)
    trigger.interval = pendulum.duration(hours=5)
    assert trigger.interval == timedelta(hours=5)
    trigger.interval = pd.Timedelta(hours=6)
    assert trigger.interval == timedelta(hours=6)


@pytest.mark.parametrize("none", [pd.NaT, np.datetime64("2027-07-01"), arrow.get(2027, 7, 1), 5.0])
def test_what_is_no_time_is_refused(none):
    """As by APScheduler, which says other things of NaT."""
    expected = ValueError if none is pd.NaT else TypeError
    for call in (
        lambda: DateTrigger(none, UTC),
        lambda: IntervalTrigger(hours=1, start_date=none, timezone=UTC),
        lambda: CronTrigger(hour=1, end_date=none, timezone=UTC),
        lambda: CalendarIntervalTrigger(days=1, start_date=none, timezone=UTC),
        lambda: CalendarIntervalTrigger(days=1, end_date=none, timezone=UTC),
        lambda: BackgroundScheduler(timezone=UTC).add_job(nothing, next_run_time=none),
        lambda: OrTrigger([Given(none)]).get_next_fire_time(None, datetime.now(UTC)),
    ):
        with pytest.raises(expected):
            call()


def test_a_foreign_date_is_pickled_as_it_is():
    trigger = DateTrigger(pd.Timestamp("2027-07-01 10:00", tz="Europe/Berlin"))
    again = pickle.loads(pickle.dumps(trigger))
    assert repr(again) == repr(trigger)
