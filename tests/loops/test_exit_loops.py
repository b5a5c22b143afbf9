"""The end of a program while runs in worker threads still need the scheduler's loop: it goes on for them."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from mainspring import BackgroundScheduler, BlockingScheduler
from mainspring._loops.find import new_own_loop
from mainspring._scheduler.loop_thread import OwnLoopThread
from mainspring.events import EVENT_JOB_EXECUTED
from tests.loops.test_exit import run_to_its_end
from tests.support import PATIENCE, listen

PRELUDE = """
import asyncio, atexit, logging, os, signal, sys, threading
from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler, from_thread
from mainspring._process import exit as _exit

logging.getLogger("mainspring").setLevel(logging.CRITICAL)
atexit.register(print, "atexit")
begun, waiting = threading.Event(), threading.Event()

def join_pools(join=_exit.join_pools):
    waiting.set()
    join()

_exit.join_pools = join_pools

async def double(number):
    await asyncio.sleep(0.01)
    print("coroutine ended", flush=True)
    return 2 * number

def run_until_complete():
    return asyncio.get_event_loop().run_until_complete(double(21))

def run_coroutine_threadsafe():
    return asyncio.run_coroutine_threadsafe(double(21), asyncio.get_event_loop()).result()

def run_from_thread():
    return from_thread.run(double, 21)

def awaits_task_of_before():
    loop = asyncio.get_event_loop()
    told = asyncio.Event()
    task = loop.create_task(when(told))
    loop.run_until_complete(asyncio.sleep(0))  # now the task waits, and an interrupt does not strike it
    begun.set()
    waiting.wait()
    loop.call_soon_threadsafe(told.set)
    loop.run_until_complete(task)

async def when(told):
    await told.wait()
    await double(21)

def job():
    begun.set()
    waiting.wait()
    try:
        print({way}(), flush=True)
    except BaseException as exc:
        print(type(exc).__name__, exc, flush=True)

def interrupt():
    begun.wait()
    os.kill(os.getpid(), signal.SIGINT)

def block(scheduler):
    scheduler.add_job({job})
    threading.Thread(target=interrupt).start()
    try:
        scheduler.start()
    except KeyboardInterrupt:
        pass

"""

WAYS = ("run_until_complete", "run_coroutine_threadsafe", "run_from_thread")

STARTS = {
    "background": """
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
scheduler.add_job({job})
begun.wait()
""",
    "background, shut down": """
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
scheduler.add_job({job})
begun.wait()
scheduler.shutdown(wait=False)
""",
    "background, shut down at exit": """
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
scheduler.add_job({job})
begun.wait()
atexit.register(scheduler.shutdown)
""",
    "blocking": """
scheduler = BlockingScheduler(timezone="UTC")
block(scheduler)
""",
    "blocking, shut down": """
scheduler = BlockingScheduler(timezone="UTC")
block(scheduler)
scheduler.shutdown(wait=False)
""",
    "blocking, shut down at exit": """
scheduler = BlockingScheduler(timezone="UTC")
block(scheduler)
atexit.register(scheduler.shutdown)
""",
    "gevent": """
from mainspring.schedulers.gevent import GeventScheduler
scheduler = GeventScheduler(timezone="UTC", executors={"default": {"type": "threadpool"}})
scheduler.start()
scheduler.add_job({job})
begun.wait()
""",
    "twisted": """
from mainspring.schedulers.twisted import TwistedScheduler
scheduler = TwistedScheduler(timezone="UTC", executors={"default": {"type": "threadpool"}})
scheduler.start()
scheduler.add_job({job})
begun.wait()
""",
    "twisted, shut down": """
from mainspring.schedulers.twisted import TwistedScheduler
scheduler = TwistedScheduler(timezone="UTC", executors={"default": {"type": "threadpool"}})
scheduler.start()
scheduler.add_job({job})
begun.wait()
scheduler.shutdown(wait=False)
""",
}


def end_of(start: str, way: str, job: str = "job") -> tuple[int, list[str], str]:
    if "blocking" in start and sys.platform == "win32":
        pytest.skip("sends itself a signal")
    for library in ("gevent", "twisted"):
        if library in start:
            pytest.importorskip(library)
    program = (PRELUDE + STARTS.get(start, start)).replace("{way}", way).replace("{job}", job)
    return run_to_its_end(program, "-X", "dev", "-W", "ignore::DeprecationWarning")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("start", [name for name in STARTS if "," not in name])
def test_a_run_in_a_worker_thread_has_its_loop_until_it_ends(start: str, way: str) -> None:
    assert end_of(start, way) == (0, ["coroutine ended", "42", "atexit"], "")


@pytest.mark.parametrize("start", [name for name in STARTS if "," in name])
def test_so_it_has_of_a_scheduler_that_has_been_shut_down(start: str) -> None:
    assert end_of(start, WAYS[1]) == (0, ["coroutine ended", "42", "atexit"], "")


@pytest.mark.parametrize("start", ["background", "background, shut down", "blocking"])
def test_what_it_waits_for_already_comes_to_its_end(start: str) -> None:
    ended = end_of(start, "run_until_complete", "awaits_task_of_before")
    assert ended == (0, ["coroutine ended", "atexit"], "")


LEFT = """
async def main():
    global scheduler
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    scheduler.add_job(job)
    await asyncio.to_thread(begun.wait)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["", "scheduler.shutdown(wait=False)"])
