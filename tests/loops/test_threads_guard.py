"""The guard of a job that waits for an event loop which does not respond."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler, from_thread
from mainspring.executors.debug import DebugExecutor
from tests.loops.apps import NEW_LOOP, App, asyncio_app, background_app, double, loop_in_thread
from tests.support import PATIENCE, ManualScheduler, without_slow

#: A timeout that a loop which does respond is never near.
SHORT = 0.5


@pytest.fixture(params=NEW_LOOP)
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    with asyncio_app(request.param, loop_response_timeout=SHORT) as app:
        yield app


class Blocked:
    """Keeps a loop blocked for the length of a ``with``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._blocked = threading.Event()
        self._release = threading.Event()

    def _block_the_loop(self) -> None:
        self._blocked.set()
        self._release.wait(PATIENCE)

    def __enter__(self) -> None:
        self._loop.call_soon_threadsafe(self._block_the_loop)
        assert self._blocked.wait(PATIENCE)

    def __exit__(self, *exc_info: object) -> None:
        self._release.set()


def test_a_blocked_loop(app: App) -> None:
    started: list[int] = []
    ran: list[str] = []

    async def never(number: int) -> None:
        started.append(number)

    def job() -> None:
        loop = asyncio.get_event_loop()
        loop.run_until_complete(double(1))  # the guard knows the loop's thread now
        ways = (
            lambda: loop.run_until_complete(never(1)),
            lambda: loop.run_until_complete(loop.create_task(never(2))),
            lambda: loop.run_until_complete(asyncio.gather(never(3), never(4))),
            lambda: loop.run_until_complete(loop.create_future()),
            lambda: loop.set_debug(True),
            lambda: from_thread.run(never, 5),
        )
        with Blocked(app.loop):
            for way in ways:
                with pytest.raises(RuntimeError, match="has not responded for 0.5 s") as raised:
                    way()
                message = str(raised.value)
                assert "it is running, but blocked" in message
                assert repr(app.loop) in message
                assert "'the application' is at" in message
                assert "_block_the_loop" in message
            ran.append("all")
        # What was handed over and not started never starts, and tells nothing.
        assert loop.run_until_complete(double(1)) == (2, app.loop)

    app.run(job)
    assert ran == ["all"]
    assert started == []


def test_what_has_been_started_is_cancelled(app: App) -> None:
    cancelled = threading.Event()
    going = threading.Event()

    async def work() -> None:
        going.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def job() -> None:
        loop = asyncio.get_event_loop()
        task = loop.create_task(work())
        assert going.wait(PATIENCE)
        with Blocked(app.loop), pytest.raises(RuntimeError, match="has not responded"):
            loop.run_until_complete(task)

    app.run(job)
    assert cancelled.wait(PATIENCE)


def test_a_loop_that_waits_for_the_job_itself(app: App) -> None:
    errors: list[RuntimeError] = []
    ended = threading.Event()

    def job() -> None:
        try:
            asyncio.get_event_loop().run_until_complete(double(1))
        except RuntimeError as exc:
            errors.append(exc)
        finally:
            ended.set()

    async def wait_for_the_job() -> None:
        app.start(job)
        assert ended.wait(PATIENCE)

    app.on_loop(wait_for_the_job())
    assert "blocked" in str(errors[0])


def test_a_coroutine_that_takes_longer_than_the_timeout() -> None:
    with asyncio_app("asyncio", loop_response_timeout=0.05) as app:

        async def work() -> str:
            await asyncio.sleep(0.5)
            return "done"

        assert app.run(lambda: asyncio.get_event_loop().run_until_complete(work())) == "done"


def test_a_loop_that_is_closed_meanwhile() -> None:
    loop = asyncio.new_event_loop()

    def run_and_close() -> None:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()

    thread = threading.Thread(target=run_and_close)
    thread.start()
    scheduler = AsyncIOScheduler(
        timezone="UTC", event_loop=loop, loop_response_timeout=10 * PATIENCE
    )
    scheduler.start()
    waiting, ended = threading.Event(), threading.Event()
    errors: list[str] = []

    async def work() -> None:
        waiting.set()
        await asyncio.Event().wait()

    def job() -> None:
        proxy = asyncio.get_event_loop()
        ways = (
            lambda: proxy.run_until_complete(work()),
            lambda: proxy.run_until_complete(double(1)),
            lambda: asyncio.ensure_future(double(1)).result(),
            lambda: proxy.run_until_complete(asyncio.gather(double(1), double(2))),
            lambda: proxy.call_soon(print),
            lambda: from_thread.run(double, 1),
        )
        for way in ways:
            with pytest.raises(RuntimeError) as raised:
                way()
            errors.append(str(raised.value))
        proxy.call_exception_handler({"message": "told all the same"})
        ended.set()

    scheduler.add_job(job)
    assert waiting.wait(PATIENCE)
    loop.call_soon_threadsafe(loop.stop)
    assert ended.wait(PATIENCE)
    thread.join(PATIENCE)
    if scheduler.running:
        scheduler.shutdown()
    assert len(errors) == 6
    assert all("closed" in error for error in errors)


