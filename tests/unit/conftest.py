"""A scheduler that the test drives, with a listener that keeps its events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainspring.executors.debug import DebugExecutor
from tests.support import ManualScheduler, Recorder, listen


@pytest.fixture
def scheduler() -> Iterator[ManualScheduler]:
    scheduler = ManualScheduler(
        timezone="UTC",
        executors={"default": DebugExecutor()},
        job_defaults={"misfire_grace_time": None},
    )
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


@pytest.fixture
def events(scheduler: ManualScheduler) -> Recorder:
    return listen(scheduler)
