"""Programs that fork under a live scheduler, and what they begin with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Seconds; a hundred forks take a while where the machine is busy.
WAIT = 180
ROOT = Path(__file__).parents[2]

# CPython 3.12 warns of every fork with other threads; that is between the program and CPython.
PRELUDE = """
import asyncio, logging, multiprocessing, os, sys, threading, warnings
warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler, events
from tests.support import ListJobStore

WAIT = 30
TIMES = dict(misfire_grace_time=None, max_instances=1_000_000)
records = []

class Keep(logging.Handler):
    def emit(self, record):
        records.append(record)

logging.getLogger("asyncio").setLevel(logging.ERROR)  # of slow callbacks, where the machine is busy
logging.getLogger("mainspring.scheduler").addHandler(Keep(logging.WARNING))

class Signal:
    '''Set by a run; says that one has begun after it was cleared.'''
    def __init__(self):
        self.event = threading.Event()
    def plain(self):
        self.event.set()
    async def coroutine(self):
        await asyncio.sleep(0)
        self.event.set()
    def came(self):
        self.event.clear()
        return self.event.wait(WAIT)

plain, coroutine = Signal(), Signal()

def renew_signals():
    # A worker of the parent may have held the lock of one when the process forked.
    plain.event, coroutine.event = threading.Event(), threading.Event()

os.register_at_fork(after_in_child=renew_signals)

def add_jobs(scheduler, jobstore="default"):
    scheduler.add_job(plain.plain, "interval", seconds=0.005, id="plain", jobstore=jobstore, **TIMES)
    scheduler.add_job(
        coroutine.coroutine, "interval", seconds=0.005, id="coroutine", jobstore=jobstore, **TIMES
    )
    seen = []
    def note(event):
        seen.append((event.job_id, event.scheduled_run_time))
    scheduler.add_listener(note, events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
    return seen

def both_came():
    return plain.came() and coroutine.came()

def is_stopped_and_says_so(scheduler):
    assert not records, records
    assert not scheduler.running
    assert scheduler.get_jobs()
    (record,) = records
    assert record.levelno == logging.WARNING
    assert str(os.getpid()) in record.getMessage(), record.getMessage()
    scheduler.shutdown()  # registered with atexit, say
    return True

def runs_when_started(scheduler):
    scheduler.start()
    assert scheduler.running
    assert {"plain", "coroutine"} <= {job.id for job in scheduler.get_jobs()}
    assert both_came()
    scheduler.shutdown()
    return True

def status_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def nothing_twice(seen):
    return len(seen) == len(set(seen))
"""


def run(program: str, *arguments: str, status: int = 0, stderr: str = "") -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + program, *arguments]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", stderr)
