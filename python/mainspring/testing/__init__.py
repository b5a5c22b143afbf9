"""Testing schedules in virtual time; see docs/testing.md."""

from __future__ import annotations

from mainspring.testing._clock import ManualClock
from mainspring.testing._durations import duration
from mainspring.testing._runs import Advance, Run, UnfinishedRun

__all__ = ("Advance", "ManualClock", "Run", "UnfinishedRun", "duration")