def test_a_run_that_needs_a_loop_which_is_left_gets_an_error(end: str, way: str) -> None:
    status, (said, *lines), stderr = end_of(LEFT + end, way)
    assert (status, lines) == (0, ["atexit"])
    assert said.startswith("RuntimeError"), said
    assert "not run" in said
    assert "Traceback" not in stderr


PENDING = """
def job():
    result = asyncio.run_coroutine_threadsafe(double(21), asyncio.get_event_loop())
    begun.set()
    try:
        print(result.result())
    except BaseException as exc:
        print(type(exc).__name__, exc, flush=True)
"""


def test_so_does_a_run_that_waits_for_it_already() -> None:
    start = LEFT.replace("scheduler.add_job(job)\n    await asyncio.to_thread(begun.wait)", "")
    start = PENDING + start + "scheduler.add_job(job)\nbegun.wait()\n"
    status, (said, *lines), _ = end_of(start, WAYS[1])
    assert (status, lines) == (0, ["atexit"])
    assert said.startswith("RuntimeError"), said


IMPATIENT = """
def job():
    begun.set()
    waiting.wait()
    os.kill(os.getpid(), signal.SIGINT)
    asyncio.get_event_loop().run_until_complete(asyncio.Event().wait())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
@pytest.mark.parametrize("start", ["background", "background, shut down", "blocking"])
def test_an_interrupt_ends_the_waiting_for_what_never_ends_on_the_loop(start: str) -> None:
    status, lines, stderr = end_of(IMPATIENT + STARTS[start], WAYS[0])
    assert (status, lines) == (0, ["atexit"])
    assert "Traceback" not in stderr


@pytest.mark.parametrize("wait", ["restarted", "not restarted"])
def test_a_loop_goes_on_after_a_shutdown_for_the_runs_that_need_it(wait: str) -> None:
    begun, go_on = threading.Event(), threading.Event()
    results: list[Any] = []
    scheduler = BackgroundScheduler(timezone="UTC")
    recorder = listen(scheduler, EVENT_JOB_EXECUTED)

    def job() -> None:
        loop = asyncio.get_event_loop()
        task = loop.create_task(asyncio.sleep(0, 21))
        begun.set()
        assert go_on.wait(PATIENCE)
        results.append(loop.run_until_complete(task))
        results.append(loop.run_until_complete(asyncio.sleep(0.01, 42)))

    scheduler.start()
    scheduler.add_job(job)
    assert begun.wait(PATIENCE)
    scheduler.shutdown(wait=False)
    if wait == "restarted":
        scheduler.start()
    go_on.set()
    recorder.wait_for(EVENT_JOB_EXECUTED)
    assert results == [21, 42]
    if wait == "restarted":
        scheduler.shutdown()


def test_a_shutdown_waits_for_runs_whose_loop_is_about_to_run() -> None:
    asked = threading.Event()

    class Slow(BlockingScheduler):
        def _can_end_runs(self, loop: asyncio.AbstractEventLoop) -> bool:
            can = super()._can_end_runs(loop)
            asked.set()
            return can

        def _main_loop(self) -> None:
            assert asked.wait(PATIENCE)
            super()._main_loop()

    results: list[Any] = []

    async def job() -> None:
        results.append("begun")
        await asyncio.sleep(0.01)
        results.append("ended")

    scheduler = Slow(timezone="UTC")

    def shutting_down() -> None:
        while not scheduler._engine.running_jobs:
            pass
        scheduler.shutdown()

    scheduler.add_job(job)
    thread = threading.Thread(target=shutting_down)
    thread.start()
    scheduler.start()
    thread.join()
    assert results == ["begun", "ended"]


def test_a_loop_that_is_told_to_end_twice_is_finished_in_order() -> None:
    told: list[str] = []

    async def ends_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            thread.stop_after(lambda: False)  # as the exit, where the runs have ended just now
            await asyncio.sleep(0.01)
            told.append("ended")

    loop = new_own_loop()
    loop.create_task(ends_slowly())
    loop.call_soon(loop.stop)  # as a signal stops it whose handler the program has left as it was
    thread = OwnLoopThread(loop, "test")
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(PATIENCE)
    thread.stop()
    assert told == ["ended"]
    assert loop.is_closed()
