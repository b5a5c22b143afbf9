"""What notices that a trigger class, or a list that belongs to a trigger, is changed.

The engine reads a trigger once, when a job gets it, so it is to be told.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar

_METHODS = frozenset(("_apply_jitter", "get_next_fire_time"))
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

    def __setattr__(cls, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in _METHODS:
            _tell_of_class()

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        if name in _METHODS:
            _tell_of_class()


def _tell_of_class() -> None:
    from mainspring._mainspring import trigger_class_changed

    trigger_class_changed()


class TriggerList(list[Any]):
    """The members of a combining trigger: has the jobs that have it notice a change."""

    def __reduce__(self) -> Any:
        return list, (list(self),)


class FieldList(list[Any]):
    """The fields of a cron trigger, which are changed as a whole: ``trigger.fields = [...]``."""

    def __reduce__(self) -> Any:
        return list, (list(self),)


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
    def refuse(self: FieldList, *args: Any, **options: Any) -> NoReturn:
        raise TypeError(
            "the fields of a trigger cannot be changed one by one: assign a list of all of them to "
            "its attribute 'fields', or make another trigger"
        )

    return refuse  # type: ignore[return-value]


for _name in _CHANGES:
    setattr(TriggerList, _name, _telling(getattr(list, _name)))
    setattr(FieldList, _name, _refusing(getattr(list, _name)))
