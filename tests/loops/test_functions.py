"""What can be a job's function: everything whose result can be awaited is, on the right loop."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from mainspring.schedulers.base import BaseScheduler
from tests.support import PATIENCE, ListJobStore, listen

if sys.platform == "win32":
    LOOPS = [asyncio.ProactorEventLoop]
else:
    import uvloop

    LOOPS = [asyncio.SelectorEventLoop, uvloop.new_event_loop]


async def where() -> asyncio.AbstractEventLoop:
    """Suspend, and return the loop that this runs on."""
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


class Callables:
    async def __call__(self) -> Any:
        return await where()

    async def method(self) -> Any:
        return await where()

    @classmethod
    async def class_method(cls) -> Any:
        return await where()

    @staticmethod
    async def static_method() -> Any:
        return await where()


class SyncCallable:
    def __call__(self) -> Any:
        return where()


class Awaitable:
    def __await__(self) -> Any:
        return where().__await__()


def logged(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


@types.coroutine
def generator_based() -> Any:
    return (yield from where().__await__())


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "coroutine function": where,
    "partial": functools.partial(where),
    "partial of partial": functools.partial(functools.partial(where)),
    "lambda": lambda: where(),
    "bound method": Callables().method,
    "class method": Callables.class_method,
    "static method": Callables.static_method,
    "object with async __call__": Callables(),
    "object with __call__": SyncCallable(),
    "sync decorator": logged(where),
    "object with __await__": Awaitable,
    "types.coroutine": generator_based,
    "AsyncMock": AsyncMock(side_effect=where),
}


def run_in_thread(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def stop() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)

    return stop


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """Run a loop in debug mode in another thread."""
    loop = request.param()
    loop.set_debug(True)
    stop = run_in_thread(loop)
    yield loop
    stop()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


class Place:
    """A started scheduler, and the loop on which its coroutines are to run."""

    def __init__(self, scheduler: BaseScheduler, loop: asyncio.AbstractEventLoop | None) -> None:
        self.scheduler = scheduler
        self.loop = loop
        self.events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def run(self, func: Callable[..., Any], **options: Any) -> Any:
        before = len(self.events.events)
        self.scheduler.add_job(func, misfire_grace_time=None, **options)
        event = self.events.wait_for(EVENT_JOB_EXECUTED | EVENT_JOB_ERROR, before + 1)[-1]
        if event.code == EVENT_JOB_ERROR:
            raise event.exception
        return event.retval


PLACES = ["asyncio", "background", "background with a loop", "blocking", "blocking with a loop"]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Place]:
    scheduler: BaseScheduler
    options = {"event_loop": loop} if "with a loop" in request.param else {}
    thread: threading.Thread | None = None
    expected: asyncio.AbstractEventLoop | None = loop
    if request.param == "asyncio":
        scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
        scheduler.start()
    elif "background" in request.param:
        scheduler = BackgroundScheduler(timezone="UTC", **options)
        scheduler.start()
        expected = loop if options else scheduler._own_loop
    else:
        scheduler = BlockingScheduler(timezone="UTC", **options)
        started = threading.Event()
        scheduler.add_listener(lambda event: started.set())
        thread = threading.Thread(target=scheduler.start)
        thread.start()
        assert started.wait(PATIENCE)
        expected = loop if options else scheduler._own_loop
    yield Place(scheduler, expected)
    scheduler.shutdown()
    if thread is not None:
        thread.join(PATIENCE)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_awaitable_is_awaited_on_the_schedulers_loop(place: Place, name: str) -> None:
    # DIFFERENCE: APScheduler awaits the first three and the methods, and only on its AsyncIOScheduler.
    assert place.run(FUNCTIONS[name]) is place.loop


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_in_a_store_written_in_python(place: Place, name: str) -> None:
    class ObjectStore(ListJobStore):
        """Keeps the functions as they are, which need no name then."""

        functions: dict[str, Any]

        def add_job(self, job: Any) -> None:
            self.jobs = {job.id: job}

        def lookup_job(self, job_id: str) -> Any:
            return self.jobs.get(job_id)

        def get_all_jobs(self) -> list[Any]:
            return list(getattr(self, "jobs", {}).values())

        def update_job(self, job: Any) -> None:
            self.jobs[job.id] = job

        def remove_job(self, job_id: str) -> None:
            del self.jobs[job_id]

    place.scheduler.add_jobstore(ObjectStore(), "python")
    assert place.run(FUNCTIONS[name], jobstore="python") is place.loop


def test_a_task_or_future_of_the_schedulers_loop(place: Place) -> None:
    assert place.loop is not None
    task = asyncio.run_coroutine_threadsafe(start_task(), place.loop).result(PATIENCE)
    assert place.run(lambda: task) is place.loop


async def start_task() -> asyncio.Task[Any]:
    return asyncio.ensure_future(where())


@pytest.mark.parametrize("outcome", ["returns", "raises"])
def test_a_future_of_another_loop(place: Place, outcome: str) -> None:
    other = asyncio.new_event_loop()
    stop = run_in_thread(other)

    async def work() -> Any:
        if outcome == "raises":
            raise LookupError("no luck")
        return await where()

    async def begin() -> asyncio.Task[Any]:
        return asyncio.ensure_future(work())

    try:
        task = asyncio.run_coroutine_threadsafe(begin(), other).result(PATIENCE)
        if outcome == "raises":
            with pytest.raises(LookupError):
                place.run(lambda: task)
        else:
            assert place.run(lambda: task) is other
    finally:
        stop()
        other.close()


def test_a_future_of_a_closed_loop_is_the_runs_error(place: Place) -> None:
    closed = asyncio.new_event_loop()
    future = closed.create_future()
    closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        place.run(lambda: future)


async def numbers() -> AsyncIterator[int]:
    yield 1


class Numbers:
    async def __call__(self) -> AsyncIterator[int]:
        yield 1

    async def method(self) -> AsyncIterator[int]:
        yield 1


@pytest.mark.parametrize("func", [numbers, functools.partial(numbers), Numbers(), Numbers().method])
@pytest.mark.parametrize("cls", [AsyncIOScheduler, BackgroundScheduler, BlockingScheduler])
def test_an_async_generator_function_is_refused(cls: type[BaseScheduler], func: Any) -> None:
    # DIFFERENCE: APScheduler reports it as executed.
    scheduler = cls(timezone="UTC")
    with pytest.raises(TypeError, match="async for item in"):
        scheduler.add_job(func)
    job = scheduler.add_job(where)
    with pytest.raises(TypeError, match="async generator function"):
        job.modify(func=func)


def test_blocking_inside_a_running_loop_names_the_other_scheduler() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="AsyncIOScheduler"):
            BlockingScheduler(timezone="UTC").start()

    asyncio.run(main())


async def test_background_takes_the_loop_that_runs_where_it_is_started() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(where)
    (event,) = await asyncio.to_thread(events.wait_for, EVENT_JOB_EXECUTED)
    assert event.retval is asyncio.get_running_loop()
    await asyncio.to_thread(scheduler.shutdown)
