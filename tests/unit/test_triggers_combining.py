"""AndTrigger and OrTrigger."""

from __future__ import annotations

import gc
import pickle
import random
import weakref
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.combining import AndTrigger, BaseCombiningTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2020, 1, 1, tzinfo=UTC)


class Fixed(BaseTrigger):
    """Fires at given times."""

    def __init__(self, *times):
        self.times = list(times)
        self.asked = []

    def get_next_fire_time(self, previous_fire_time, now):
        self.asked.append((previous_fire_time, now))
        earliest = (
            max(previous_fire_time + timedelta(microseconds=1), now) if previous_fire_time else now
        )
        return min((t for t in self.times if t >= earliest), default=None)

    def __getstate__(self):
        return {"times": self.times}

    def __setstate__(self, state):
        self.__init__(*state["times"])

    def __str__(self):
        return "fixed"


def crons(*kwargs):
    return [CronTrigger(**one, timezone=UTC) for one in kwargs]


def test_and():
    trigger = AndTrigger(crons({"day": 13}, {"day_of_week": "fri"}))
    found = trigger.get_next_fire_time(None, NOW)
    assert found == datetime(2020, 3, 13, tzinfo=UTC)
    # DIFFERENCE: given a fire time before, 3.x never returns.
    assert trigger.get_next_fire_time(found, found) == datetime(2020, 11, 13, tzinfo=UTC)


def test_and_ends_with_its_first_member():
    last = DateTrigger(NOW + timedelta(days=3))
    assert AndTrigger([CronTrigger(day=1, timezone=UTC), last]).get_next_fire_time(NOW, NOW) is None


def test_members_that_never_agree():
    # DIFFERENCE: 3.x never returns.
    trigger = AndTrigger(crons({"second": 1}, {"second": 2}))
    assert trigger.get_next_fire_time(None, NOW) is None


def test_or():
    trigger = OrTrigger(crons({"hour": 8}, {"hour": "20", "minute": 30}))
    first = trigger.get_next_fire_time(None, NOW)
    second = trigger.get_next_fire_time(first, first)
    third = trigger.get_next_fire_time(second, second)
    assert [f"{t:%d %H:%M}" for t in (first, second, third)] == ["01 08:00", "01 20:30", "02 08:00"]


def test_or_ends_with_its_last_member():
    dates = [DateTrigger(NOW + timedelta(days=n)) for n in (1, 2)]
    trigger = OrTrigger(dates)
    first = trigger.get_next_fire_time(None, NOW)
    assert first == NOW + timedelta(days=1)
    # DIFFERENCE: 3.x drops a date as soon as another member has fired.
    second = trigger.get_next_fire_time(first, first)
    assert second == NOW + timedelta(days=2)
    assert trigger.get_next_fire_time(second, second) is None


def test_times_are_shown_in_the_zone_of_the_first_member():
    members = [CronTrigger(hour=8, timezone=BERLIN), CronTrigger(hour=0, timezone="Asia/Kolkata")]
    # DIFFERENCE: 3.x shows the time of an OrTrigger in the zone of the member that gave it.
    for trigger in (OrTrigger(members), OrTrigger([OrTrigger(members)])):
        found = trigger.get_next_fire_time(None, NOW)
        assert (found, found.tzinfo) == (datetime(2020, 1, 1, 8, tzinfo=BERLIN), BERLIN)


@pytest.mark.parametrize("cls", [AndTrigger, OrTrigger])
def test_jitter(cls):
    trigger = cls(crons({"hour": 8}), jitter=5)
    random.seed(4)
    found = trigger.get_next_fire_time(None, NOW)
    random.seed(4)
    assert found == NOW.replace(hour=8) + timedelta(seconds=random.uniform(0, 5))


# --- members written in Python ---


def test_user_written_members():
    times = [NOW + timedelta(hours=n) for n in (7, 8, 9, 32)]
    own = Fixed(*times)
    both = AndTrigger([CronTrigger(hour=8, timezone=UTC), own])
    found = both.get_next_fire_time(None, NOW)
    assert found == times[1]
    assert both.get_next_fire_time(found, found) == times[3]
    assert both.get_next_fire_time(times[3], times[3]) is None
    either = OrTrigger([own, CronTrigger(hour=8, timezone=UTC)])
    assert either.get_next_fire_time(times[2], times[2]) == times[3]


def test_they_are_given_the_times_as_they_are():
    own = Fixed(NOW + timedelta(hours=1))
    now, before = NOW.astimezone(BERLIN), NOW.astimezone(ZoneInfo("Asia/Kolkata"))
    OrTrigger([own]).get_next_fire_time(before, now)
    OrTrigger([own]).get_next_fire_time(None, now)
    assert own.asked == [(before, now), (None, now)]
    assert own.asked[0][0].tzinfo is before.tzinfo
    assert own.asked[0][1].tzinfo is BERLIN


