"""The base class of all triggers."""

from mainspring._mainspring import BaseTrigger

__all__ = ("BaseTrigger",)
