"""The examples of the frameworks' schedulers, as a user runs and interrupts them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PATIENCE = 60


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(
    ("example", "module"),
    [
        ("tornado_ticks.py", "tornado"),
        ("twisted_ticks.py", "twisted"),
        ("gevent_ticks.py", "gevent"),
        ("qt_ticks.py", "PySide6.QtCore"),
    ],
)
def test_an_example(example: str, module: str) -> None:
    pytest.importorskip(module, reason=f"{module} cannot be installed here")
    with subprocess.Popen(
        [sys.executable, "-W", "error", EXAMPLES / example],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == "Press Ctrl-C to exit\n"
            for _ in range(2):
                assert program.stdout.readline().startswith("Tick! The time is: ")
            program.send_signal(signal.SIGINT)
            _, errors = program.communicate(timeout=PATIENCE)
        finally:
            program.kill()
    assert program.returncode in (0, -signal.SIGINT)
    # gevent shows where it was when it was interrupted, if that was in another than the main greenlet.
    assert "Traceback" not in errors or "failed with KeyboardInterrupt" in errors, errors
