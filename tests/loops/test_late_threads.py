"""Threads that CPython refuses to start: it starts none, from 3.12 on, once the main thread has ended."""

from __future__ import annotations

import pytest

from tests.loops.test_exit import run_to_its_end

PROGRAM = """
import _thread, asyncio, logging, sys, threading
from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler
from mainspring.jobstores.memory import MemoryJobStore

logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
runs = threading.Semaphore(0)
often = dict(trigger="interval", seconds=0.01, misfire_grace_time=None, max_instances=100)

class Store(MemoryJobStore):  # one that is swept in a thread
    def get_due_jobs(self, now):
        return super().get_due_jobs(now)

def refuse(*args, **kwargs):
    raise RuntimeError("can't create new thread at interpreter shutdown")

async def coroutine():
    runs.release()

def a_pool_begins():
    scheduler.add_job(runs.release, **often)

def a_pool_grows():
    scheduler.add_job(all_at_once.wait, id="waits")
    scheduler.add_job(at_once)
    scheduler.add_job(at_once)

def at_once():
    all_at_once.wait()
    runs.release(3)

all_at_once = threading.Barrier(3)

def a_store():
    scheduler.add_jobstore(Store(), "swept")
    scheduler.add_job(runs.release, **often, jobstore="swept")

def a_background_scheduler():
    kept.append(BackgroundScheduler(timezone="UTC"))
    kept[0].add_job(runs.release, **often)
    kept[0].add_job(coroutine, **often)
    kept[0].start()

def a_blocking_scheduler():
    kept.append(BlockingScheduler(timezone="UTC"))

    def shut_down():
        for _ in range(3):
            runs.acquire()
        kept[0].shutdown(wait=False)
        runs.release(3)

    kept[0].add_job(runs.release, **often)
    kept[0].add_job(shut_down)
    kept[0].start()

def a_loop_after_a_shutdown():
    def job():
        begun.set()
        is_shut_down.wait()
        asyncio.get_event_loop().run_until_complete(coroutine())
        runs.release(2)

    kept.append(BlockingScheduler(timezone="UTC"))
    kept[0].add_job(job)
    kept[0].add_job(lambda: (begun.wait(), kept[0].shutdown(wait=False), is_shut_down.set()))
    kept[0].start()

kept = []
begun, is_shut_down = threading.Event(), threading.Event()

def go_on():
    threading.main_thread().join()
    _thread.start_new_thread = refuse
    for name in ("_start_new_thread", "_start_joinable_thread"):
        if hasattr(threading, name):
            setattr(threading, name, refuse)
    {what}()
    for _ in range(3):
        runs.acquire()
    print("runs")

scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
threading.Thread(target=go_on).start()
"""

WHAT = (
    *("a_pool_begins", "a_pool_grows", "a_store", "a_background_scheduler"),
    *("a_blocking_scheduler", "a_loop_after_a_shutdown"),
)


@pytest.mark.parametrize("what", WHAT)
def test_a_thread_is_started_late(what: str) -> None:
    assert run_to_its_end(PROGRAM.replace("{what}", what), "-X", "dev") == (0, ["runs"], "")


REFUSED = """
import threading
from mainspring import BackgroundScheduler

def refuse(*args, **kwargs):
    raise RuntimeError("can't start new thread")

names = [name for name in ("_start_new_thread", "_start_joinable_thread") if hasattr(threading, name)]
before = [getattr(threading, name) for name in names]
scheduler = BackgroundScheduler(timezone="UTC", daemon={daemon})
done = threading.Event()
for name in names:
    setattr(threading, name, refuse)
try:
    scheduler.start()
except RuntimeError as exc:
    print(exc, scheduler.running)
for name, start in zip(names, before):
    setattr(threading, name, start)
scheduler.start()
scheduler.add_job(done.set)
done.wait()
scheduler.shutdown()
"""


@pytest.mark.parametrize("daemon", [True, False])
def test_a_scheduler_whose_thread_cannot_be_started_is_not_running(daemon: bool) -> None:
    ended = run_to_its_end(REFUSED.replace("{daemon}", str(daemon)), "-X", "dev", "-W", "error")
    assert ended == (0, ["can't start new thread False"], "")
