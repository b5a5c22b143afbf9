"""The clock that a scheduler goes by, where that is not the system's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring._contract import Clock, Scheduler


def clock_of(scheduler: Scheduler | None) -> Clock | None:
    """Return the manual clock of a scheduler, or of what stands for one in a test of an executor."""
    clock: Clock | None = getattr(scheduler, "__dict__", {}).get("_clock")
    return clock
