"""The triggers that are made of others."""

from mainspring._mainspring import AndTrigger, BaseCombiningTrigger, OrTrigger

__all__ = ("AndTrigger", "BaseCombiningTrigger", "OrTrigger")
