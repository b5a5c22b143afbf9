"""A BackgroundScheduler where eventlet has patched the standard library, beside APScheduler's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("eventlet", reason="eventlet cannot be installed here")

PATIENCE = 60

PROGRAM = """
import sys
import warnings

library, when, end = sys.argv[1:]

def load():
    if library == "apscheduler":
        from apscheduler.schedulers.background import BackgroundScheduler
    else:
        from mainspring import BackgroundScheduler
    return BackgroundScheduler

if when == "imported before":
    load()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of itself
    import eventlet

eventlet.monkey_patch()
import threading
import time

scheduler = load()(timezone="UTC")
ticks = []
ran, slept = threading.Event(), threading.Event()

def tick():
    time.sleep(0.001)  # lets the others have their turn
    ticks.append(threading.get_ident())
    if len(ticks) == 3:
        ran.set()

def sleep():
    begun.set()
    time.sleep(0.05)
    slept.set()

scheduler.add_job(tick, "interval", seconds=0.01, max_instances=9)
scheduler.start()
assert ran.wait(30)
begun = threading.Event()
scheduler.add_job(sleep)
assert begun.wait(30)

if library == "mainspring":
    async def coroutine():
        import asyncio
        await asyncio.sleep(0.01)
        awaited.set()
    awaited = threading.Event()
    scheduler.add_job(coroutine)
    assert awaited.wait(30)
    awaited.clear()
    scheduler.add_job(coroutine, id="when shut down")
    time.sleep(0)

if end == "shut down":
    scheduler.shutdown()
    assert slept.is_set()
    assert not scheduler.running
print("done")
"""


@pytest.mark.parametrize("end", ["shut down", "forgotten"])
@pytest.mark.parametrize("when", ["imported before", "imported after"])
@pytest.mark.parametrize("library", ["apscheduler", "mainspring"])
def test_a_program_that_is_patched(library: str, when: str, end: str) -> None:
    command = [sys.executable, "-c", PROGRAM, library, when, end]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "done\n"), done
    if library == "mainspring":
        assert done.stderr == "", done


FORKED = """
import os
import sys
import threading
import warnings

warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)  # from CPython 3.12 on
from mainspring import BackgroundScheduler
from tests.support import ListJobStore

def run():
    ran.set()

ran = threading.Event()
scheduler = BackgroundScheduler(jobstores={"python": ListJobStore()}, timezone="UTC")
scheduler.start()
scheduler.add_job(run)
assert ran.wait(30)
if os.fork():
    status = os.waitstatus_to_exitcode(os.wait()[1])
    scheduler.shutdown()
    sys.exit(status)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of itself
    import eventlet

eventlet.monkey_patch()
for _ in range(2):
    scheduler.start()
    for store in ("default", "python"):
        ran = threading.Event()
        scheduler.add_job(run, jobstore=store)
        assert ran.wait(30)
    scheduler.shutdown()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_forked_child_that_is_patched() -> None:
    """As a worker of gunicorn that has loaded its application before the fork."""
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", ""), done
