"""Running a program the way a user does, with every warning an error, and judging its end."""

from __future__ import annotations

import importlib.util
import os
import queue
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pytest

from tests.support import without_slow

PROGRAMS = Path(__file__).parent / "programs"

#: How long a test waits for a line, an answer or the end of a program, in seconds. A program that
#: hangs ends itself before (see programs/jobs.py), and shows where.
PATIENCE = 100.0

#: The kinds of loop that a program takes as its first argument.
loops = pytest.mark.parametrize(
    "loop",
    [
        "asyncio",
        pytest.param(
            "uvloop",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("uvloop") is None,
                reason="uvloop has no wheel for this platform",
            ),
        ),
    ],
)


class Program:
    """A program that is running, with ``-X dev`` (asyncio's debug mode) and ``-W error``.

    :param command: the name of a file in ``programs``, or ``-m`` and a module; then its arguments
    :param options: options of the interpreter
    """

    def __init__(
        self,
        *command: str,
        options: Iterable[str] = ("-X", "dev", "-W", "error"),
        cwd: Path | None = None,
    ) -> None:
        first = [command[0]] if command[0] == "-m" else [str(PROGRAMS / command[0])]
        self._process = subprocess.Popen(
            [sys.executable, *options, *first, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            # Its output is read line by line, and the modules beside it are its own.
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(PROGRAMS)},
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._said
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._end()
        if exc is not None:
            print("the program's output:\n", *self._said["stdout"], sep="")
            print("and errors:\n", *self._said["stderr"], sep="")

    def _read(self, name: str) -> None:
        stream = getattr(self._process, name)
        for line in stream:
            self._said[name].append(line)
            if name == "stdout":
                self._lines.put(line.rstrip("\n"))
        if name == "stdout":
            self._lines.put(None)

    def _end(self) -> int:
        status = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        return status

    def line(self, start: str = "") -> str:
        """Wait for a line that starts so, and return the rest of it."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            assert line is not None, f"ended without {start!r}: {self._said}"
            if line.startswith(start):
                return line[len(start) :].strip()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def ends(self, status: int = 0, stderr: str = "") -> str:
        """Wait for the end; check the exit status and standard error; return standard output.

        :param stderr: a regular expression for all of standard error
        """
        ended = self._end()
        errors = without_slow("".join(self._said["stderr"]))
        assert (ended, re.fullmatch(stderr, errors) is not None) == (status, True), (
            f"exit status {ended}, standard error:\n{errors}"
        )
        return "".join(self._said["stdout"])


def run_program(*command: str, status: int = 0, stderr: str = "") -> str:
    """Run a program to its end, check that this is a clean one, and return standard output."""
    with Program(*command) as program:
        return program.ends(status, stderr)


def get(port: str, path: str = "/") -> str:
    """Return the text of a page on this machine, which must answer with status 200."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as response:
        text: str = response.read().decode()
        return text
