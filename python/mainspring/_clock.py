"""The clock that a scheduler goes by, where that is not the system's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.schedulers.base import BaseScheduler
    from mainspring.testing import ManualClock


def clock_of(scheduler: BaseScheduler | None) -> ManualClock | None:
    """Return the manual clock of a scheduler, or of what stands for one in a test of an executor."""
    clock: ManualClock | None = getattr(scheduler, "__dict__", {}).get("_clock")
    return clock
