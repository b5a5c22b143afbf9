"""How long does the import of a library's asyncio scheduler take, in a fresh interpreter?

All that it imports counts; `after_asyncio_ms` is without asyncio, which the program has anyway.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchmarks.subjects import AIOCRON, APSCHEDULER4, FLOOR, LIBRARIES, TASKIQ

IMPORTS = {
    **{name: f"from {name}.schedulers.asyncio import AsyncIOScheduler" for name in LIBRARIES},
    FLOOR: "import asyncio",
    APSCHEDULER4: "from apscheduler import AsyncScheduler",
    AIOCRON: "import aiocron",
    TASKIQ: "from taskiq.cli.scheduler.run import SchedulerLoop",
}
CASES: dict[str, dict[str, object]] = {"its asyncio scheduler": {}}
LOOPS = ("",)
#: Interpreters.
SIZES = dict.fromkeys(IMPORTS, 10)
METRICS = {"import_ms": "lower", "after_asyncio_ms": "lower"}
QUICK = {("its asyncio scheduler", ""): 1}

# -I: without the directory of the program, as a program that is installed starts.
TIMED = "import time; begin = time.perf_counter(); {}; print(time.perf_counter() - begin)"


def measure(subject: str, size: int) -> dict[str, float]:
    """Medians of `size` imports, after one that fills the caches of the file system."""

    def one(before: str) -> float:
        code = before + TIMED.format(IMPORTS[subject])
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
        )
        return float(done.stdout) * 1e3

    one("")
    return {
        "import_ms": statistics.median(one("") for _ in range(size)),
        "after_asyncio_ms": statistics.median(one("import asyncio; ") for _ in range(size)),
    }
