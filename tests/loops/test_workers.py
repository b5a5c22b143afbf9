"""Worker threads beside a loop: they stay what they are from run to run, and leave the loop its turns."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
from mainspring.executors.pool import ThreadPoolExecutor

WAIT = 30


async def run_together(jobs: list[Callable[[], Any]]) -> None:
    """Runs functions one after the other in one worker thread; returns when they are done."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    scheduler = AsyncIOScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(1)})
    async with scheduler:
        scheduler.pause()
        now = datetime.now(timezone.utc)
        for job in [*jobs, partial(loop.call_soon_threadsafe, ended.set)]:
            scheduler.add_job(job, "date", run_date=now, misfire_grace_time=None)
        scheduler.resume()
        await asyncio.wait_for(ended.wait(), WAIT)


async def test_a_worker_is_one_thread_of_python_for_all_its_runs() -> None:
    # A thread that is attached anew for each run has another thread state each time, and nothing of the last.
    count = 100
    local = threading.local()
    threads: set[threading.Thread] = set()

    def job() -> None:
        local.runs = getattr(local, "runs", 0) + 1
        threads.add(threading.current_thread())
        if local.runs == count:
            reached.append(local.runs)

    reached: list[int] = []
    await run_together([job] * count)
    assert reached == [count]
    assert len(threads) == 1


async def test_the_loop_has_its_turns_while_a_queue_of_runs_is_worked_off() -> None:
    # Functions of C give the interpreter no occasion to let another thread in; the pool must.
    turns: list[int] = []
    turn = 0

    async def application() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def look() -> None:
        turns.append(turn)

    busy = partial(sum, range(50_000))
    beating = asyncio.create_task(application())
    await run_together([look, *([busy] * 300), look])
    beating.cancel()
    assert turns[1] > turns[0]


HANDED_DOWN = """
import asyncio, signal, sys, threading
from {library}.jobstores.memory import MemoryJobStore
from {library}.schedulers.asyncio import AsyncIOScheduler
from {library}.schedulers.background import BackgroundScheduler
from {library}.schedulers.blocking import BlockingScheduler

class Store(MemoryJobStore):  # one that mainspring sweeps in a thread
    def get_due_jobs(self, now):
        return super().get_due_jobs(now)

done = threading.Semaphore(0)
lock = threading.Lock()

def job():
    thread = threading.Thread()
    masked = hasattr(signal, "pthread_sigmask") and signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with lock:
        print(thread.daemon, masked, threading.current_thread().daemon)
    done.release()

def main():
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    {start}

def use(scheduler):
    scheduler.add_jobstore(Store(), "other")
    for store in ("default", "other"):
        scheduler.add_job(job, jobstore=store)
    return scheduler

def shut_down(scheduler):
    done.acquire()
    done.acquire()
    scheduler.shutdown()

thread = threading.Thread(target=main, daemon={daemon})
thread.start()
thread.join()
"""

STARTED = {
    "background": "s = use(BackgroundScheduler(timezone='UTC')); s.start(); shut_down(s)",
    "background, no daemon": """
    s = use(BackgroundScheduler(timezone='UTC', daemon=False))
    s.start()
    shut_down(s)""",
    "blocking": """
    s = use(BlockingScheduler(timezone='UTC'))
    threading.Thread(target=shut_down, args=[s]).start()
    s.start()""",
    "asyncio": """
    async def run():
        s = use(AsyncIOScheduler(timezone='UTC'))
        s.start()
        await asyncio.to_thread(shut_down, s)
    asyncio.run(run())""",
}


@pytest.mark.parametrize("daemon", [True, False])
@pytest.mark.parametrize("start", STARTED)
def test_a_job_hands_down_to_its_threads_what_it_does_in_apscheduler(
    start: str, daemon: bool
) -> None:
    outputs = []
    for library in ("apscheduler", "mainspring"):
        program = HANDED_DOWN.replace("{library}", library).replace("{start}", STARTED[start])
        command = [sys.executable, "-c", program.replace("{daemon}", str(daemon))]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
        assert ended.returncode == 0, ended.stderr
        outputs.append(ended.stdout.splitlines())
    assert len(outputs[0]) == 2
    assert outputs[0] == outputs[1]
