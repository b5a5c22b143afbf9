"""Tornado, whose IOLoop is asyncio's loop."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.loops.places.running import Program, get

pytest.importorskip("tornado", reason="tornado cannot be installed here")
pytest.importorskip("uvloop", reason="uvloop has no wheel for this platform")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


@pytest.mark.parametrize(
    ("place", "loop"), [("coroutine", "asyncio"), ("coroutine", "uvloop"), ("ioloop", "asyncio")]
)
def test_a_scheduler_on_the_ioloop(place: str, loop: str) -> None:
    with Program("tornado_app.py", place, loop) as program:
        port = program.line("port")
        assert get(port) == f"ran on {loop}"
        assert get(port, "/plain") == "added"
        assert get(port) == f"ran on {loop}"
        program.send_signal(signal.SIGTERM)
        assert program.ends().endswith("running: False\n")
