"""The trigger that fires every so many years, months, weeks and days."""

from datetime import date, datetime

from mainspring._mainspring import CalendarIntervalTrigger
from mainspring.util import get_localzone

# CalendarIntervalTrigger asks for the date and the local zone through `date` and `get_localzone`; `datetime`
# is here only for programs that replace it in all trigger modules alike.
__all__ = ("CalendarIntervalTrigger", "date", "datetime", "get_localzone")
