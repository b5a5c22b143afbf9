"""The trigger that fires every so many years, months, weeks and days."""

from datetime import date

from mainspring._mainspring import CalendarIntervalTrigger
from mainspring.util import get_localzone

# CalendarIntervalTrigger asks for the date and the local zone through these two names.
__all__ = ("CalendarIntervalTrigger", "date", "get_localzone")
