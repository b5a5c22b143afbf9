"""Programs that signals strike at any moment of their start, their work and their end: none hangs or crashes.

A program ends with status 0, or is ended by the signal: a ``KeyboardInterrupt`` that is not caught ends
CPython by SIGINT, which a shell shows as 130. What CPython or asyncio print when they are themselves
interrupted in the midst of their own work is theirs.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import NIGHTLY

PROGRAM = Path(__file__).with_name("storm_program.py")
LOSSES = Path(__file__).with_name("asyncio_losses.py")
TRIALS = 1_000 if NIGHTLY else 8
#: How many programs run at once.
SIDE_BY_SIDE = 4
#: How long a program may take, in seconds, before it counts as hanging.
PATIENCE = 120
#: Within which time after it has said that it is ready the signals strike a program, in seconds.
STORM = 0.12

KINDS = [
    *("blocking_caught", "blocking_uncaught", "blocking_handler", "blocking_exit"),
    *("background_caught", "background_uncaught"),
    *("until_stopped", "asyncio_with", "asyncio_uncaught", "asyncio_loop"),
]
#: How a program ends that ``asyncio.run`` has let down, without a scheduler in it as well: when it forgets an
#: interrupt that comes while it takes the signal over, and when a second one comes just as the main task has
#: been cancelled.
LOST_BY_ASYNCIO = (
    "asyncio.exceptions.CancelledError",
    "RuntimeError: Event loop stopped before Future completed.",
)
FRAMEWORKS = {
    "tornado": "tornado",
    "twisted": "twisted",
    "qt": "PySide6.QtCore",
    "gevent": "gevent",
}


def strike(kind: str, seed: int) -> tuple[int, str]:
    """Run a program with one signal, or two, at random moments; return its status and what it said."""
    moments = random.Random(seed)
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    hung = threading.Timer(PATIENCE, process.kill)
    hung.start()
    try:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(1 + seed % 2):
            threading.Event().wait(moments.random() * STORM)
            process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    finally:
        hung.cancel()
    return process.returncode, stderr


def is_right(status: int, stderr: str) -> bool:
    """Tell whether a program has ended as it should, as far as it is for a scheduler to say."""
    if status == 1 and stderr.rstrip().endswith(LOST_BY_ASYNCIO):
        return f"{os.sep}runners.py" in stderr and f"{os.sep}mainspring{os.sep}" not in stderr
    return status in (0, -signal.SIGINT, 128 + signal.SIGINT)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("kind", [*KINDS, *FRAMEWORKS])
def test_a_program_in_a_storm_of_signals(kind: str) -> None:
    if kind in FRAMEWORKS:
        pytest.importorskip(FRAMEWORKS[kind], exc_type=ImportError)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ends = enumerate(pool.map(lambda seed: strike(kind, seed), range(TRIALS)))
        wrong = [
            f"trial {seed}: status {end[0]}\n{end[1]}" for seed, end in ends if not is_right(*end)
        ]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.run takes no signal over")
@pytest.mark.parametrize("moment", ["taking over", "cancelled"])
def test_asyncio_alone_loses_interrupts(moment: str) -> None:
    process = subprocess.run(
        [sys.executable, str(LOSSES), moment], capture_output=True, text=True, timeout=PATIENCE
    )
    assert process.returncode == 1
    assert process.stderr.rstrip().endswith(LOST_BY_ASYNCIO)
    assert is_right(process.returncode, process.stderr)
