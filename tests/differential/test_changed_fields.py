"""Fields of cron triggers, and their expressions, that are changed or of classes of one's own."""

from __future__ import annotations

import copy
import pickle
from datetime import date, datetime, timezone
from typing import Any, ClassVar
from unittest import mock

import pytest

from mainspring import CronTrigger
from mainspring.triggers.cron.expressions import AllExpression, LastDayOfMonthExpression
from mainspring.triggers.cron.fields import BaseField, DayOfMonthField, DayOfWeekField
from tests.differential.library import Library
from tests.support import nothing


def test_the_fields_of_a_cron_trigger_are_changed_together() -> None:
    # DIFFERENCE: APScheduler's list can be changed in place.
    trigger = CronTrigger(year="2000-2999/7", timezone="UTC")
    with pytest.raises(TypeError, match="assign a list"):
        trigger.fields[0] = None
    with pytest.raises(TypeError, match="assign a list"):
        trigger.fields.clear()
    assert trigger.fields == list(trigger.fields)


def compile_one(field: Any) -> None:
    field.compile_expression("*")


def compile_all(field: Any) -> None:
    field.compile_expressions("*")


def rename(field: Any) -> None:
    field.name = "minute"


def delete(field: Any) -> None:
    del field.is_default


def put_method(field: Any) -> None:
    field.get_next_value = nothing


def set_expressions(field: Any) -> None:
    field.expressions = list(field.expressions)


def set_expression(field: Any) -> None:
    field.expressions[0] = field.expressions[0]


def append_expression(field: Any) -> None:
    field.expressions.append(field.expressions[0])


def add_expressions(field: Any) -> None:
    field.expressions += field.expressions


def set_step(field: Any) -> None:
    field.expressions[0].step = 3


def delete_step(field: Any) -> None:
    del field.expressions[0].step


CHANGES_OF_FIELDS = [
    compile_one,
    compile_all,
    rename,
    delete,
    put_method,
    set_expressions,
    set_expression,
    append_expression,
    add_expressions,
    set_step,
    delete_step,
]


@pytest.mark.parametrize("change", CHANGES_OF_FIELDS)
@pytest.mark.parametrize("origin", ["made", "assigned", "pickled", "copied"])
def test_the_fields_of_a_trigger_cannot_be_changed_themselves(origin: str, change: Any) -> None:
    # DIFFERENCE: APScheduler's can, with effect from the next fire on.
    trigger = CronTrigger(hour="8-17", minute="*/5", timezone="UTC")
    if origin == "assigned":
        trigger.fields = CronTrigger(hour="8-17", minute="*/5").fields
    if origin == "pickled":
        trigger = pickle.loads(pickle.dumps(trigger))
    if origin == "copied":
        trigger = copy.deepcopy(trigger)
    for field in trigger.fields:
        with pytest.raises(TypeError, match="assign a list"):
            change(field)
    fields = trigger.fields
    assert fields == CronTrigger(hour="8-17", minute="*/5").fields
    assert str(trigger) == "cron[hour='8-17', minute='*/5']"


@pytest.mark.parametrize("package", ["apscheduler", "mainspring"])
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda field: pickle.loads(pickle.dumps(field))]
)
def test_a_copy_of_a_field_can_be_changed_and_assigned(package: str, copied: Any) -> None:
    trigger = Library(package).CronTrigger(hour="8-17", timezone="UTC")
    fields = list(trigger.fields)
    fields[5] = copied(fields[5])
    fields[5].compile_expressions("20")
    fields[5].compile_expression("21")
    trigger.fields = fields
    now = datetime(2030, 1, 1, 20, 30, tzinfo=timezone.utc)
    assert trigger.get_next_fire_time(None, now) == now.replace(hour=21, minute=0)


@pytest.mark.parametrize(
    "class_", [BaseField, DayOfWeekField, AllExpression, LastDayOfMonthExpression]
)
def test_a_method_put_into_a_class_of_fields_or_expressions_raises(class_: Any) -> None:
    # DIFFERENCE: APScheduler calls it.
    before = class_.get_next_value
    with (
        pytest.raises(TypeError, match="get_next_value cannot be replaced"),
        mock.patch.object(class_, "get_next_value", return_value=None),
    ):
        pass
    assert class_.get_next_value is before

    class Derived(class_):  # type: ignore[misc]
        pass

    Derived.get_next_value = before
    with mock.patch.object(class_, "__repr__", return_value="field"):
        pass