def test_a_loop_that_was_never_run() -> None:
    loop = asyncio.new_event_loop()
    with loop_in_thread("asyncio"):
        scheduler = BackgroundScheduler(
            timezone="UTC", event_loop=loop, loop_response_timeout=SHORT
        )
        scheduler.start()
        app = App(scheduler, loop)

        def job() -> None:
            with pytest.raises(RuntimeError, match="it is not running"):
                asyncio.get_event_loop().run_until_complete(double(1))

        app.run(job)
        scheduler.shutdown()
    loop.close()


def test_from_the_loops_own_thread_it_raises_at_once() -> None:
    with asyncio_app("asyncio", executors={"default": DebugExecutor()}) as app:

        def job() -> None:
            with pytest.raises(RuntimeError, match="await the coroutine instead"):
                from_thread.run(double, 1)

        app.run(job)


def test_a_program_that_ends_while_a_job_waits() -> None:
    program = """
import asyncio, sys, threading
from mainspring import AsyncIOScheduler

waiting = threading.Event()
loop = asyncio.new_event_loop()

async def work():
    waiting.set()
    await asyncio.Event().wait()

def job():
    try:
        asyncio.get_event_loop().run_until_complete(work())
    except RuntimeError as exc:
        print("shut down" in str(exc) or "closed" in str(exc))

async def main():
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    scheduler.add_job(job)
    while not waiting.is_set():
        await asyncio.sleep(0)

loop.run_until_complete(main())
for task in asyncio.all_tasks(loop):
    task._log_destroy_pending = False
sys.exit(7)
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    # An error, not a quiet cancellation: the program has left the run without the loop that it needs.
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "True\n", "")


BUSY = """
import asyncio, random, sys, threading
from mainspring import AsyncIOScheduler, BackgroundScheduler, from_thread

seed, kind = sys.argv[1:]
random.seed(int(seed))

async def work(number):
    await asyncio.sleep(random.random() * 0.01)
    return number

def waits():
    asyncio.get_event_loop().run_until_complete(work(1))

def starts():
    asyncio.ensure_future(work(1))

def gathers():
    gathered = asyncio.gather(work(1), work(2))
    asyncio.get_event_loop().run_until_complete(asyncio.wait_for(gathered, 30))

def uses_from_thread():
    from_thread.run(work, 1)

def add_jobs(scheduler):
    for job in 5 * [waits, starts, gathers, uses_from_thread]:
        options = {"max_instances": 10_000, "misfire_grace_time": None}
        scheduler.add_job(job, "interval", seconds=0.003, **options)
    scheduler.start()

async def main():
    add_jobs(AsyncIOScheduler(timezone="UTC"))
    await asyncio.sleep(random.random() * 0.15)

if kind == "background":
    add_jobs(BackgroundScheduler(timezone="UTC"))
    threading.Event().wait(random.random() * 0.15)
else:
    asyncio.run(main())
sys.exit(7)
"""


@pytest.mark.parametrize("kind", ["asyncio", "background"])
@pytest.mark.parametrize("seed", range(5))
def test_an_exit_in_the_midst_of_such_jobs(kind: str, seed: int) -> None:
    command = [sys.executable, "-W", "error", "-c", BUSY, str(seed), kind]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )
    assert (ended.returncode, ended.stdout, without_slow(ended.stderr)) == (7, "", "")


class TestFromThread:
    def test_result_error_and_context(self, app: App) -> None:
        def job() -> Any:
            with pytest.raises(ZeroDivisionError):
                from_thread.run(asyncio.to_thread, lambda: 1 // 0)
            return from_thread.run(double, 21)

        assert app.run(job) == (42, app.loop)

    def test_also_without_loops_in_threads(self) -> None:
        with background_app(loop_in_threads=False) as app:
            assert app.run(lambda: from_thread.run(double, 21)) == (42, app.loop)

    def test_the_function_is_called_on_the_loop(self, app: App) -> None:
        def not_a_coroutine_function() -> Any:
            return asyncio.get_running_loop()

        assert app.run(lambda: from_thread.run(not_a_coroutine_function)) is app.loop  # type: ignore[arg-type]

    def test_elsewhere(self, app: App) -> None:
        with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
            from_thread.run(double, 1)

        async def on_the_loop() -> None:
            with pytest.raises(RuntimeError, match="await the coroutine"):
                from_thread.run(double, 1)

        app.on_loop(on_the_loop())

        def with_a_loop_of_its_own() -> None:
            asyncio.run(on_the_loop())

        app.run(with_a_loop_of_its_own)

    def test_a_scheduler_without_a_loop(self) -> None:
        errors: list[str] = []

        def job() -> None:
            try:
                from_thread.run(double, 1)
            except RuntimeError as exc:
                errors.append(str(exc))

        scheduler = ManualScheduler(timezone="UTC")
        scheduler.start()
        scheduler.add_job(job)
        scheduler._process_jobs()
        scheduler.shutdown()
        (error,) = errors
        assert "has no event loop" in error


def test_the_options() -> None:
    for value in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="loop_response_timeout"):
            BackgroundScheduler(timezone="UTC", loop_response_timeout=value)
    scheduler = BackgroundScheduler(
        {"apscheduler.loop_response_timeout": "2.5", "apscheduler.loop_in_threads": "no"}
    )
    assert (scheduler._loop_response_timeout, scheduler._loop_in_threads) == (2.5, False)
