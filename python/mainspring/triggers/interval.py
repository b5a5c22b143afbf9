"""The trigger that fires at fixed distances of elapsed time."""

from datetime import datetime

from mainspring._mainspring import IntervalTrigger
from mainspring.util import get_localzone

# IntervalTrigger asks for the time and the local zone through these two names of this module.
__all__ = ("IntervalTrigger", "datetime", "get_localzone")
