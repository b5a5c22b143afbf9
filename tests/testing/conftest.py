"""A clock that is moved by hand, and a way to start schedulers on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring.schedulers.background import BackgroundScheduler
from mainspring.testing import ManualClock
from tests.testing.clocks import START


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def start(clock: ManualClock) -> Iterator[Callable[..., Any]]:
    started = []

    def start(cls: type[Any] = BackgroundScheduler, **options: Any) -> Any:
        options.setdefault("timezone", "UTC")
        scheduler = cls(clock=clock, **options)
        scheduler.start()
        started.append(scheduler)
        return scheduler

    yield start
    for scheduler in started:
        if scheduler.state:
            scheduler.shutdown(wait=False)
