"""The end of a loop, which waits for the functions in worker threads as it does for its own executor's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import without_slow

PROGRAM = """
import asyncio, logging, threading
from {library}.schedulers.asyncio import AsyncIOScheduler
logging.getLogger("asyncio").setLevel(logging.ERROR)  # of slow callbacks, where the machine is busy

closed, begun = threading.Event(), threading.Event()

def job():
    begun.set()
    # If what a run uses is to be closed under it, this gives it the time.
    print("after it was closed" if closed.wait(0.2) else "in time", flush=True)

def uses_the_loop():
    begun.set()
    closed.wait(0.2)
    print(asyncio.get_event_loop().run_until_complete(asyncio.sleep(0.01, "in time")), flush=True)

async def main():
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job({job}, {trigger})
    scheduler.start()
    while not begun.is_set():
        await asyncio.sleep(0.01)
    {end}

{run}
closed.set()
print("closed", flush=True)
"""
ONCE = '"date"'
OFTEN = '"interval", seconds=0.01, max_instances=1_000_000, misfire_grace_time=None'
ASYNCIO = "asyncio.run(main())"
BY_HAND = """
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
"""
UVLOOP = "import uvloop; uvloop.run(main())"


def run(**parts: str) -> tuple[list[str], str]:
    program = PROGRAM
    for name, part in parts.items():
        program = program.replace("{" + name + "}", part)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout.splitlines(), without_slow(ended.stderr)


@pytest.mark.parametrize("library", ["apscheduler", "mainspring"])
@pytest.mark.parametrize("end", ["pass", "scheduler.shutdown()", "scheduler.shutdown(wait=False)"])
@pytest.mark.parametrize("how", [ASYNCIO, BY_HAND, UVLOOP])
def test_runs_end_before_what_comes_after_the_loop(library: str, end: str, how: str) -> None:
    if how is UVLOOP:
        pytest.importorskip("uvloop")
    lines, stderr = run(library=library, job="job", trigger=ONCE, end=end, run=how)
    assert lines == ["in time", "closed"], stderr
    if library == "mainspring":
        assert stderr == ""


def test_a_run_that_waits_for_the_loop_meanwhile_is_waited_for() -> None:
    parts = {"job": "uses_the_loop", "trigger": ONCE, "end": "pass", "run": ASYNCIO}
    assert run(library="mainspring", **parts) == (["in time", "closed"], "")


def test_no_run_begins_meanwhile() -> None:
    lines, stderr = run(library="mainspring", job="job", trigger=OFTEN, end="pass", run=ASYNCIO)
    assert (lines[-1], {*lines[:-1]}, stderr) == ("closed", {"in time"}, "")


GOES_ON = """
await asyncio.get_running_loop().shutdown_asyncgens()
    begun.clear()
    while not begun.is_set():
        await asyncio.sleep(0.01)
    await scheduler.aclose()
"""


def test_a_loop_that_goes_on_after_all_has_its_jobs_run() -> None:
    lines, stderr = run(
        library="mainspring", job="job", trigger=OFTEN, end=GOES_ON.strip(), run=ASYNCIO
    )
    assert (lines[-1], stderr) == ("closed", "")
