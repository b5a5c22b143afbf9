"""Starlette and FastAPI applications under uvicorn, with a scheduler in their lifespan."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.loops.places.running import Program, get, loops

for name in ("uvicorn", "starlette", "fastapi"):
    pytest.importorskip(name, reason=f"{name} cannot be installed here")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


@loops
@pytest.mark.parametrize(
    ("framework", "number"), [("starlette", signal.SIGINT), ("fastapi", signal.SIGTERM)]
)
def test_a_scheduler_in_the_lifespan(loop: str, framework: str, number: int) -> None:
    with Program("asgi_app.py", framework, loop) as program:
        port = program.line("port")
        assert get(port) == f"ran on {loop}"
        assert get(port, "/sync") == "ran"
        program.send_signal(number)
        # When it has stopped, uvicorn sends itself the signal again; run() catches only SIGINT's.
        status = 0 if number == signal.SIGINT else -number
        assert "running: False\n" in program.ends(status)
