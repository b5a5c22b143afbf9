"""APScheduler's triggers with a bound on their searches, some of which never end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

import apscheduler.triggers.calendarinterval
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger as _Calendar
from apscheduler.triggers.cron import CronTrigger as _Cron
from apscheduler.triggers.date import DateTrigger as _Date
from apscheduler.triggers.interval import IntervalTrigger as _Interval


class EndlessError(Exception):
    """The reference searched longer than any answer is worth."""


class _Budget:
    left = 0

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise EndlessError


_budget = _Budget()


class _DateWithinRange(date):
    def __new__(cls, year: int, month: int, day: int) -> Any:
        # APScheduler takes the ValueError of the year 10000 for "this month has no such day".
        if year > 9999:
            raise EndlessError
        return date(year, month, day)


@contextmanager
def bounded(steps: int = 1_000) -> Iterator[None]:
    """Let the reference take so many steps, then raise EndlessError."""
    _budget.left = steps
    with patch.object(apscheduler.triggers.calendarinterval, "date", _DateWithinRange):
        yield


class CronTrigger(_Cron):  # type: ignore[misc]
    __slots__ = ()

    def _increment_field_value(self, *args: Any) -> Any:
        _budget.spend()
        return super()._increment_field_value(*args)

    def get_next_fire_time(self, *args: Any) -> Any:
        _budget.spend()
        return super().get_next_fire_time(*args)


class IntervalTrigger(_Interval):  # type: ignore[misc]
    __slots__ = ()

    def get_next_fire_time(self, *args: Any) -> Any:
        _budget.spend()
        return super().get_next_fire_time(*args)


class CalendarIntervalTrigger(_Calendar):  # type: ignore[misc]
    __slots__ = ()

    def get_next_fire_time(self, *args: Any) -> Any:
        _budget.spend()
        return super().get_next_fire_time(*args)


class DateTrigger(_Date):  # type: ignore[misc]
    __slots__ = ()

    def get_next_fire_time(self, *args: Any) -> Any:
        _budget.spend()
        return super().get_next_fire_time(*args)
