"""Flask under a threaded server."""

from __future__ import annotations

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.loops.places.running import Program, get

pytest.importorskip("flask", reason="flask cannot be installed here")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_jobs_added_by_the_threads_of_requests() -> None:
    with Program("flask_app.py") as program, ThreadPoolExecutor(4) as clients:
        port = program.line("port")
        assert set(clients.map(lambda _: get(port), range(4))) == {"ran"}
        assert get(port, "/own-loop") == "ran"
        assert json.loads(get(port, "/context")) == {"seen": [False]}
        program.send_signal(signal.SIGINT)
        assert program.ends().endswith("running: False\n")
