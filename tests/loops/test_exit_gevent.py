"""The end of a program soon after that of its GeventScheduler: no thread is left that greenlet's code is in.

Up to CPython 3.13 a daemon thread that comes back to Python while the interpreter is being taken down is
unwound, and a thread of gevent's, whose tasks run in a greenlet, does not survive that.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.loops.test_exit import run_to_its_end
from tests.support import NIGHTLY

SIDE_BY_SIDE = 3

PATCH = "from gevent import monkey; monkey.patch_all()\n"

PROGRAM = """
import atexit, time
import gevent
from gevent.event import Event
from mainspring.schedulers.gevent import GeventScheduler

scheduler = GeventScheduler(timezone="UTC", executors={"threads": {"type": "threadpool"}})
scheduler.start()
here = Event()

async def coroutine():
    scheduler.add_job(time.sleep, args=[0.01], executor="threads")
    scheduler.add_job(here.set)  # in a greenlet

scheduler.add_job(coroutine)
here.wait()
"""

ENDS = {
    "shuts down": "scheduler.shutdown()",
    "shuts down at exit": "atexit.register(scheduler.shutdown)",
    "waits for nothing": "scheduler.shutdown(wait=False)",
    "leaves it running": "",
}


@pytest.mark.parametrize("patch", ["", PATCH], ids=["unpatched", "patched"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_program_ends_with_its_scheduler(end: str, patch: str) -> None:
    pytest.importorskip("gevent")
    times = 100 if NIGHTLY else 2
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ended = list(pool.map(run_to_its_end, [patch + PROGRAM + end] * times))
    assert ended == [(0, [], "")] * times


REFUSES = """
from gevent.threadpool import ThreadPool

def refuse(*_):
    raise AssertionError("a thread of gevent's")

ThreadPool.spawn = refuse
"""


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_no_thread_of_gevents_is_used(end: str) -> None:
    pytest.importorskip("gevent")
    assert run_to_its_end(REFUSES + PROGRAM + end) == (0, [], "")
