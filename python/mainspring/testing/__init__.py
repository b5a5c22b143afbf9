"""Testing schedules in virtual time; see docs/testing.md."""

from __future__ import annotations

from mainspring.testing._clock import ManualClock
from mainspring.testing._durations import duration
from mainspring.testing._explain import explain
from mainspring.testing._fires import assert_fires, preview
from mainspring.testing._runs import Advance, Run, UnfinishedRun
from mainspring.testing._schedulers import AsyncIOTestScheduler, BackgroundTestScheduler
from mainspring.testing._unittest import SchedulerTestCase

__all__ = (
    "Advance",
    "AsyncIOTestScheduler",
    "BackgroundTestScheduler",
    "ManualClock",
    "Run",
    "SchedulerTestCase",
    "UnfinishedRun",
    "assert_fires",
    "duration",
    "explain",
    "preview",
)
