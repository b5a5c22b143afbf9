"""The trigger that fires once."""

from datetime import datetime

from mainspring._mainspring import DateTrigger
from mainspring.util import get_localzone

# DateTrigger asks for the time and the local zone through these two names of this module.
__all__ = ("DateTrigger", "datetime", "get_localzone")
