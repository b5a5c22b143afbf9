"""Worker threads beside a loop: they stay what they are from run to run, and leave the loop its turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any

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
