"""The trigger that fires when the clock on the wall matches, as the UNIX cron does."""

from mainspring._mainspring import CronTrigger
from mainspring.triggers.cron.fields import (
    BaseField,
    DayOfMonthField,
    DayOfWeekField,
    MonthField,
    WeekField,
)
from mainspring.util import get_localzone

# CronTrigger asks for the local zone through this name of this module.
__all__ = ("CronTrigger", "get_localzone")

CronTrigger.FIELDS_MAP = {
    "year": BaseField,
    "month": MonthField,
    "week": WeekField,
    "day": DayOfMonthField,
    "day_of_week": DayOfWeekField,
    "hour": BaseField,
    "minute": BaseField,
    "second": BaseField,
}
