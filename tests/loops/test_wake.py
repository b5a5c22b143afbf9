"""How the timer thread wakes a loop: without Python, and again after whatever a job did to the drain."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
from tests.loops.dispatching import NoReaderLoop

WAIT = 30


class TellingLoop(asyncio.SelectorEventLoop):
    """A loop that knows how often something asked it for a turn from outside."""

    def __init__(self) -> None:
        self.asked = 0
        super().__init__()

    def call_soon_threadsafe(self, callback: Any, *args: Any, **options: Any) -> asyncio.Handle:
        self.asked += 1
        return super().call_soon_threadsafe(callback, *args, **options)


class NoReaderTellingLoop(NoReaderLoop, TellingLoop):
    """One that cannot watch file descriptors."""


LOOPS: list[Callable[[], Any]] = [TellingLoop, NoReaderTellingLoop]
if sys.platform != "win32":
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop = request.param()
    yield loop
    loop.close()


async def fires(scheduler: AsyncIOScheduler, count: int) -> None:
    """Waits until jobs have run `count` times, each woken for on its own."""
    for _ in range(count):
        ran = asyncio.Event()

        async def job(ran: asyncio.Event = ran) -> None:
            ran.set()

        scheduler.add_job(job)
        await asyncio.wait_for(ran.wait(), WAIT)


@pytest.mark.skipif(sys.platform == "win32", reason="no loop there can watch a descriptor of ours")
@pytest.mark.parametrize(("cls", "asks"), [(TellingLoop, False), (NoReaderTellingLoop, True)])
def test_a_loop_that_watches_descriptors_is_woken_without_python(
    cls: type[TellingLoop], asks: bool
) -> None:
    loop = cls()

    async def main() -> int:
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            await fires(scheduler, 1)
            before = loop.asked
            await fires(scheduler, 5)
            return loop.asked - before

    asked = loop.run_until_complete(main())
    loop.close()
    # call_soon_threadsafe() would have to wait for the GIL.
    assert bool(asked) == asks


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("suspends", [False, True])
def test_the_loop_is_woken_again_after_an_exit_that_left_the_drain(
    loop: asyncio.AbstractEventLoop, suspends: bool, error: type[BaseException]
) -> None:
    # An inbox that stayed marked as armed would never wake its loop again.
    scheduler = AsyncIOScheduler(timezone="UTC")
    siblings = 20
    done: list[int] = []
    all_done = asyncio.Event()

    async def leave() -> None:
        if suspends:
            await asyncio.sleep(0)
        raise error

    async def sibling(number: int) -> None:
        done.append(number)
        if len(done) == 2 * siblings:
            all_done.set()

    async def main() -> None:
        scheduler.start(paused=True)
        now = datetime.now(timezone.utc)
        options: dict[str, Any] = {"run_date": now, "misfire_grace_time": None}
        for number in range(siblings):
            scheduler.add_job(sibling, "date", args=[number], **options)
        scheduler.add_job(leave, "date", **options)
        for number in range(siblings):
            scheduler.add_job(sibling, "date", args=[siblings + number], **options)
        scheduler.resume()
        await asyncio.wait_for(all_done.wait(), WAIT)
        await fires(scheduler, 3)
        await scheduler.aclose()

    # Either the exit reaches the program, which goes on, or it is only told of; as with other tasks.
    task = loop.create_task(main())
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as left:
            assert type(left) is error
    task.result()
    assert sorted(done) == list(range(2 * siblings))


TASKS = Path("/proc/self/task")


def timer_threads() -> set[str]:
    return {
        task.name for task in TASKS.iterdir() if (task / "comm").read_text() == "mainspring-time\n"
    }


@pytest.mark.skipif(not TASKS.exists(), reason="what the kernel knows of threads is not to be seen")
def test_the_timer_thread_asks_the_kernel_to_be_punctual() -> None:
    # Else the kernel wakes it up to 50 microseconds late.
    before = timer_threads()

    async def slack() -> list[str]:
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            await fires(scheduler, 1)
            files = [Path("/proc", task, "timerslack_ns") for task in timer_threads() - before]
            assert files
            return [file.read_text() for file in files if file.exists()]

    assert set(asyncio.run(slack())) <= {"1\n"}


@pytest.mark.skipif(sys.platform == "win32", reason="no loop there can watch a descriptor of ours")
def test_a_scheduler_that_is_shut_down_as_its_loop_begins_to_watch() -> None:
    watches, has_shut_down = threading.Event(), threading.Event()

    descriptors = set()

    class SlowLoop(asyncio.SelectorEventLoop):
        def add_reader(self, fd: Any, *args: Any) -> None:
            super().add_reader(fd, *args)
            descriptors.add(fd)
            watches.set()
            assert has_shut_down.wait(WAIT)

        def remove_reader(self, fd: Any) -> bool:
            descriptors.discard(fd)
            return super().remove_reader(fd)

    loop = SlowLoop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
        scheduler.start()
        assert watches.wait(WAIT)
        scheduler.shutdown(wait=False)
        has_shut_down.set()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(WAIT)
        assert not descriptors
        scheduler.start()
        ran = threading.Event()

        async def job() -> None:
            ran.set()

        scheduler.add_job(job, misfire_grace_time=None)
        assert ran.wait(WAIT)
        scheduler.shutdown()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT)
        loop.close()
