"""Every test here runs in asyncio's debug mode, and those that are coroutines on each kind of loop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

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
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories
