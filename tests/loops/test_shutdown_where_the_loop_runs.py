"""``shutdown(wait=True)`` in the thread of the scheduler's own loop waits for all that it can wait for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.loops.programs import LOOPS, run_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends itself signals")

PRELUDE = """
import os, signal, warnings
if sys.argv[1] == "uvloop":
    import uvloop
    warnings.simplefilter("ignore", DeprecationWarning)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
from mainspring.events import *
from mainspring.executors.debug import DebugExecutor
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.blocking import BlockingScheduler

closed = threading.Event()

def close():
    closed.set()
    print("closed")

def ends(name):
    # The database is not closed under a run that goes on; if it is to be, give it the time.
    print(name, "after it was closed" if closed.wait(0.2) else "in time")
"""

SIGNALLED = """
signal_me = lambda: os.kill(os.getpid(), signal.{number})

def handler(number, frame):
    scheduler.shutdown()
    close()

def worker():
    signal_me()
    ends("worker")

async def coroutine():
    asyncio.get_running_loop().run_in_executor(None, signal_me)
    for _ in range(20):  # suspended for nearly all the time
        await asyncio.sleep(0.01)
    ends("coroutine")

async def step():
    signal_me()  # the handler is called by CPython before this goes on, where it may be
    await asyncio.sleep(0.05)
    ends("step")

def needs_loop():
    signal_me()
    asyncio.get_event_loop().run_until_complete(asyncio.sleep(0.05))
    ends("needs_loop")

signal.signal(signal.{number}, handler)
scheduler = BlockingScheduler(timezone="UTC")
scheduler.add_job({job})
scheduler.start()
print("returned")
"""


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("job", "number"),
    [
        *(("worker", "SIGTERM"), ("worker", "SIGINT"), ("worker", "SIGALRM")),
        *(("coroutine", "SIGTERM"), ("coroutine", "SIGINT"), ("needs_loop", "SIGTERM")),
    ],
)
def test_in_a_signal_handler(tmp_path: Path, job: str, number: str, loop: str) -> None:
    check_signalled(tmp_path, job, number, loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_in_a_signal_handler_in_the_step_of_a_coroutine(tmp_path: Path, loop: str) -> None:
    check_signalled(tmp_path, "step", "SIGTERM", loop)


def check_signalled(tmp_path: Path, job: str, number: str, loop: str) -> None:
    source = (PRELUDE + SIGNALLED).replace("{number}", number)
    ended = run_program(tmp_path, source.replace("{job}", job), loop, debug=False)
    assert (ended.status, ended.stderr) == (0, ""), ended
    assert ended.lines == [f"{job} in time", "closed", "returned"], ended


BEFORE_THE_LOOP = """
begun = threading.Event()

class Scheduler(BlockingScheduler):
    def _main_loop(self):  # all has been started, but the loop does not run yet
        begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        super()._main_loop()

def handler(number, frame):
    scheduler.shutdown()
    close()

def needs_loop():
    begun.set()
    asyncio.get_event_loop().run_until_complete(asyncio.sleep(0.05))
    ends("needs_loop")

signal.signal(signal.SIGTERM, handler)
scheduler = Scheduler(timezone="UTC")
scheduler.add_job(needs_loop)
scheduler.start()
print("returned")
"""


def test_in_a_signal_handler_before_the_loop_first_runs(tmp_path: Path) -> None:
    ended = run_program(tmp_path, PRELUDE + BEFORE_THE_LOOP, debug=False)
    assert (ended.status, ended.stderr) == (0, ""), ended
    assert ended.lines == ["needs_loop in time", "closed", "returned"], ended


ON_THE_LOOP = """
begun = threading.Event()

def worker():
    begun.set()
    ends("worker")

def needs_loop():
    begun.set()
    asyncio.get_event_loop().run_until_complete(asyncio.sleep(0.01))
    print("needs_loop")

def shut_down():
    begun.wait()
    scheduler.shutdown()
    close()

async def coroutine():
    shut_down()
    await asyncio.sleep(0)

def listener(event):
    if event.job_id == "direct":
        shut_down()

scheduler = {scheduler}(timezone="UTC")
scheduler.add_executor(DebugExecutor(), "debug")
ended = threading.Event()
scheduler.add_listener(lambda event: ended.set(), EVENT_SCHEDULER_SHUTDOWN)
scheduler.add_job({other})
if "{where}" == "listener":
    scheduler.add_listener(listener, EVENT_JOB_SUBMITTED)
    scheduler.add_job(int, executor="debug", id="direct")
elif "{where}" == "function":
    scheduler.add_job(shut_down, executor="debug")
else:
    scheduler.add_job(coroutine)
scheduler.start()
ended.wait()
closed.wait()
"""


@pytest.mark.parametrize("scheduler", ["BlockingScheduler", "BackgroundScheduler"])
@pytest.mark.parametrize("where", ["listener", "function", "coroutine"])
@pytest.mark.parametrize("other", ["worker", "needs_loop"])
def test_on_the_loop_itself(tmp_path: Path, where: str, other: str, scheduler: str) -> None:
    source = PRELUDE + ON_THE_LOOP
    for name, value in (("where", where), ("other", other), ("scheduler", scheduler)):
        source = source.replace(f"{{{name}}}", value)
    ended = run_program(tmp_path, source, debug=False)
    assert (ended.status, ended.stderr) == (0, ""), ended
    if other == "worker":
        assert ended.lines == ["worker in time", "closed"], ended
    else:  # it needs the loop, and so it cannot be waited for there
        assert sorted(ended.lines) == ["closed", "needs_loop"], ended


INTERRUPTED = """
def shut_down():
    interrupted.wait()
    scheduler.shutdown()
    print("shut down")

interrupted = threading.Event()
scheduler = BlockingScheduler(timezone="UTC")
scheduler.add_job(shut_down)
scheduler.add_job(signal.raise_signal, args=[signal.SIGINT])
try:
    scheduler.start()
except KeyboardInterrupt:
    interrupted.set()
"""


def test_by_a_job_in_a_worker_when_the_loop_has_been_interrupted(tmp_path: Path) -> None:
    source = PRELUDE + INTERRUPTED
    ended = run_program(tmp_path, source, debug=False)
    assert (ended.status, ended.lines, ended.stderr) == (0, ["shut down"], ""), ended
