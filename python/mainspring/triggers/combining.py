"""The triggers that are made of others: fire when all of them agree on a time, or when any of them does."""

from mainspring._mainspring import AndTrigger, BaseCombiningTrigger, OrTrigger

__all__ = ("AndTrigger", "BaseCombiningTrigger", "OrTrigger")
