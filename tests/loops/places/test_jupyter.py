"""Jupyter: a real kernel, whose loop runs between the cells."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loops.places.running import PATIENCE, Program

pytest.importorskip("ipykernel", reason="ipykernel cannot be installed here")
pytest.importorskip("jupyter_client", reason="jupyter_client cannot be installed here")

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file


class Kernel:
    """A kernel and a client of it.

    ipykernel asks for the current loop in the way that CPython 3.12 warns of, and when it shuts
    down it calls its loop from another thread and warns of itself. So the cells turn warnings into
    errors and debug mode on, and the last one lets the kernel go as it does.
    """

    def __init__(self, directory: Path) -> None:
        file, _ = write_connection_file(
            str(directory / "kernel.json"), transport="ipc", ip=str(directory / "socket")
        )
        # What the process says on standard error is left for Program to judge.
        self.program = Program(
            *("-m", "ipykernel_launcher", "-f", file, "--IPKernelApp.capture_fd_output=False"),
            options=[],
        )
        self._client = BlockingKernelClient(connection_file=file)
        self._client.load_connection_file()

    def __enter__(self) -> Kernel:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.program)
            self.program.line("    --existing")
            self._client.start_channels()
            stack.callback(self._client.stop_channels)
            self._client.wait_for_ready(PATIENCE)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def run(self, cell: str) -> str:
        """Execute a cell, and return what it printed."""
        said: list[str] = []

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "error":
                said.append("\n".join(content["traceback"]))
            elif message["msg_type"] == "stream":
                said.append(content["text"])

        self._client.execute_interactive(cell, output_hook=output, timeout=PATIENCE)
        return "".join(said)

    def shut_down(self) -> None:
        """Have the kernel shut down, as a notebook does, and check that its end is a clean one."""
        self._client.shutdown()
        self.program.ends()


FIRST_CELL = """
import asyncio, sys, warnings
sys.stderr = sys.__stderr__
warnings.simplefilter("error")
asyncio.get_running_loop().set_debug(True)
"""
START = """
from mainspring import AsyncIOScheduler
from jobs import Jobs
jobs = Jobs()
scheduler = AsyncIOScheduler(timezone="UTC")
scheduler.start()
jobs.add_to(scheduler)
print(scheduler.running)
"""
RESULTS = """
await jobs.ran()
jobs.check(asyncio.get_running_loop())
print("ran")
"""
# A cell that keeps the loop busy: only the sync jobs go on.
BLOCK = """
jobs.wait(kinds=["sync"])
print("blocked")
"""
SHUT_DOWN = """
scheduler.shutdown()
print(scheduler.running)
"""
CLOSE = """
await scheduler.aclose()
print(scheduler.running)
"""
LAST_CELL = """
asyncio.get_running_loop().set_debug(False)
warnings.simplefilter("ignore", PendingDeprecationWarning)
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path) as kernel:
        assert kernel.run(FIRST_CELL) == ""
        yield kernel
        assert kernel.run(LAST_CELL) == ""
        kernel.shut_down()


def test_from_cell_to_cell(kernel: Kernel) -> None:
    assert kernel.run(START) == "True\n"
    assert kernel.run(RESULTS) == "ran\n"
    assert kernel.run(BLOCK) == "blocked\n"
    assert kernel.run(RESULTS) == "ran\n"
    assert kernel.run(SHUT_DOWN) == "False\n"
    # The cell is executed again, and makes a second scheduler.
    assert kernel.run(START) == "True\n"
    assert kernel.run(RESULTS) == "ran\n"
    assert kernel.run(CLOSE) == "False\n"


def test_a_kernel_that_is_shut_down_with_a_scheduler_running(kernel: Kernel) -> None:
    assert kernel.run(START) == "True\n"
    assert kernel.run(RESULTS) == "ran\n"
