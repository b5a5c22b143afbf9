"""The expressions of which a field of a cron trigger is made.

A search does not use these classes: the Rust core reads a field's text into a set of values. They
are what :attr:`CronTrigger.fields` shows, and the form in which a pickled trigger holds its fields,
attribute for attribute as APScheduler 3.x does.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from mainspring._trigger_class import CronPart
from mainspring.util import asint, with_note

if TYPE_CHECKING:
    from mainspring.triggers.cron.fields import BaseField

__all__ = (
    "AllExpression",
    "LastDayOfMonthExpression",
    "MonthRangeExpression",
    "RangeExpression",
    "WeekdayPositionExpression",
    "WeekdayRangeExpression",
)

WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

#: The least value of each field.
MIN_VALUES = {
    "year": 1970,
    "month": 1,
    "day": 1,
    "week": 1,
    "day_of_week": 0,
    "hour": 0,
    "minute": 0,
    "second": 0,
}
#: The greatest value of each field.
MAX_VALUES = {
    "year": 9999,
    "month": 12,
    "day": 31,
    "week": 53,
    "day_of_week": 6,
    "hour": 23,
    "minute": 59,
    "second": 59,
}


def _index(names: list[str], name: str, what: str) -> int:
    try:
        return names.index(name.lower())
    except ValueError:
        error = ValueError(f'Invalid {what} "{name}"')
        raise with_note(error, f"expected one of {', '.join(names)}") from None


class AllExpression(CronPart):
    """``*`` or ``*/step``: every value of the field, or every ``step``-th from its least one.

    :param step: the distance between values; ``None`` for every value
    :raises ValueError: if the step is 0
    """

    value_re: ClassVar[re.Pattern[str]] = re.compile(r"\*(?:/(?P<step>\d+))?$", re.ASCII)

    step: int | None

    def __init__(self, step: str | int | None = None) -> None:
        self.step = asint(step)
        if self.step == 0:
            raise ValueError("Increment must be higher than 0")

    def validate_range(self, field_name: str) -> None:
        """Check this expression against the limits of the named field.

        :param field_name: the field's name, such as ``"hour"``
        :raises ValueError: if the step is larger than the field's range
        """
        self._check_step(MAX_VALUES[field_name] - MIN_VALUES[field_name])

    def _check_step(self, value_range: int) -> None:
        if self.step and self.step > value_range:
            raise ValueError(
                f"the step value ({self.step}) is higher than the total range of the expression "
                f"({value_range})"
            )

    def get_next_value(self, date: date, field: BaseField) -> int | None:
        """Return the least value not below that in ``date``; ``None``: there is none.

        :param date: a date or datetime
        :param field: the field that has this expression
        """
        return self._next_between(field.get_min(date), field.get_max(date), field.get_value(date))

    def _next_between(self, least: int, greatest: int, start: int) -> int | None:
        value = max(start, least)
        if self.step:
            value += (least - value) % self.step
        return value if value <= greatest else None

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __str__(self) -> str:
        return f"*/{self.step}" if self.step else "*"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.step})"


class RangeExpression(AllExpression):
    """``first``, ``first-last``, ``first/step`` or ``first-last/step``.

    :param first: the least value
    :param last: the greatest value; ``None`` is ``first`` itself, or, with a step, the field's
        greatest
    :param step: the distance between values; ``None`` for every value
    :raises ValueError: if ``first`` is greater than ``last``, or the step is 0
    """

    value_re = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+))?(?:/(?P<step>\d+))?$", re.ASCII)

    first: int
    last: int | None

    def __init__(
        self,
        first: str | int,
        last: str | int | None = None,
        step: str | int | None = None,
    ) -> None:
        super().__init__(step)
        self.first = asint(first)
        self.last = self.first if last is None and step is None else asint(last)
        if self.last is not None and self.first > self.last:
            raise ValueError("The minimum value in a range must not be higher than the maximum")

    def validate_range(self, field_name: str) -> None:
        super().validate_range(field_name)
        least, greatest = MIN_VALUES[field_name], MAX_VALUES[field_name]
        if self.first < least:
            raise ValueError(
                f"the first value ({self.first}) is lower than the minimum value ({least})"
            )
        if self.last is not None and self.last > greatest:
            raise ValueError(
                f"the last value ({self.last}) is higher than the maximum value ({greatest})"
            )
        # As in 3.x, a last value of 0 counts as none here: "0-0/2" is accepted.
        self._check_step((self.last or greatest) - self.first)

    def get_next_value(self, date: date, field: BaseField) -> int | None:
        least = max(field.get_min(date), self.first)
        greatest = field.get_max(date)
        if self.last is not None:
            greatest = min(greatest, self.last)
        return self._next_between(least, greatest, field.get_value(date))

    def _bounds(self) -> list[int]:
        """Return the first value, and the last one where it is another."""
        return [self.first] if self.last in (None, self.first) else [self.first, self.last]

    def __str__(self) -> str:
        if self.step:
            # Both bounds, even if they are the same: "0-0/5" is not "0/5".
            last = "" if self.last is None else f"-{self.last}"
            return f"{self.first}{last}/{self.step}"
        return "-".join(map(str, self._bounds()))

    def __repr__(self) -> str:
        args: list[int | None] = [*self._bounds()]
        if self.step:
            args = [self.first, self.last, self.step]
        return f"{type(self).__name__}({', '.join(map(str, args))})"


class _NamedRangeExpression(RangeExpression):
    """A range written with names, of which the one at index 0 stands for the value ``_least``."""

    value_re = re.compile(r"(?P<first>[a-z]+)(?:-(?P<last>[a-z]+))?$", re.IGNORECASE | re.ASCII)
    _names: ClassVar[list[str]]
    _least: ClassVar[int]
    _what: ClassVar[str]

    def __init__(self, first: str, last: str | None = None) -> None:
        super().__init__(self._number(first), self._number(last) if last else None)

    def _number(self, name: str) -> int:
        return _index(self._names, name, self._what) + self._least

    def _bound_names(self) -> list[str]:
        return [self._names[value - self._least] for value in self._bounds()]

    def __str__(self) -> str:
        return "-".join(self._bound_names())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._bound_names()))})"


class MonthRangeExpression(_NamedRangeExpression):
    """``jan`` or ``jan-mar``.

    :param first: the abbreviated English name of the first month, in any case
    :param last: that of the last month; ``None`` is ``first`` itself
    :raises ValueError: if a name is unknown, or ``first`` comes after ``last``
    """

    _names = MONTHS
    _least = 1
    _what = "month name"


class WeekdayRangeExpression(_NamedRangeExpression):
    """``mon`` or ``mon-fri``.

    :param first: the abbreviated English name of the first day, in any case
    :param last: that of the last day; ``None`` is ``first`` itself
    :raises ValueError: if a name is unknown, or ``first`` comes after ``last`` (Monday is first)
    """

    _names = WEEKDAYS
    _least = 0
    _what = "weekday name"


class WeekdayPositionExpression(AllExpression):
    """``2nd fri`` or ``last fri``: one weekday of the month, by its position.

    :param option_name: ``1st`` to ``5th``, or ``last``
    :param weekday_name: the abbreviated English name of the day
    :raises ValueError: if one of them is unknown
    """

    options: ClassVar[list[str]] = ["1st", "2nd", "3rd", "4th", "5th", "last"]
    value_re = re.compile(
        rf"(?P<option_name>{'|'.join(options)}) +(?P<weekday_name>\w+)$", re.IGNORECASE | re.ASCII
    )

    option_num: int
    weekday: int

    def __init__(self, option_name: str, weekday_name: str) -> None:
        super().__init__(None)
        self.option_num = _index(self.options, option_name, "weekday position")
        self.weekday = _index(WEEKDAYS, weekday_name, "weekday name")

    def get_next_value(self, date: date, field: BaseField) -> int | None:
        weekday_of_first, days = monthrange(date.year, date.month)
        day = 1 + (self.weekday - weekday_of_first) % 7
        # "last" is the greatest that is in the month: the fifth if there is one.
        weeks = self.option_num if self.option_num < 5 else (days - day) // 7
        day += 7 * weeks
        return day if date.day <= day <= days else None

    def __str__(self) -> str:
        return f"{self.options[self.option_num]} {WEEKDAYS[self.weekday]}"

    def __repr__(self) -> str:
        args = (self.options[self.option_num], WEEKDAYS[self.weekday])
        return f"{type(self).__name__}{args!r}"


class LastDayOfMonthExpression(AllExpression):
    """``last``: the last day of the month."""

    value_re = re.compile(r"last$", re.IGNORECASE)

    def __init__(self) -> None:
        super().__init__(None)

    def get_next_value(self, date: date, field: Any) -> int | None:
        return monthrange(date.year, date.month)[1]

    def __str__(self) -> str:
        return "last"

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
