"""Whole programs as tests: run by the interpreter of the tests, judged by what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from tests.support import without_slow

#: How long a program may take, in seconds.
PATIENCE = 60

#: What every program begins with: `run` is `asyncio.run`, on the loop that the test is about.
PRELUDE = """
import asyncio, logging, sys, threading
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s")
if sys.argv[1] == "uvloop":
    from uvloop import new_event_loop, run
else:
    from asyncio import new_event_loop, run
"""

LOOPS = [
    "asyncio",
    pytest.param(
        "uvloop",
        marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop has no wheel for Windows"),
    ),
]


class Ended:
    """What a program left: its exit status and output."""

    def __init__(self, status: int, stdout: str, stderr: str) -> None:
        self.status, self.stdout, self.stderr = status, stdout, stderr

    def __repr__(self) -> str:
        return f"status {self.status}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def warnings(self) -> list[str]:
        """Return what mainspring has logged."""
        return [line for line in self.lines if line.startswith(("WARNING m", "ERROR m"))]


def start(path: Path, *args: str, debug: bool = True) -> subprocess.Popen[str]:
    """Start a program with all warnings as errors and, unless told otherwise, asyncio's debug mode."""
    options = ["-W", "error", *(["-X", "dev"] if debug else [])]
    return subprocess.Popen(
        [sys.executable, *options, str(path), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    killer = Timer(PATIENCE, process.kill)
    killer.start()
    try:
        stdout, stderr = process.communicate()
    finally:
        killer.cancel()
    return Ended(process.returncode, without_slow(stdout), without_slow(stderr))


def run_program(tmp_path: Path, source: str, loop: str = "asyncio", debug: bool = True) -> Ended:
    """Run a program to its end."""
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + source)
    return finish(start(path, loop, debug=debug))


def interrupt_at_line(
    path: Path, *args: str, after: str, number: signal.Signals = signal.SIGINT, debug: bool = True
) -> Ended:
    """Send a signal to a program when it has printed a line that begins with some text."""
    process = start(path, *args, debug=debug)
    assert process.stdout is not None
    killer = Timer(PATIENCE, process.kill)
    killer.start()
    try:
        for line in process.stdout:
            if line.startswith(after):
                process.send_signal(number)
                break
    finally:
        killer.cancel()
    return finish(process)
