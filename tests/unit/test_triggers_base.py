"""BaseTrigger: what users derive their own triggers from."""

from __future__ import annotations

import copy
import pickle
import random
from abc import ABC, abstractmethod
from datetime import datetime, timedelta, timezone
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

import pytest

from mainspring.triggers.base import BaseTrigger

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2020, 6, 1, tzinfo=UTC)
T = TypeVar("T")


class Hourly(BaseTrigger):
    def __init__(self, hours, *, name="x"):
        self.hours = hours
        self.name = name

    def get_next_fire_time(self, previous_fire_time, now):
        return (previous_fire_time or now) + timedelta(hours=self.hours)


class Slotted(BaseTrigger):
    __slots__ = ("value",)

    def get_next_fire_time(self, previous_fire_time, now):
        return None

    def __getstate__(self):
        return {"value": self.value}

    def __setstate__(self, state):
        self.value = state["value"]


def test_any_constructor_will_do():
    trigger = Hourly(3, name="y")
    assert (trigger.hours, trigger.name) == (3, "y")
    assert trigger.get_next_fire_time(None, NOW) == NOW + timedelta(hours=3)
    assert isinstance(trigger, BaseTrigger)


def test_it_is_abstract():
    class Nothing(BaseTrigger):
        pass

    for cls in (BaseTrigger, Nothing):
        with pytest.raises(TypeError, match=f"Can't instantiate abstract class {cls.__name__} "):
            cls()


def test_abstract_methods_of_other_bases_count():
    class Described(ABC):
        @abstractmethod
        def describe(self): ...

    class Mixed(Hourly, Described):
        pass

    with pytest.raises(TypeError, match=r"abstract class Mixed .* method 'describe'"):
        Mixed(1)


def test_it_mixes_with_generics():
    class Typed(Hourly, Generic[T]):
        pass

    assert Typed[int](1).hours == 1


def test_the_inherited_method_returns_none():
    class Super(BaseTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            return super().get_next_fire_time(previous_fire_time, now)

    assert Super().get_next_fire_time(None, NOW) is None


def test_it_takes_no_room():
    assert BaseTrigger.__slots__ == ()
    assert not hasattr(Slotted(), "__dict__")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    again = pickle.loads(pickle.dumps(Hourly(3, name="z"), protocol))
    assert (type(again), again.hours, again.name) == (Hourly, 3, "z")


def test_copy():
    trigger = Slotted()
    trigger.value = 5
    assert copy.copy(trigger).value == 5
    assert copy.deepcopy(Hourly(2)).hours == 2


@pytest.mark.parametrize("jitter", [0, None])
def test_no_jitter(jitter):
    assert Hourly(1)._apply_jitter(NOW, jitter, NOW) is NOW


def test_jitter_of_nothing():
    assert Hourly(1)._apply_jitter(None, 5, NOW) is None


def test_jitter_draws_from_pythons_generator():
    random.seed(7)
    found = Hourly(1)._apply_jitter(NOW, 5, NOW)
    random.seed(7)
    assert found == NOW + timedelta(seconds=random.uniform(0, 5))


def test_jitter_is_elapsed_time():
    # DIFFERENCE: 3.x adds it to the clock on the wall.
    second = datetime(2020, 10, 25, 2, 59, 59, fold=1, tzinfo=BERLIN)
    first = second.replace(fold=0)
    for t in (first, second):
        found = Hourly(1)._apply_jitter(t, 30, NOW)
        assert timedelta(0) <= found.astimezone(UTC) - t.astimezone(UTC) <= timedelta(seconds=30)
