"""QtScheduler on PySide's event loop, without a screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtCore", reason="PySide6 cannot be installed here")

PROGRAM = Path(__file__).with_name("qt_program.py")
PATIENCE = 60
CASES = (
    *("thread", "coroutine", "lambda", "fail", "executor_of_ones_own"),
    *("many_runs", "end_without_shutdown", "shutdown_waits", "signals"),
)


@pytest.mark.parametrize("case", CASES)
def test_a_program(case: str) -> None:
    command = [sys.executable, "-W", "error", str(PROGRAM), case]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done
    if case != "fail":
        assert done.stderr == ""
