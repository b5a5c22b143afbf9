"""aiohttp applications that are stopped by a signal."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.loops.places.running import Program, get, loops

pytest.importorskip("aiohttp", reason="aiohttp cannot be installed here")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


@loops
@pytest.mark.parametrize(
    ("place", "number"), [("cleanup_ctx", signal.SIGTERM), ("on_startup", signal.SIGINT)]
)
def test_a_scheduler_that_starts_and_stops_with_the_application(
    loop: str, place: str, number: int
) -> None:
    with Program("aiohttp_app.py", loop, place) as program:
        port = program.line("port")
        assert get(port) == f"ran on {loop}"
        program.send_signal(number)
        assert program.ends().endswith("running: False\n")
