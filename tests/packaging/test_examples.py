"""The programs of examples/, as a user runs and interrupts them. (fetch_urls.py: test_fetch_urls.py)"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SCHEDULERS = ROOT / "python" / "mainspring" / "schedulers"
PATIENCE = 60

#: What an example needs beyond the standard library, if anything.
NEEDS = {
    "classic_run_forever.py": None,
    "asyncio_ticks.py": None,
    "background_ticks.py": None,
    "blocking_ticks.py": None,
    "tornado_ticks.py": "tornado",
    "twisted_ticks.py": "twisted",
    "gevent_ticks.py": "gevent",
    "qt_ticks.py": "PySide6.QtCore",
    "store_sqlalchemy.py": "sqlalchemy",
}

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


def start(example: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", EXAMPLES / example, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt_after_ticks(program: subprocess.Popen[str], *lines: str, ticks: int = 2) -> None:
    """Read some lines and those that tell of runs, press Ctrl-C, and check how the program ends."""
    with program:
        assert program.stdout is not None
        try:
            for line in lines:
                assert program.stdout.readline() == f"{line}\n"
            assert program.stdout.readline().startswith("Press Ctrl-C to exit")
            for _ in range(ticks):
                assert program.stdout.readline().startswith("Tick! The time is: ")
            program.send_signal(signal.SIGINT)
            _, errors = program.communicate(timeout=PATIENCE)
        finally:
            program.kill()
    assert program.returncode in (0, -signal.SIGINT)
    # gevent shows where it was when it was interrupted, if that was in another than the main greenlet.
    assert "Traceback" not in errors or "failed with KeyboardInterrupt" in errors, errors


@needs_signals
@pytest.mark.parametrize("example", [name for name in NEEDS if not name.startswith("store_")])
def test_a_scheduler(example: str) -> None:
    if module := NEEDS[example]:
        pytest.importorskip(module, reason=f"{module} cannot be installed here")
    interrupt_after_ticks(start(example))


@needs_signals
def test_jobs_in_a_database_go_on(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    for line in (f"A new job in {url}", f"The job of {url} goes on"):
        interrupt_after_ticks(start("store_sqlalchemy.py", url), line, ticks=1)


def test_jobs_in_memory_are_written_and_read() -> None:
    output, errors = start("store_memory.py").communicate(timeout=PATIENCE)
    assert errors == ""
    assert output.startswith(
        "Jobstore default:\n    No scheduled jobs\nJobstore guests:\n    greet ("
    )
    assert output.count("\n") == 4


def test_each_scheduler_has_an_example() -> None:
    names = {path.stem for path in SCHEDULERS.glob("[!_]*.py")} - {"base"}
    assert {f"{name}_ticks.py" for name in names} <= set(NEEDS)
