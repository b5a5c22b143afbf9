"""TwistedScheduler and TwistedExecutor on real reactors, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("twisted", reason="Twisted cannot be installed here")

PROGRAM = Path(__file__).with_name("reactor_program.py")
PATIENCE = 60
REACTORS = {"asyncio": "AsyncioSelectorReactor", "select": "SelectReactor", "default": "Reactor"}
CASES = (
    *("await_deferred", "await_failure", "lambda", "deferred", "in_pool", "fail"),
    *("own_threads", "own_threads_coroutine", "start_again", "manual_clock"),
    *("shut_down_and_wait", "shut_down_and_cancel"),
)


def run(reactor: str, case: str) -> None:
    command = [sys.executable, "-W", "error", str(PROGRAM), reactor, case]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done
    assert done.stdout.strip().endswith(REACTORS[reactor])
    assert "Unhandled" not in done.stderr, done


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reactor", REACTORS)
def test_a_job(reactor: str, case: str) -> None:
    run(reactor, case)


def test_a_coroutine_awaits_deferreds_and_futures_on_the_asyncio_reactor() -> None:
    run("asyncio", "await_both")
