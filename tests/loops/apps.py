"""An application to test jobs in: an event loop in a thread of its own, and a scheduler on it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler
from mainspring._loops.find import finish_loop
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from mainspring.schedulers.base import BaseScheduler
from tests.support import PATIENCE, listen

try:
    import uvloop
except ImportError:  # no wheel for this platform
    uvloop = None

T = TypeVar("T")

#: The loops an application may run on.
NEW_LOOP: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if uvloop is not None:
    NEW_LOOP["uvloop"] = uvloop.new_event_loop


def _as_completed_needs_no_loop() -> bool:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        asyncio.as_completed([])
    except RuntimeError:
        return False
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return True


#: Whether ``asyncio.as_completed`` can be called where no loop is running: CPython 3.14.10 refuses it.
AS_COMPLETED_NEEDS_NO_LOOP = _as_completed_needs_no_loop()

_numbers = count()


class App:
    """A running scheduler and the loop on which its coroutine jobs run."""

    def __init__(self, scheduler: BaseScheduler, loop: asyncio.AbstractEventLoop) -> None:
        self.scheduler = scheduler
        self.loop = loop
        self._recorder = listen(scheduler, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)

    def start(self, func: Callable[..., Any], *args: Any, **options: Any) -> str:
        """Have a job run once, now; return its id."""
        job_id = options.pop("id", f"job-{next(_numbers)}")
        self.scheduler.add_job(func, args=args, id=job_id, misfire_grace_time=None, **options)
        return job_id

    def result(self, job_id: str) -> Any:
        """Wait for the run of a job; return what it returned, or raise what it raised."""
        events = self._recorder.events
        (event,) = self._recorder.wait_until(
            lambda: any(event.job_id == job_id for event in events),
            lambda: [event for event in events if event.job_id == job_id],
        )
        if event.exception is not None:
            raise event.exception
        return event.retval

    def run(self, func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a job and return what it returned, or raise what it raised."""
        return self.result(self.start(func, *args, **options))

    def on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the application on its loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)


@contextmanager
def loop_in_thread(kind: str) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread, in debug mode."""
    loop = NEW_LOOP[kind]()
    loop.set_debug(True)

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        finish_loop(loop)

    thread = threading.Thread(target=run, name="the application")
    thread.start()
    try:
        yield loop
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        gc.collect()  # so that what was left unawaited or unclosed is told in this test


@contextmanager
def asyncio_app(kind: str, **options: Any) -> Iterator[App]:
    """An application on AsyncIOScheduler."""
    with loop_in_thread(kind) as loop:
        scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop, **options)
        scheduler.start()
        try:
            yield App(scheduler, loop)
        finally:
            if scheduler.running:
                scheduler.shutdown()


@contextmanager
def background_app(**options: Any) -> Iterator[App]:
    """An application on BackgroundScheduler with a loop of its own."""
    scheduler = BackgroundScheduler(timezone="UTC", **options)
    scheduler.start()
    loop = scheduler._coroutine_loop()
    assert loop is not None
    loop.call_soon_threadsafe(loop.set_debug, True)
    try:
        yield App(scheduler, loop)
    finally:
        scheduler.shutdown()
        gc.collect()


@contextmanager
def blocking_app(**options: Any) -> Iterator[App]:
    """An application on BlockingScheduler, which blocks another thread."""
    scheduler = BlockingScheduler(timezone="UTC", **options)
    started = threading.Event()
    scheduler.add_listener(lambda event: started.set())
    thread = threading.Thread(target=scheduler.start)
    thread.start()
    assert started.wait(PATIENCE)
    loop = scheduler._coroutine_loop()
    assert loop is not None
    try:
        yield App(scheduler, loop)
    finally:
        scheduler.shutdown()
        thread.join(PATIENCE)
        gc.collect()


#: Every kind of application, by name.
APPS: dict[str, Callable[..., Any]] = {
    **{kind: (lambda kind=kind, **options: asyncio_app(kind, **options)) for kind in NEW_LOOP},
    "background": background_app,
    "blocking": blocking_app,
}


async def double(number: int) -> tuple[int, asyncio.AbstractEventLoop]:
    """Return twice the number, after a turn of the loop, and the loop."""
    await asyncio.sleep(0)
    return 2 * number, asyncio.get_running_loop()


async def fail(message: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(message)


class AwaitableObject(Awaitable[str]):
    """An object that can be awaited, and is neither a coroutine nor a future."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return "awaited"
