"""Schedulers that do all steps of adding and changing jobs in Rust, or all in Python."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import MagicMock

import pytest

from mainspring import BackgroundScheduler


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def ordinary() -> Iterator[BackgroundScheduler]:
    """A scheduler on which all steps are done in Python."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    scheduler._native_jobs.close()
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def short(scheduler: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch) -> BackgroundScheduler:
    """A scheduler on which no step can be done in Python."""
    for hook in ("_real_add_job", "_lookup_job", "_create_trigger", "_remove_from_store"):
        monkeypatch.setattr(scheduler, hook, MagicMock(side_effect=AssertionError(hook)))
    scheduler._native_jobs.open(scheduler, (), pends=False, guesses=False)  # which those had closed
    return scheduler
