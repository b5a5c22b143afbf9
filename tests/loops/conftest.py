"""Every test here runs in asyncio's debug mode, and those that are coroutines on each kind of loop."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.loops.apps import APPS, App
from tests.loops.dispatching import NoReaderLoop
from tests.loops.heard import Heard

if sys.platform != "win32":
    import uvloop

HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if HERE not in item.path.parents:  # pytest asks for the tests of all folders
        return (yield)
    # Loops read this when they are made, the fixtures' own included.
    before = os.environ.get("PYTHONASYNCIODEBUG")
    os.environ["PYTHONASYNCIODEBUG"] = "1"
    try:
        return (yield)
    finally:
        if before is None:
            del os.environ["PYTHONASYNCIODEBUG"]
        else:
            os.environ["PYTHONASYNCIODEBUG"] = before


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], Any]]:
    factories: dict[str, Callable[[], Any]] = {"asyncio": asyncio.new_event_loop}
    if sys.platform != "win32":
        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture
def heard() -> Iterator[Heard]:
    """The scheduler's warnings, to be waited for."""
    handler = Heard()
    logger = logging.getLogger("mainspring.scheduler")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def fresh_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that has not run yet."""
    loop = asyncio.new_event_loop()
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


CALLERS_LOOPS: list[Callable[[], Any]] = [asyncio.SelectorEventLoop, NoReaderLoop]
if sys.platform != "win32":
    CALLERS_LOOPS.append(uvloop.new_event_loop)


@pytest.fixture(params=CALLERS_LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A caller's loop in debug mode, which the test runs itself."""
    loop = request.param()
    loop.set_debug(True)
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.fixture(params=APPS)
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    """An application whose loop runs in a thread of its own, with a scheduler on it."""
    with APPS[request.param]() as app:
        yield app
