"""What notices that a trigger class, or a list that belongs to a trigger, is changed.

The engine reads a trigger once, when a job gets it, so it is to be told.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Iterable
from functools import wraps
from types import MethodDescriptorType
from typing import Any, NoReturn, TypeVar

_METHODS = frozenset(("_apply_jitter", "get_next_fire_time"))
#: Of the fields and expressions of a cron trigger: what the engine does, or has read, in the place of these.
_CALCULATION = frozenset(
    (
        "COMPILERS",
        "compile_expression",
        "compile_expressions",
        "get_max",
        "get_min",
        "get_next_value",
        "get_value",
        "value_re",
    )
)
#: The methods that change a list.
_CHANGES = (
    "__delitem__",
    "__iadd__",
    "__imul__",
    "__setitem__",
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "remove",
    "reverse",
    "sort",
)

F = TypeVar("F", bound=Callable[..., Any])


class TriggerClass(ABCMeta):
    """The class of the trigger classes: has the jobs in memory obey a method that is put into one."""

    __slots__ = ()

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "FIELDS_MAP":
            check_classes(value.values())
        super().__setattr__(name, value)
        if name in _METHODS:
            _tell_of_class()

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        if name in _METHODS:
            _tell_of_class()


def make_functions(cls: type) -> None:
    """Put a function into the place of each method in Rust that ``cls`` has, but for ``__special__`` ones.

    For code that asks whether a method is a function: a mock with ``autospec`` gets no ``self`` in the place
    of a method that is not, and takes any arguments.
    """

    def function(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            return method(*args, **options)

        call.__module__ = cls.__module__
        return call

    for name, value in list(vars(cls).items()):
        if isinstance(value, MethodDescriptorType) and not name.startswith("__"):
            setattr(cls, name, function(value))


def _tell_of_class() -> None:
    from mainspring._mainspring import trigger_class_changed

    trigger_class_changed()


class TriggerList(list[Any]):
    """The members of a combining trigger: has the jobs that have it notice a change."""

    def __reduce__(self) -> Any:
        return list, (list(self),)


class FixedList(list[Any]):
    """A list that belongs to a trigger and cannot be changed: the expressions of a field."""

    def __reduce__(self) -> Any:
        return list, (list(self),)


class FieldList(FixedList):
    """The fields of a cron trigger, which are changed as a whole: ``trigger.fields = [...]``.

    From then on nothing of them can be changed, but of a copy.
    """

    def __init__(self, fields: Iterable[Any]) -> None:
        super().__init__(fields)
        for field in self:
            if isinstance(field, CronPart):
                field._fix()


class CronPartClass(type):
    """The class of the fields and expressions: refuses methods put into ours, which would not be called."""

    def __setattr__(cls, name: str, value: object) -> None:
        cls._refuse(name)
        super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        cls._refuse(name)
        super().__delattr__(name)

    def _refuse(cls, name: str) -> None:
        if name in _CALCULATION and cls.__module__.startswith("mainspring."):
            raise TypeError(
                f"{cls.__name__}.{name} cannot be replaced, since cron triggers do not call it: replace "
                "get_next_fire_time of CronTrigger, or derive a class from that"
            )


class CronPart(metaclass=CronPartClass):
    """A field of a cron trigger, or an expression of one. It may be changed until a trigger has it."""

    # Not in the dictionary, which is what pickles hold and what is compared.
    __slots__ = ("_fixed",)

    def _fix(self) -> None:
        expressions = vars(self).get("expressions", ())
        for expression in expressions:
            if isinstance(expression, CronPart):
                expression._fix()
        if expressions:
            vars(self)["expressions"] = FixedList(expressions)
        object.__setattr__(self, "_fixed", True)

    def __setattr__(self, name: str, value: object) -> None:
        if getattr(self, "_fixed", False):
            raise _refusal()
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if getattr(self, "_fixed", False):
            raise _refusal()
        super().__delattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        lists = {
            name: list(value) for name, value in vars(self).items() if isinstance(value, FixedList)
        }
        return {**vars(self), **lists}


def check_classes(classes: Iterable[type]) -> None:
    """Refuse classes of fields or expressions that are not ours: their methods would not be called.

    :raises TypeError: if there is one
    """
    for cls in classes:
        if not cls.__module__.startswith(("mainspring.", "apscheduler.")):
            raise _unused(cls.__qualname__)


def check_field(field: Any) -> None:
    """Refuse a field that is not read by its text alone.

    :raises TypeError: if it, or one of its expressions, has a class or a method of its own
    """
    check_classes([type(field)])
    check_classes(map(type, field.expressions))
    for part in (field, *field.expressions):
        for name in _CALCULATION & vars(part).keys():
            raise _unused(f"{type(part).__qualname__}.{name}")


def _unused(name: str) -> TypeError:
    return TypeError(
        f"{name} cannot be used, since cron triggers read their fields as text: derive a class from "
        "CronTrigger that has its own get_next_fire_time, and no such fields"
    )


def _refusal() -> TypeError:
    return TypeError(
        "the fields of a trigger cannot be changed one by one: assign a list of all of them to "
        "its attribute 'fields', or make another trigger"
    )


def _telling(change: F) -> F:
    @wraps(change)
    def tell(self: TriggerList, *args: Any, **options: Any) -> Any:
        from mainspring._mainspring import combined_triggers_changed

        result = change(self, *args, **options)
        combined_triggers_changed()
        return result

    return tell  # type: ignore[return-value]


def _refusing(change: F) -> F:
    @wraps(change)
    def refuse(self: FixedList, *args: Any, **options: Any) -> NoReturn:
        raise _refusal()

    return refuse  # type: ignore[return-value]


for _name in _CHANGES:
    setattr(TriggerList, _name, _telling(getattr(list, _name)))
    setattr(FixedList, _name, _refusing(getattr(list, _name)))
