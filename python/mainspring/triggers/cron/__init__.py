"""The trigger that fires when the clock on the wall matches, as the UNIX cron does."""

from datetime import datetime, timezone

from mainspring._mainspring import CronTrigger

# The classes are only for programs that import them from here, as they may from APScheduler's module.
from mainspring.triggers.cron.fields import (  # noqa: F401
    CLASSES,
    BaseField,
    DayOfMonthField,
    DayOfWeekField,
    MonthField,
    WeekField,
)
from mainspring.util import get_localzone

# CronTrigger asks for the local zone through this name of this module. It never asks for the time, so that
# `datetime` is here only for programs that replace it in all trigger modules alike.
__all__ = ("UTC", "CronTrigger", "datetime", "get_localzone")

UTC = timezone.utc

CronTrigger.FIELDS_MAP = CLASSES
