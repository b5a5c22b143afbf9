"""The end that a loop awaits: ``aclose()`` and ``run_until_stopped()``."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, from_thread
from tests.loops.programs import LOOPS, interrupt_at_line
from tests.support import PATIENCE

UNTIL_STOPPED = """
from mainspring import AsyncIOScheduler

async def slow():
    print("started")
    try:
        await asyncio.sleep({seconds})
        print("ended by itself")
    except asyncio.CancelledError:
        print("cancelled")
        raise

async def main():
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(slow, id="slow")
    cancelled = await scheduler.run_until_stopped(deadline={deadline})
    print([run.job_id for run in cancelled], scheduler.running)

run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop", LOOPS)
def test_run_until_stopped_drains_on_a_signal(
    tmp_path: Path, loop: str, number: signal.Signals
) -> None:
    from tests.loops.programs import PRELUDE

    path = tmp_path / "program.py"
    path.write_text(PRELUDE + UNTIL_STOPPED.format(seconds=0.3, deadline=30))
    ended = interrupt_at_line(path, loop, after="started", number=number)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended by itself\n[] False\n", "")

    path.write_text(PRELUDE + UNTIL_STOPPED.format(seconds=3600, deadline=0.05))
    ended = interrupt_at_line(path, loop, after="started", number=number)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "cancelled\n['slow'] False\n", "")


@pytest.mark.parametrize("when", ["before", "in a job", "in a thread", "shutdown"])
async def test_run_until_stopped_returns_after_stop(when: str) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    before = signal.getsignal(signal.SIGTERM)

    async def job() -> None:
        scheduler.stop()

    if when == "before":
        scheduler.start()
        scheduler.stop()
    elif when == "in a job":
        scheduler.add_job(job)
    elif when == "in a thread":
        scheduler.add_job(scheduler.stop)
    else:
        asyncio.get_running_loop().call_soon(
            lambda: asyncio.get_running_loop().call_soon(scheduler.shutdown)
        )
    assert await asyncio.wait_for(scheduler.run_until_stopped(), PATIENCE) == []
    assert not scheduler.running
    assert signal.getsignal(signal.SIGTERM) is before
    gc.collect()


async def test_aclose_tells_which_runs_it_cancelled() -> None:
    started = asyncio.Semaphore(0)

    async def endless() -> None:
        started.release()
        await asyncio.Event().wait()

    async def stubborn() -> str:
        started.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "stays"
        return "never"

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    job = scheduler.add_job(endless, id="endless")
    when = job.next_run_time
    scheduler.add_job(stubborn, id="stubborn")
    for _ in range(2):
        await started.acquire()
    (run,) = await scheduler.aclose(deadline=0.01)
    assert (run.job_id, run.scheduled_run_time, run.jobstore) == ("endless", when, "default")
    assert await scheduler.aclose() == []


async def test_a_job_may_close_its_own_scheduler() -> None:
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    scheduler = AsyncIOScheduler(timezone="UTC")

    async def job() -> None:
        ended.set_result(await scheduler.aclose(deadline=None))

    scheduler.start()
    scheduler.add_job(job)
    assert await asyncio.wait_for(ended, PATIENCE) == []
    assert not scheduler.running


@pytest.mark.parametrize("how", ["shield", "task", "wait_for", "worker", "from_thread"])
async def test_a_job_may_close_its_scheduler_in_any_way(how: str) -> None:
    closed: asyncio.Queue[Any] = asyncio.Queue()
    ended: list[str] = []
    scheduler = AsyncIOScheduler(timezone="UTC")
    # Without a deadline a job that waits for its own end waits for ever.
    close = partial(scheduler.aclose, deadline=None)

    async def coroutine() -> None:
        if how == "shield":
            cancelled = await asyncio.shield(close())
        elif how == "task":
            cancelled = await asyncio.create_task(close())
        else:
            cancelled = await asyncio.wait_for(close(), PATIENCE)
        closed.put_nowait(cancelled)

    def plain() -> None:
        loop = asyncio.get_event_loop()
        in_worker = how == "worker"
        cancelled = loop.run_until_complete(close()) if in_worker else from_thread.run(close)
        loop.call_soon_threadsafe(closed.put_nowait, cancelled)

    async def other() -> None:
        running.set()
        await asyncio.sleep(0.05)
        ended.append("other")

    running = asyncio.Event()
    scheduler.start()
    scheduler.add_job(other)
    await running.wait()
    scheduler.add_job(plain if how in ("worker", "from_thread") else coroutine)
    assert await asyncio.wait_for(closed.get(), PATIENCE) == []
    assert ended == ["other"]
    assert not scheduler.running


async def test_a_function_in_a_worker_does_not_hold_up_aclose_beyond_the_deadline() -> None:
    started, go_on = threading.Event(), threading.Event()

    def job() -> None:
        started.set()
        go_on.wait(PATIENCE)

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    scheduler.add_job(job)
    assert await asyncio.to_thread(started.wait, PATIENCE)
    assert await scheduler.aclose(deadline=0.01) == []
    go_on.set()
