"""Streamlit, which runs a script in threads that have no running loop."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.loops.places.running import PATIENCE, PROGRAMS, Program, run_program

pytest.importorskip("streamlit", reason="streamlit cannot be installed here")

#: What the scheduler says when the loop is closed that Streamlit has set for a script's thread.
CLOSED = r"(The event loop of the scheduler has been closed: .*\n)"


def test_one_background_scheduler_for_all_runs_of_a_script() -> None:
    assert run_program("streamlit_apptest.py", "streamlit_app.py", "3") == "started\n"


def test_an_asyncio_scheduler_starts_where_nobody_runs_its_loop() -> None:
    printed = run_program(
        "streamlit_apptest.py", "streamlit_asyncio_app.py", "2", stderr=f"{CLOSED}*"
    )
    # Once for each loop: one thread's loop is closed before the script runs the next time.
    assert set(printed.splitlines()) == {"started"}


def test_the_warning_of_a_loop_that_nobody_runs() -> None:
    run_program("streamlit_apptest.py", "streamlit_never_ran_app.py", "1")


class Browser:
    """One browser's session with a Streamlit server."""

    def __init__(self, websocket: Any) -> None:
        self._websocket = websocket

    async def run_script(self) -> list[str]:
        """Have the script run, and return the texts on the page when it has finished."""
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = BackMsg()
        message.rerun_script.query_string = ""
        await self._websocket.send_bytes(message.SerializeToString())
        texts: list[str] = []
        while True:
            answer = ForwardMsg.FromString(await self._websocket.receive_bytes())
            kind = answer.WhichOneof("type")
            element = answer.delta.new_element
            if kind == "delta" and element.WhichOneof("type") in ("text", "exception"):
                texts.append(element.text.body or str(element))
            elif kind == "script_finished":
                return texts


async def browse(port: int) -> list[list[str]]:
    """Open a page in two browsers, and use each of them a second time."""
    import aiohttp

    url = f"ws://127.0.0.1:{port}/_stcore/stream"
    timeout = aiohttp.ClientTimeout(PATIENCE)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.ws_connect(url, protocols=["streamlit"]) as first,
        session.ws_connect(url, protocols=["streamlit"]) as second,
    ):
        return [await Browser(page).run_script() for page in (first, second, first, second)]


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGTERM")
@pytest.mark.parametrize(
    ("script", "stderr"),
    # The second one's loop may be closed before the process ends, or after.
    [("streamlit_app.py", ""), ("streamlit_asyncio_app.py", f"{CLOSED}?")],
    ids=["background", "asyncio"],
)
def test_a_server_with_two_browsers(tmp_path: Path, script: str, stderr: str) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp cannot be installed here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with Program(
        *("-m", "streamlit", "run", str(PROGRAMS / script), "--server.headless=true"),
        *("--server.address=127.0.0.1", f"--server.port={port}", "--logger.level=error"),
        *("--browser.gatherUsageStats=false", "--server.fileWatcherType=none"),
        cwd=tmp_path,
    ) as program:
        program.line("  URL:")
        assert asyncio.run(asyncio.wait_for(browse(port), PATIENCE)) == [["ran"]] * 4
        program.send_signal(signal.SIGTERM)
        assert program.ends(stderr=stderr).count("started\n") == 1
