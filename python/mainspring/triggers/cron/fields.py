"""The fields of a cron trigger, as :attr:`CronTrigger.fields` shows them and pickles hold them."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from types import MappingProxyType
from typing import ClassVar

from mainspring._trigger_class import CronPart
from mainspring.triggers.cron.expressions import (
    MAX_VALUES,
    MIN_VALUES,
    AllExpression,
    LastDayOfMonthExpression,
    MonthRangeExpression,
    RangeExpression,
    WeekdayPositionExpression,
    WeekdayRangeExpression,
)

__all__ = (
    "DEFAULT_VALUES",
    "MAX_VALUES",
    "MIN_VALUES",
    "SEPARATOR",
    "BaseField",
    "DayOfMonthField",
    "DayOfWeekField",
    "MonthField",
    "WeekField",
)

#: What a field that is not given means when it is less significant than all that are given.
DEFAULT_VALUES: dict[str, str | int] = {
    "year": "*",
    "month": 1,
    "day": 1,
    "week": "*",
    "day_of_week": "*",
    "hour": 0,
    "minute": 0,
    "second": 0,
}
SEPARATOR = re.compile(" *, *")


class BaseField(CronPart):
    """One field of a cron trigger: year, hour, minute and second are of this class itself.

    :param name: the field's name
    :param exprs: its expressions, separated by commas; a number counts as its decimal text
    :param is_default: whether the field was not given but took its default
    :raises ValueError: if an expression is unknown to this field or outside its range

    >>> field = BaseField("hour", "8-17/3,22")
    >>> field.expressions
    [RangeExpression(8, 17, 3), RangeExpression(22)]
    """

    #: Whether a :class:`~datetime.datetime` has an attribute of this name.
    REAL: ClassVar[bool] = True
    #: The classes of expression that the field knows, in the order in which they are tried.
    COMPILERS: ClassVar[list[type[AllExpression]]] = [AllExpression, RangeExpression]

    name: str
    is_default: bool
    expressions: list[AllExpression]

    def __init__(self, name: str, exprs: str | int, is_default: bool = False) -> None:
        self.name = name
        self.is_default = is_default
        self.compile_expressions(exprs)

    def get_min(self, dateval: date) -> int:
        """Return the field's least value, whatever ``dateval`` is."""
        return MIN_VALUES[self.name]

    def get_max(self, dateval: date) -> int:
        """Return the field's greatest value in the month of ``dateval``."""
        return MAX_VALUES[self.name]

    def get_value(self, dateval: date) -> int:
        """Return the field's value in ``dateval``."""
        value: int = getattr(dateval, self.name)
        return value

    def get_next_value(self, dateval: date) -> int | None:
        """Return the least allowed value not below that in ``dateval``, or ``None``."""
        values = (expr.get_next_value(dateval, self) for expr in self.expressions)
        return min((value for value in values if value is not None), default=None)

    def compile_expressions(self, exprs: str | int) -> None:
        """Replace the field's expressions by those in ``exprs``, separated by commas.

        :raises ValueError: if one is unknown to this field or outside its range
        """
        self.expressions = []
        for expr in SEPARATOR.split(str(exprs).strip()):
            self.compile_expression(expr)

    def compile_expression(self, expr: str) -> None:
        """Add one expression.

        :param expr: its text, such as ``"8-17/3"``
        :raises ValueError: if it is unknown to this field or outside its range
        """
        for compiler in self.COMPILERS:
            if match := compiler.value_re.match(expr):
                compiled = compiler(**match.groupdict())
                try:
                    compiled.validate_range(self.name)
                except ValueError as exc:
                    raise ValueError(f"Error validating expression {expr!r}: {exc}") from None
                self.expressions.append(compiled)
                return
        raise ValueError(f'Unrecognized expression "{expr}" for field "{self.name}"')

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, BaseField)
            and self.name == other.name
            and self.expressions == other.expressions
        )

    def __str__(self) -> str:
        return ",".join(map(str, self.expressions))

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self.name}', '{self}')"


class WeekField(BaseField):
    """The week of the ISO 8601 calendar."""

    REAL = False

    def get_value(self, dateval: date) -> int:
        return dateval.isocalendar()[1]


class DayOfMonthField(BaseField):
    """The day of the month; knows ``last`` and positions such as ``2nd fri`` too."""

    COMPILERS: ClassVar[list[type[AllExpression]]] = [
        *BaseField.COMPILERS,
        WeekdayPositionExpression,
        LastDayOfMonthExpression,
    ]

    def get_max(self, dateval: date) -> int:
        return monthrange(dateval.year, dateval.month)[1]


class DayOfWeekField(BaseField):
    """The day of the week; Monday is 0. Knows names too."""

    REAL = False
    COMPILERS: ClassVar[list[type[AllExpression]]] = [*BaseField.COMPILERS, WeekdayRangeExpression]

    def get_value(self, dateval: date) -> int:
        return dateval.weekday()


class MonthField(BaseField):
    """The month; knows names too."""

    COMPILERS: ClassVar[list[type[AllExpression]]] = [*BaseField.COMPILERS, MonthRangeExpression]


#: The class of each field: read only, since what is put into it would not be called.
CLASSES = MappingProxyType(
    {
        "year": BaseField,
        "month": MonthField,
        "week": WeekField,
        "day": DayOfMonthField,
        "day_of_week": DayOfWeekField,
        "hour": BaseField,
        "minute": BaseField,
        "second": BaseField,
    }
)