class OwnExpression(LastDayOfMonthExpression):
    pass


class OwnHour(BaseField):
    def get_next_value(self, dateval: date) -> int | None:
        return 7


class OwnDay(DayOfMonthField):
    COMPILERS: ClassVar[list[type[AllExpression]]] = [OwnExpression]


OWN = {"hour": OwnHour, "day": OwnDay}


def map_of_subclass(name: str, exprs: str) -> None:
    class Own(CronTrigger):
        FIELDS_MAP: ClassVar[Any] = {**CronTrigger.FIELDS_MAP, name: OWN[name]}

    Own(**{name: exprs}, timezone="UTC")  # type: ignore[arg-type]


def map_put_into_subclass(name: str, exprs: str) -> None:
    class Own(CronTrigger):
        pass

    Own.FIELDS_MAP = {**CronTrigger.FIELDS_MAP, name: OWN[name]}


def map_put_into_class(name: str, exprs: str) -> None:
    with mock.patch.object(CronTrigger, "FIELDS_MAP", {**CronTrigger.FIELDS_MAP, name: OWN[name]}):
        pass


def item_of_map(name: str, exprs: str) -> None:
    classes: Any = CronTrigger.FIELDS_MAP
    classes[name] = OWN[name]


def assigned_field(name: str, exprs: str) -> None:
    trigger = CronTrigger(timezone="UTC")
    trigger.fields = [OWN[name](f.name, exprs) if f.name == name else f for f in trigger.fields]


def assigned_expression(name: str, exprs: str) -> None:
    trigger = CronTrigger(timezone="UTC")
    fields = [copy.copy(field) for field in trigger.fields]
    fields[2].expressions = [OwnExpression()]
    trigger.fields = fields


def assigned_method(name: str, exprs: str) -> None:
    trigger = CronTrigger(timezone="UTC")
    fields = [copy.copy(field) for field in trigger.fields]
    fields[2].get_next_value = OwnHour("hour", 7).get_next_value  # type: ignore[method-assign]
    trigger.fields = fields


def unpickled_field(name: str, exprs: str) -> None:
    state = CronTrigger(timezone="UTC").__getstate__()
    state["fields"] = [OWN[name](f.name, exprs) if f.name == name else f for f in state["fields"]]
    CronTrigger.__new__(CronTrigger).__setstate__(state)


@pytest.mark.parametrize(("name", "exprs"), [("hour", "3"), ("day", "last")])
@pytest.mark.parametrize(
    "use",
    [
        map_of_subclass,
        map_put_into_subclass,
        map_put_into_class,
        item_of_map,
        assigned_field,
        assigned_expression,
        assigned_method,
        unpickled_field,
    ],
)
def test_a_field_or_an_expression_of_ones_own_raises(use: Any, name: str, exprs: str) -> None:
    # DIFFERENCE: APScheduler calls its methods.
    with pytest.raises(TypeError, match="cannot be used|item assignment"):
        use(name, exprs)


def test_a_subclass_of_a_cron_trigger_may_have_a_map_of_our_classes() -> None:
    class Own(CronTrigger):
        FIELDS_MAP: ClassVar[Any] = dict(CronTrigger.FIELDS_MAP)

    now = datetime(2030, 1, 1, tzinfo=timezone.utc)
    assert Own(hour=3, timezone="UTC").get_next_fire_time(None, now) == now.replace(hour=3)


def test_a_field_is_pickled_with_nothing_but_what_apscheduler_reads() -> None:
    field = CronTrigger(hour="8-17", timezone="UTC").fields[5]
    state: Any = field.__reduce_ex__(4)[2]
    assert set(state) == {"name", "is_default", "expressions"}
    assert type(state["expressions"]) is list
    assert set(state["expressions"][0].__reduce_ex__(4)[2]) == {"step", "first", "last"}
