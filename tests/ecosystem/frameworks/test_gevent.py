"""GeventScheduler and GeventExecutor, with the standard library patched and not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gevent", reason="gevent cannot be installed here")

PROGRAM = Path(__file__).with_name("gevent_program.py")
PATIENCE = 60
CASES = (
    *("greenlet", "coroutine", "lambda", "sockets", "fail", "own_threads", "own_threads_coroutine"),
    *(
        "shut_down_with_wait",
        "shut_down_in_a_job",
        "end_without_shutdown",
        "manual_clock",
        "killed",
        "takes_no_greenlets_lock",
    ),
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("patched", ["patched", "unpatched"])
def test_a_program(patched: str, case: str) -> None:
    command = [sys.executable, str(PROGRAM), patched, case]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "done\n"), done
    if case not in ("fail", "killed"):
        assert done.stderr == ""
