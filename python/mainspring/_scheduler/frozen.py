"""Noticing that a test has stopped the clock for Python code, but not for the threads of a scheduler."""

from __future__ import annotations

import sys
import warnings

from mainspring._scheduler.configuration import frames_to_caller


def frozen_by() -> str | None:
    """Return the name of a package that makes Python's clock show another time just now, if one does."""
    freezegun = sys.modules.get("freezegun.api")
    if freezegun is not None and freezegun.freeze_factories:
        return "freezegun"
    time_machine = sys.modules.get("time_machine")
    if time_machine is not None and time_machine.escape_hatch.is_travelling():
        return "time-machine"
    return None


def warn_of_frozen_time() -> None:
    """Warn if the system's clock is not what Python code sees of it."""
    package = frozen_by()
    if package is not None:
        warnings.warn(
            f"{package} is active while a scheduler starts: it changes what Python code is told of the "
            "time, but wakes nobody, and the scheduler's timer goes by the system's clock. Give the "
            "scheduler a clock that the test moves: clock=mainspring.testing.ManualClock(...), or use "
            "the pytest fixtures mainspring_clock and mainspring_scheduler.",
            stacklevel=frames_to_caller(),
        )
