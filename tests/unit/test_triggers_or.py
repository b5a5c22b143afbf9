"""OrTrigger fires at the fire times of its members, whichever of them fires in between."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

from apscheduler.triggers.combining import OrTrigger as TheirOrTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.schedulers.background import BackgroundScheduler
from mainspring.testing import ManualClock
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.combining import AndTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from mainspring.util import astimezone, datetime_utc_add
from tests.differential import strategies as some
from tests.support import ListJobStore, ManualScheduler, nothing

UTC = timezone.utc
NOW = datetime(2026, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class Every(BaseTrigger):
    """Counts from the fire time before, as an interval trigger that a user has written."""

    def __init__(self, length: timedelta) -> None:
        self.length = length

    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> datetime:
        return datetime_utc_add(previous_fire_time or now, self.length)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class EveryButMondays(IntervalTrigger):
    """A built-in trigger whose calculation is extended."""

    def get_next_fire_time(self, previous_fire_time: Any, now: Any) -> datetime | None:
        found = super().get_next_fire_time(previous_fire_time, now)
        while found is not None and found.weekday() == 0:
            found = super().get_next_fire_time(found, now)
        return found


def chain(trigger: BaseTrigger, now: datetime) -> Iterator[datetime]:
    """The fire times of a trigger on its own, as a scheduler asks for them that is never late."""
    previous = None
    while (found := trigger.get_next_fire_time(previous, now)) is not None:
        yield found
        previous, now = found, max(now, found, key=datetime.timestamp)


def instants(times: Iterator[datetime], count: int) -> list[datetime]:
    return [time.astimezone(UTC) for time in islice(times, count)]


@st.composite
def members(draw: Any, zone: Any, now: datetime, *, nested: bool = True) -> BaseTrigger:
    """A trigger of any kind that begins not before now."""
    kinds = ["cron", "interval", "interval from now", "calendar", "date", "own", "extended"]
    kind = draw(st.sampled_from([*kinds, "and", "or"] if nested else kinds))
    start = datetime_utc_add(now, timedelta(minutes=draw(st.integers(1, 5_000))))
    length = {"minutes": draw(st.integers(1, 3_000))}
    if kind == "cron":
        fields = draw(some.cron_fields(now.year)) | {"second": 0}
        start_date = draw(st.sampled_from((None, start)))
        return CronTrigger(**fields, start_date=start_date, timezone=zone)
    if kind == "interval":
        # On a series that began long ago, or will.
        start += timedelta(days=draw(st.sampled_from((-1_000, 0))))
        return IntervalTrigger(**length, start_date=start, timezone=zone)
    if kind == "interval from now":
        return IntervalTrigger(**length, timezone=zone)
    if kind == "calendar":
        step = draw(some.calendar_steps())
        start_date = start.date() + timedelta(days=1)
        return CalendarIntervalTrigger(**step, start_date=start_date, timezone=zone)
    if kind == "date":
        return DateTrigger(start)
    if kind == "own":
        return Every(timedelta(**length))
    if kind == "extended":
        return EveryButMondays(**length, start_date=start, timezone=zone)
    inner = draw(st.lists(members(zone, now, nested=False), min_size=1, max_size=3))
    if kind == "and":
        return AndTrigger([inner[0], *pickle.loads(pickle.dumps(inner[:1]))])
    return OrTrigger(inner)


@settings(max_examples=max(1, settings().max_examples // 10))
@given(st.data())
def test_the_fire_times_are_those_of_the_members(data):
    zone = astimezone(data.draw(some.zones, "zone"))
    now = data.draw(some.instants(zone), "now")
    triggers = data.draw(st.lists(members(zone, now), min_size=1, max_size=4), "members")
    # A copy each, so that none is asked by two.
    alone = pickle.loads(pickle.dumps(triggers))
    own = [instants(chain(trigger, now), 30) for trigger in alone]
    known_up_to = min([times[-1] for times in own if len(times) == 30], default=None)
    expected = sorted({t for times in own for t in times if not known_up_to or t <= known_up_to})
    trigger: Any = OrTrigger(triggers)
    previous, found = None, []
    for _ in expected:
        previous = trigger.get_next_fire_time(previous, previous or now)
        found.append(previous and previous.astimezone(UTC))
        if data.draw(st.integers(0, 9)) == 0:
            # From a job store, which knows nothing but the pickle.
            trigger = pickle.loads(pickle.dumps(trigger))
    assert found == expected


def test_two_hours_or_half_past_nine():
    """DIFFERENCE: 3.x counts the two hours anew from half past nine, and never comes to it again where
    the other member is quicker.
    """

    def times(*members: BaseTrigger) -> list[str]:
        return [f"{time:%d %H:%M}" for time in islice(chain(OrTrigger(members), NOW), 8)]

    two_hours = IntervalTrigger(hours=2, start_date=NOW)
    assert times(two_hours, CronTrigger(hour=9, minute=30, timezone=UTC)) == (
        [
            "01 00:00",
            "01 02:00",
            "01 04:00",
            "01 06:00",
            "01 08:00",
            "01 09:30",
            "01 10:00",
            "01 12:00",
        ]
    )
    assert times(two_hours, IntervalTrigger(minutes=45, start_date=NOW)) == (
        [
            "01 00:00",
            "01 00:45",
            "01 01:30",
            "01 02:00",
            "01 02:15",
            "01 03:00",
            "01 03:45",
            "01 04:00",
        ]
    )


def test_a_job_runs_at_the_times_of_all_members():
    """In memory, and in a store that pickles; without a start the series begins when the trigger is made."""
    for store in (None, ListJobStore()):
        clock = ManualClock(NOW)
        scheduler = BackgroundScheduler(clock=clock, timezone=UTC)
        if store:
            scheduler.add_jobstore(store)
        scheduler.start()
        half_past_nine = CronTrigger(hour=9, minute=30, timezone=UTC)
        two_hours = IntervalTrigger(hours=2, start_date=NOW + 2 * HOUR)
        scheduler.add_job(nothing, OrTrigger([two_hours, half_past_nine, Every(7 * HOUR)]))
        clock.advance(24 * HOUR)
        scheduler.shutdown()
        ran = [run.scheduled_run_time for run in clock.runs()]
        own = {*range(2, 25, 2), 7, 14, 21, 9.5}
        assert ran == [NOW + hours * HOUR for hours in sorted(own)], store


def test_jitter_has_no_fire_time_left_out():
    random.seed(7)
    late = timedelta(minutes=50)
    trigger = OrTrigger(
        [
            IntervalTrigger(hours=1, start_date=NOW, jitter=late.total_seconds()),
            CronTrigger(minute=30, timezone=UTC),
        ],
        jitter=late.total_seconds(),
    )
    for n, found in enumerate(islice(chain(trigger, NOW), 200)):
        assert NOW + n * 30 * MINUTE <= found < NOW + (n + 1) * 30 * MINUTE


def test_a_member_written_in_python_is_asked_once_for_each_of_its_fire_times():
    asked = []

    class Own(Every):
        def get_next_fire_time(self, previous_fire_time, now):
            asked.append(previous_fire_time)
            return super().get_next_fire_time(previous_fire_time, now)

    trigger = OrTrigger([Own(HOUR), CronTrigger(minute="*/10", timezone=UTC)])
    list(islice(chain(trigger, NOW), 14))
    assert asked == [None, NOW + HOUR, NOW + 2 * HOUR]
    # Of a time before all that it knows it asks anew, and of members that are exchanged.
    assert trigger.get_next_fire_time(NOW - 2 * HOUR, NOW) == NOW - 2 * HOUR + 10 * MINUTE
    assert asked[3:] == [NOW - 2 * HOUR]
    trigger.triggers = [Own(HOUR)]
    assert trigger.get_next_fire_time(NOW, NOW) == NOW + HOUR
    assert asked[4:] == [NOW]


def test_a_state_with_places_is_read_by_3x():
    trigger = OrTrigger([Every(HOUR), CronTrigger(minute="*/10", timezone=UTC)])
    list(islice(chain(trigger, NOW), 3))
    state = trigger.__getstate__()
    first = int((NOW + HOUR).timestamp()) * 10**6
    assert state["steps"] == [(None, first), None]
    theirs = TheirOrTrigger.__new__(TheirOrTrigger)
    theirs.__setstate__(state | {"triggers": []})
    assert "steps" not in OrTrigger([CronTrigger(timezone=UTC)]).__getstate__()


def test_a_job_that_has_fallen_behind():
    scheduler = ManualScheduler(timezone=UTC)
    scheduler.start(paused=True)
    half_past_nine = CronTrigger(hour=9, minute=30, timezone=UTC)
    trigger = OrTrigger([IntervalTrigger(hours=2, start_date=NOW), half_past_nine])
    job = scheduler.add_job(nothing, trigger, next_run_time=NOW)
    due = job._get_run_times(NOW + 10 * HOUR)
    assert due == [NOW + hours * HOUR for hours in (0, 2, 4, 6, 8, 9.5, 10)]
    scheduler.shutdown()
