"""A program that ends while daemon threads of its own are inside mainspring: as if they were not.

CPython ends such a thread where it next asks for Python, up to 3.13 by unwinding its stack. So each
of these programs has a thread in the midst of a call at its end.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mainspring import AsyncIOScheduler
from mainspring._scheduler import driven
from tests.loops import daemon_threads
from tests.support import NIGHTLY, without_slow

WAIT = 120
SIDE_BY_SIDE = 3


def ends(names: list[str], times: int) -> list[tuple[int, str, str]]:
    """Return what so many of these programs left: exit status, output, errors."""

    def run(_: int) -> tuple[int, str, str]:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-m", daemon_threads.__name__, *names],
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
        return ended.returncode, ended.stdout, without_slow(ended.stderr)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(run, range(times)))


@pytest.mark.parametrize("name", daemon_threads.NAMES)
def test_a_daemon_thread_is_in_a_call(name: str) -> None:
    times = 200 if NIGHTLY else 2
    assert ends([name], times) == [(0, "", "")] * times


def test_the_loop_is_closed_for_the_exit_while_a_daemon_thread_looks_at_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread is held up after it has asked whether the program ends, while it does."""
    loop = asyncio.new_event_loop()
    scheduler = AsyncIOScheduler(event_loop=loop, timezone="UTC")
    scheduler.start()
    loop.run_until_complete(asyncio.sleep(0))
    exiting = []

    def is_exiting(within: float) -> bool:
        answer = bool(exiting)
        exiting.append(True)
        loop.close()
        return answer

    monkeypatch.setattr(driven, "is_exiting", is_exiting)
    assert scheduler.running
    loop.close()
    exiting.append(True)
    assert scheduler.running
    monkeypatch.undo()
    assert caplog.records == []
    assert not scheduler.running  # as after any other closing
