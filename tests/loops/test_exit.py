"""The end of a program that never shut its scheduler down: its own exit status, no output, no hang."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WAIT = 60

BUSY = """
import random, sys, threading
random.seed(int(sys.argv[1]))
from mainspring import {scheduler}

def plain():
    sum(range(200))

async def coroutine():
    await asyncio.sleep(random.random() * 0.01)

def add_jobs(scheduler):
    for _ in range(40):
        scheduler.add_job(plain, "interval", seconds=0.002, max_instances=50)
        scheduler.add_job(coroutine, "interval", seconds=0.002, max_instances=50)
    scheduler.start()

import asyncio
"""

BACKGROUND = (
    BUSY.format(scheduler="BackgroundScheduler")
    + """
scheduler = BackgroundScheduler(timezone="UTC")
add_jobs(scheduler)
threading.Event().wait(random.random() * 0.1)
sys.exit(7)
"""
)

ASYNCIO = (
    BUSY.format(scheduler="AsyncIOScheduler")
    + """
async def main():
    scheduler = AsyncIOScheduler(timezone="UTC")
    add_jobs(scheduler)
    await asyncio.sleep(random.random() * 0.1)

asyncio.run(main())
sys.exit(7)
"""
)


@pytest.mark.parametrize("program", [BACKGROUND, ASYNCIO], ids=["background", "asyncio"])
@pytest.mark.parametrize("seed", range(6))
def test_an_exit_in_the_midst_of_work(program: str, seed: int) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program, str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "", "")


FORK = """
import os, sys, threading
from mainspring import BackgroundScheduler

ran = threading.Event()
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_job(ran.set, "interval", seconds=0.01)
scheduler.start()
assert ran.wait(30)
child = os.fork()
if child == 0:
    sys.exit(3)
_, status = os.waitpid(child, 0)
ran.clear()
assert ran.wait(30)
scheduler.shutdown()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_forked_child_ends_by_itself_and_leaves_the_parent_alone() -> None:
    command = [sys.executable, "-c", FORK]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    assert ended.returncode == 3, ended.stderr