def test_what_they_raise_comes_through():
    class Broken(BaseTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            raise KeyError("broken")

    for trigger in (OrTrigger([Broken()]), AndTrigger([CronTrigger(timezone=UTC), Broken()])):
        with pytest.raises(KeyError, match="broken"):
            trigger.get_next_fire_time(None, NOW)


def test_what_they_return_is_checked():
    class Wrong(BaseTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            return "tomorrow"

    with pytest.raises(
        TypeError, match=r"get_next_fire_time\(\) must be an aware datetime, got str"
    ):
        OrTrigger([Wrong()]).get_next_fire_time(None, NOW)


def test_an_overriding_subclass_of_a_built_in_one_is_asked():
    class Never(CronTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            return None

    class Same(CronTrigger):
        pass

    at_eight = NOW.replace(hour=8)
    assert OrTrigger([Never(hour=8, timezone=UTC)]).get_next_fire_time(None, NOW) is None
    assert OrTrigger([Same(hour=8, timezone=UTC)]).get_next_fire_time(None, NOW) == at_eight


def test_anything_with_the_method_will_do():
    class Duck:
        def get_next_fire_time(self, previous_fire_time, now):
            return now

    assert OrTrigger([Duck()]).get_next_fire_time(None, NOW) == NOW


# --- construction, texts, pickles ---


def test_texts():
    members = [CronTrigger(hour=8, timezone=UTC), DateTrigger(NOW)]
    inner = (
        "<CronTrigger (hour='8', timezone='UTC')>, "
        "<DateTrigger (run_date='2020-01-01 00:00:00 UTC')>"
    )
    assert str(AndTrigger(members)) == "and[cron[hour='8'], date[2020-01-01 00:00:00 UTC]]"
    assert str(OrTrigger(members)) == "or[cron[hour='8'], date[2020-01-01 00:00:00 UTC]]"
    assert repr(AndTrigger(members)) == f"<AndTrigger([{inner}])>"
    assert repr(OrTrigger(members, jitter=2)) == f"<OrTrigger([{inner}], jitter=2)>"
    assert BaseCombiningTrigger.__slots__ == ("jitter", "triggers")
    assert AndTrigger.__slots__ == OrTrigger.__slots__ == ()


def test_the_list_can_be_changed():
    members = crons({"hour": 8})
    trigger = OrTrigger(members)
    # DIFFERENCE: a list of its own, so that it notices.
    assert trigger.triggers == members
    trigger.triggers.append(CronTrigger(hour=3, timezone=UTC))
    assert trigger.get_next_fire_time(None, NOW).hour == 3
    trigger.triggers = members
    trigger.jitter = None
    assert trigger.get_next_fire_time(None, NOW).hour == 8


def test_an_iterator_will_do():
    assert len(OrTrigger(iter(crons({}, {}))).triggers) == 2


@pytest.mark.parametrize("cls", [AndTrigger, OrTrigger])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(cls, protocol):
    trigger = cls(
        [
            CronTrigger(month="5-8", timezone=BERLIN),
            IntervalTrigger(hours=2, start_date=NOW),
            CalendarIntervalTrigger(days=2, start_date="2020-01-01", timezone=UTC),
            DateTrigger(NOW),
            OrTrigger([Fixed(NOW)]),
        ],
        jitter=10,
    )
    again = pickle.loads(pickle.dumps(trigger, protocol))
    assert repr(again.triggers[:4]) == repr(trigger.triggers[:4])
    assert again.triggers[4].triggers[0].times == [NOW]
    assert again.jitter == 10


def test_the_state_names_the_classes():
    member = CronTrigger(hour=8, timezone=UTC)
    state = AndTrigger([member]).__getstate__()
    assert state["version"] == 1
    assert state["triggers"][0][0] == "mainspring.triggers.cron:CronTrigger"
    assert state["triggers"][0][1].keys() == member.__getstate__().keys()
    with pytest.raises(
        ValueError, match="version 2 of AndTrigger, but only versions up to 1 can be handled"
    ):
        AndTrigger.__new__(AndTrigger).__setstate__(state | {"version": 2})


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="Can't instantiate abstract class BaseCombiningTrigger"):
        BaseCombiningTrigger([])

    class Every(BaseCombiningTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            return now if self.triggers else None

    assert Every(crons({}), 5).get_next_fire_time(None, NOW) == NOW


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((5,), TypeError, "not iterable"),
        (([5],), TypeError, "triggers must be triggers, got 5 of type int"),
        (([], -1), ValueError, "jitter must be 0 seconds or more, got -1"),
        ((), TypeError, "missing 1 required positional argument: 'triggers'"),
    ],
)
def test_bad_arguments(args, error, message):
    with pytest.raises(error, match=message):
        OrTrigger(*args)


def test_naive_times_are_refused():
    for args in ((None, datetime(2020, 1, 1)), (datetime(2020, 1, 1), NOW)):
        with pytest.raises(TypeError, match="must be an aware datetime"):
            OrTrigger(crons({})).get_next_fire_time(*args)


def test_nothing_to_combine():
    assert OrTrigger([]).get_next_fire_time(None, NOW) is None
    # DIFFERENCE: 3.x raises ValueError from min().
    assert AndTrigger([]).get_next_fire_time(None, NOW) is None


def test_cycles_are_collected():
    class Node(Fixed):
        pass

    node = Node()
    node.parent = OrTrigger([node])
    ref = weakref.ref(node)
    del node
    gc.collect()
    assert ref() is None
