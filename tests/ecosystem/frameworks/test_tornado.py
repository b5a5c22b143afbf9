"""TornadoScheduler and TornadoExecutor on Tornado's IOLoop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from mainspring.schedulers import SchedulerNotRunningError
from tests.support import listen, return_five

pytest.importorskip("tornado", reason="tornado cannot be installed here")

from tornado import gen
from tornado.ioloop import IOLoop

from mainspring.executors.tornado import TornadoExecutor
from mainspring.schedulers.tornado import TornadoScheduler

PATIENCE = 30


@pytest.fixture
def io_loop() -> Iterator[IOLoop]:
    io_loop = IOLoop(make_current=False)
    yield io_loop
    io_loop.close(all_fds=True)
    asyncio.set_event_loop(None)


async def event_of(scheduler: TornadoScheduler, func: Any, **options: Any) -> tuple[Any, int]:
    """Run a job; return its event and the number of the thread in which its listener is called."""
    told: asyncio.Future[tuple[Any, int]] = asyncio.get_running_loop().create_future()

    def take(event: Any) -> None:
        told.set_result((event, threading.get_ident()))

    scheduler.add_listener(take, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(func, **options)
    try:
        return await asyncio.wait_for(told, PATIENCE)
    finally:
        scheduler.remove_listener(take)


@gen.coroutine
def old_style() -> Any:
    yield gen.sleep(0)
    return IOLoop.current(), threading.get_ident()


async def new_style() -> Any:
    await gen.sleep(0)
    return IOLoop.current(), threading.get_ident()


@pytest.mark.parametrize("func", [old_style, new_style, lambda: new_style()])
def test_coroutine_jobs_run_on_the_ioloop(io_loop: IOLoop, func: Any) -> None:
    async def main() -> None:
        scheduler = TornadoScheduler(timezone="UTC")
        scheduler.start()
        assert scheduler._ioloop is io_loop
        assert isinstance(scheduler._lookup_executor("default"), TornadoExecutor)
        event, thread = await event_of(scheduler, func)
        assert event.exception is None
        assert event.retval == (io_loop, threading.get_ident())
        assert thread == threading.get_ident()
        scheduler.shutdown()

    io_loop.run_sync(main)


def test_other_jobs_run_in_worker_threads_and_are_told_of_on_the_ioloop(io_loop: IOLoop) -> None:
    async def main() -> None:
        scheduler = TornadoScheduler(
            executors={"default": {"type": "tornado", "max_workers": "3"}}, timezone="UTC"
        )
        scheduler.start()
        executor = scheduler._lookup_executor("default")
        assert isinstance(executor, TornadoExecutor)
        assert executor._pool is not None
        assert executor._pool.max_workers == 3
        event, thread = await event_of(scheduler, threading.get_ident)
        assert event.retval != thread == threading.get_ident()
        scheduler.shutdown()

    io_loop.run_sync(main)


def test_a_given_ioloop_that_is_started_later(io_loop: IOLoop) -> None:
    scheduler = TornadoScheduler(io_loop=io_loop, timezone="UTC")
    assert scheduler._ioloop is io_loop
    recorder = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.add_listener(lambda event: io_loop.stop(), EVENT_JOB_EXECUTED)
    scheduler.add_job(new_style)
    scheduler.start()
    io_loop.start()
    assert recorder.events[0].retval == (io_loop, threading.get_ident())
    scheduler.shutdown()


def test_the_current_ioloop_that_is_started_later() -> None:
    scheduler = TornadoScheduler(timezone="UTC")
    scheduler.add_listener(lambda event: IOLoop.current().stop(), EVENT_JOB_EXECUTED)
    recorder = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.add_job(return_five)
    scheduler.start()
    io_loop = IOLoop.current()
    io_loop.start()
    assert recorder.events[0].retval == 5
    scheduler.shutdown()
    io_loop.close(all_fds=True)
    asyncio.set_event_loop(None)


def test_shutdown_of_a_scheduler_that_does_not_run() -> None:
    with pytest.raises(SchedulerNotRunningError):
        TornadoScheduler(timezone="UTC").shutdown()
