from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from mainspring.events import EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN
from mainspring.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.blocking import BlockingScheduler
from tests.support import PATIENCE, listen, nothing


@pytest.mark.parametrize("wait", [True, False])
def test_start_blocks_until_shutdown(wait: bool) -> None:
    scheduler = BlockingScheduler(timezone="UTC")
    events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_SCHEDULER_SHUTDOWN)
    scheduler.add_job(scheduler.shutdown, args=[wait])
    scheduler.start()
    assert not scheduler.running
    events.wait_for(EVENT_JOB_EXECUTED)
    assert EVENT_SCHEDULER_SHUTDOWN in events.codes()


@pytest.mark.parametrize("wait", [True, False])
def test_coroutine_job_runs_in_the_blocked_thread(wait: bool) -> None:
    scheduler = BlockingScheduler(timezone="UTC")
    threads = []

    async def job() -> None:
        threads.append(threading.current_thread())
        await asyncio.sleep(0)
        scheduler.shutdown(wait)

    scheduler.add_job(job)
    scheduler.start()
    assert threads == [threading.current_thread()]


def test_shutdown_on_the_own_loop_waits_for_coroutines() -> None:
    scheduler = BlockingScheduler(timezone="UTC")
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    go_on = asyncio.Event()

    async def long() -> str:
        await go_on.wait()
        return "ended"

    async def job() -> None:
        scheduler.shutdown()
        asyncio.get_running_loop().call_soon(go_on.set)

    scheduler.add_job(long, id="long")
    scheduler.add_job(job, id="short")
    scheduler.start()
    assert {event.job_id for event in events.events} == {"long", "short"}


def test_shutdown_from_another_thread() -> None:
    scheduler = BlockingScheduler(timezone="UTC")
    thread = threading.Thread(target=scheduler.start)
    events = listen(scheduler)
    thread.start()
    scheduler.add_job(nothing)
    events.wait_for(EVENT_JOB_EXECUTED)
    scheduler.shutdown()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_restart() -> None:
    scheduler = BlockingScheduler(timezone="UTC")
    for _ in range(2):
        # Long ago, as after a start on a machine that has stood still for a while.
        scheduler.add_job(scheduler.shutdown, "date", run_date="2020-01-01", args=[False])
        scheduler.start()


async def test_start_on_a_running_loop() -> None:
    # DIFFERENCE: APScheduler blocks the loop.
    scheduler = BlockingScheduler(timezone="UTC")
    with pytest.raises(RuntimeError, match="AsyncIOScheduler"):
        scheduler.start()
    assert not scheduler.running


def test_errors_of_state() -> None:
    scheduler = BlockingScheduler(timezone="UTC")
    with pytest.raises(SchedulerNotRunningError):
        scheduler.shutdown()
    errors = []

    def job() -> None:
        try:
            scheduler.start()
        except SchedulerAlreadyRunningError as exc:
            errors.append(exc)
        scheduler.shutdown(wait=False)

    scheduler.add_job(job)
    scheduler.start()
    assert len(errors) == 1


def test_coroutines_on_a_loop_in_another_thread() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    scheduler = BlockingScheduler(timezone="UTC", event_loop=loop)
    loops: list[Any] = []

    async def job() -> None:
        loops.append(asyncio.get_running_loop())
        scheduler.shutdown()

    scheduler.add_job(job)
    scheduler.start()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert loops == [loop]


PROGRAM = """
import asyncio, os, signal, threading
from mainspring.schedulers.blocking import BlockingScheduler
scheduler = BlockingScheduler(timezone="UTC")
started = threading.Event()
ended = False
async def long():
    global ended
    asyncio.get_running_loop().call_later(0.02, started.set)
    await asyncio.sleep(0.2)
    ended = True
def interrupt():
    started.wait()
    os.kill(os.getpid(), signal.SIGINT)
scheduler.add_job(long)
scheduler.add_job(interrupt)
try:
    scheduler.start()
except KeyboardInterrupt:
    print("interrupted", scheduler.running)
    {after}
    print("ended", ended)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
@pytest.mark.parametrize(
    ("after", "output"),
    [
        ("scheduler.shutdown()", ["interrupted True", "ended True"]),
        ("scheduler.shutdown(wait=False)", ["interrupted True", "ended False"]),
    ],
)
def test_interrupt(after: str, output: list[str]) -> None:
    program = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", PROGRAM.format(after=after)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert program.stdout.splitlines() == output
    assert program.returncode == 0


def test_frugal_loop_is_left_without_a_word_at_exit_after_an_interrupt() -> None:
    program = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-X",
            "dev",
            "-c",
            "import threading\n"
            "from mainspring.schedulers.blocking import BlockingScheduler\n"
            "scheduler = BlockingScheduler(timezone='UTC')\n"
            "def stop(): raise SystemExit\n"
            "scheduler.add_listener(lambda e: scheduler._own_loop.call_soon(stop))\n"
            "try: scheduler.start()\n"
            "except SystemExit: print('left')\n",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (program.stdout, program.stderr) == ("left\n", "")


@pytest.mark.parametrize("kind", [BackgroundScheduler, BlockingScheduler])
def test_no_loop_is_seen_where_listeners_are_called(kind: type[BlockingScheduler]) -> None:
    # In 3.x none runs there, and Django's ORM refuses to work where one does.
    seen: list[asyncio.AbstractEventLoop | None] = []

    def listener(event: Any) -> None:
        seen.append(asyncio._get_running_loop())
        if event.code == EVENT_JOB_EXECUTED:
            scheduler.add_job(nothing, "date", run_date="2100-01-01")  # one listener in another
            seen.append(asyncio._get_running_loop())
            scheduler.shutdown()  # does not wait for its own thread

    async def job() -> bool:
        return asyncio.get_running_loop() is scheduler._own_loop

    scheduler = kind(timezone="UTC")
    executed = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.add_listener(listener)
    ended = listen(scheduler, EVENT_SCHEDULER_SHUTDOWN)  # called after the one above
    scheduler.add_job(job, misfire_grace_time=None)
    scheduler.start()
    (event,) = executed.wait_for(EVENT_JOB_EXECUTED)
    assert event.retval is True
    ended.wait_for(EVENT_SCHEDULER_SHUTDOWN)
    assert set(seen) == {None}
