"""The listeners of a scheduler: a list of functions, each with the codes of the events that it wants.

It is a plain list: programs put one of their own in its place, as with APScheduler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from mainspring.events import EVENT_ALL

Listener: TypeAlias = Callable[[Any], object]
Listeners: TypeAlias = list[tuple[Listener, int]]


def discard(listeners: Listeners, callback: Listener) -> None:
    """Take a function out, under whatever mask it was added."""
    listeners[:] = [entry for entry in listeners if entry[0] != callback]


def mask_of(listeners: Listeners) -> int:
    """Return the codes of the events that any of them wants."""
    mask = 0
    for _, wanted in listeners:
        mask |= wanted
    return mask & EVENT_ALL
