"""A test suite, as a user writes one, for a plugin that gives each test a loop of its own.

PLUGIN says which: ``asyncio`` (pytest-asyncio), ``anyio``, or ``anyio-uvloop``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from jobs import PATIENCE, Jobs

from mainspring import AsyncIOScheduler

plugin, _, loop_kind = os.environ["PLUGIN"].partition("-")
pytestmark = [pytest.mark.anyio] if plugin == "anyio" else []
async_fixture = pytest_asyncio.fixture if plugin == "asyncio" else pytest.fixture


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": loop_kind == "uvloop", "debug": True}


class Warnings(logging.Handler):
    """The warnings of one scheduler, which its own logger brings here."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._came = threading.Event()
        self.logger = logging.getLogger(name)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self._came.set()

    def only_of_the_loop(self) -> None:
        """Wait for the warning that the loop has been closed; there is no other."""
        assert self._came.wait(PATIENCE)
        assert len(self.messages) == 1
        assert "has been closed" in self.messages[0]


#: What tests have started and not shut down, with what was logged since.
forgotten: list[tuple[AsyncIOScheduler, Warnings]] = []


@async_fixture
async def scheduler() -> AsyncIterator[AsyncIOScheduler]:
    async with AsyncIOScheduler(timezone="UTC") as scheduler:
        yield scheduler
    assert not scheduler.running


@pytest.mark.parametrize("name", ["first", "second"])
async def test_forgets_its_scheduler(name: str) -> None:
    warnings = Warnings(name)
    scheduler = AsyncIOScheduler(timezone="UTC", logger=warnings.logger)
    jobs = Jobs()
    jobs.add_to(scheduler)
    scheduler.start()
    await jobs.ran()
    jobs.check(asyncio.get_running_loop())
    forgotten.append((scheduler, warnings))


@pytest.mark.parametrize("name", ["first", "second"])
async def test_has_its_scheduler_from_a_fixture(name: str, scheduler: AsyncIOScheduler) -> None:
    jobs = Jobs()
    jobs.add_to(scheduler)
    await jobs.ran()
    jobs.check(asyncio.get_running_loop())


class TestModuleLevelScheduler:
    """The scheduler of an application's module, which each test starts, and none shuts down."""

    warnings = Warnings("module")
    scheduler = AsyncIOScheduler(timezone="UTC", logger=warnings.logger)

    @pytest.fixture(autouse=True)
    def start_anew(self) -> Iterator[None]:
        self.warnings.messages.clear()
        yield
        assert not self.scheduler.running
        self.warnings.only_of_the_loop()

    @pytest.mark.parametrize("name", ["first", "second", "third"])
    async def test_is_started_by_each(self, name: str) -> None:
        assert not self.scheduler.running
        # The jobs of the test before are still there, too.
        jobs = Jobs()
        jobs.add_to(self.scheduler)
        self.scheduler.start()
        await jobs.ran()
        jobs.check(asyncio.get_running_loop())


def test_the_forgotten_ones_were_stopped_when_their_loops_closed() -> None:
    assert len(forgotten) == 2
    for scheduler, warnings in forgotten:
        warnings.only_of_the_loop()
        assert not scheduler.running
