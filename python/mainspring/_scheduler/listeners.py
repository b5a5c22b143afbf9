"""The listeners of a scheduler: functions that are called with the events that they want."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mainspring.events import EVENT_ALL

Listener = Callable[[Any], object]


class Listeners(list[tuple[Listener, int]]):
    """The functions that are called with events, each with the codes of those that it wants."""

    def add(self, callback: Listener, mask: int) -> None:
        """Add a function."""
        self.append((callback, mask))

    def discard(self, callback: Listener) -> None:
        """Take a function out, under whatever mask it was added."""
        self[:] = [entry for entry in self if entry[0] != callback]

    def mask(self) -> int:
        """Return the codes of the events that any of them wants."""
        mask = 0
        for _, wanted in self:
            mask |= wanted
        return mask & EVENT_ALL
