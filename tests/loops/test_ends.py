"""Runs whose loop, scheduler or program ends under them: settled, told of quietly, nothing unawaited."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_SCHEDULER_PAUSED
from mainspring.executors.asyncio import AsyncIOExecutor
from tests.support import PATIENCE, ListJobStore, listen


async def waits_for_ever() -> None:
    await asyncio.Event().wait()


def messages(caplog: pytest.LogCaptureFixture, text: str) -> list[tuple[int, str]]:
    records = [r for r in caplog.records if text in r.getMessage()]
    assert not any(r.exc_info for r in records)
    return [(r.levelno, r.getMessage().partition(" was ")[2]) for r in records]


def runners() -> Iterator[Any]:
    yield pytest.param(asyncio.run, id="asyncio")
    try:
        import uvloop
    except ImportError:
        return
    yield pytest.param(uvloop.run, id="uvloop")


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="mainspring")


@pytest.mark.parametrize("run", list(runners()))
@pytest.mark.parametrize("store", ["native", "python"])
def test_a_cancellation_by_the_end_of_the_loop_is_told_at_debug(
    run: Callable[[Any], Any], store: str, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    if store == "python":
        scheduler.add_jobstore(ListJobStore())
    recorder = listen(scheduler, EVENT_JOB_ERROR)
    began: asyncio.Event

    async def main() -> None:
        nonlocal began
        began = asyncio.Event()
        scheduler.start()
        scheduler.add_job("tests.loops.test_ends:waits_for_ever", id="waits")
        scheduler.add_job("tests.loops.test_ends:begin", args=[], id="begins")
        while scheduler.get_job("waits") or scheduler.get_job("begins"):
            await asyncio.sleep(0)
        # Both are with the loop; the second returns when the first has begun.
        begins.append(began)
        await asyncio.wait_for(began.wait(), PATIENCE)

    run(main())
    (event,) = recorder.of(EVENT_JOB_ERROR)
    assert isinstance(event.exception, asyncio.CancelledError)
    assert messages(caplog, "was cancelled") == [(logging.DEBUG, "cancelled")]
    if scheduler.running:  # the check of its loop has not stopped it yet
        scheduler.shutdown()


begins: list[asyncio.Event] = []


async def begin() -> None:
    while not begins:
        await asyncio.sleep(0)
    begins.pop().set()


def test_another_cancellation_is_told_at_info_with_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with AsyncIOScheduler(timezone="UTC") as scheduler:
            recorder = listen(scheduler, EVENT_JOB_ERROR)
            tasks: asyncio.Queue[Any] = asyncio.Queue()

            async def job() -> None:
                tasks.put_nowait(asyncio.current_task())
                await waits_for_ever()

            scheduler.add_job(job)
            (await tasks.get()).cancel("enough of it")
            while not recorder.events:
                await asyncio.sleep(0)

    asyncio.run(main())
    # CPython 3.10 does not hand the message on.
    reason = ": enough of it" if sys.version_info >= (3, 11) else ""
    assert messages(caplog, "was cancelled") == [(logging.INFO, f"cancelled{reason}")]


@pytest.mark.parametrize("scheduler_class", [AsyncIOScheduler, BackgroundScheduler])
def test_a_coroutine_returned_after_the_shutdown_is_closed(
    scheduler_class: type[Any], caplog: pytest.LogCaptureFixture
) -> None:
    began, go_on = threading.Event(), threading.Event()
    awaited: list[None] = []

    async def coroutine() -> None:
        awaited.append(None)

    def job() -> Any:
        began.set()
        go_on.wait(PATIENCE)
        return coroutine()

    loop = asyncio.new_event_loop()
    options = {"event_loop": loop} if scheduler_class is AsyncIOScheduler else {}
    scheduler = scheduler_class(timezone="UTC", **options)
    recorder = listen(scheduler, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    scheduler.start()
    if scheduler_class is AsyncIOScheduler:
        loop.run_until_complete(asyncio.sleep(0))
    scheduler.add_job(job)
    assert began.wait(PATIENCE)
    scheduler.shutdown(wait=False)
    go_on.set()
    (event,) = recorder.wait_for(EVENT_JOB_ERROR)
    assert isinstance(event.exception, asyncio.CancelledError)
    reason = "the scheduler has been shut down"
    assert str(event.exception) == reason
    assert messages(caplog, "was cancelled") == [(logging.INFO, f"cancelled: {reason}")]
    assert not awaited
    loop.close()


@pytest.mark.parametrize("end", ["shutdown", "close"])
def test_a_coroutine_that_waits_for_a_loop_which_does_not_come_is_closed(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    returned = threading.Event()
    awaited: list[None] = []

    async def coroutine() -> None:
        awaited.append(None)

    def job() -> Any:
        returned.set()
        return coroutine()

    loop = asyncio.new_event_loop()
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
    recorder = listen(scheduler, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(job)
    assert returned.wait(PATIENCE)
    if end == "shutdown":
        scheduler.shutdown(wait=False)
        loop.close()
    else:
        loop.close()
        assert not scheduler.running
    (event,) = recorder.wait_for(EVENT_JOB_ERROR)
    assert isinstance(event.exception, asyncio.CancelledError)
    assert not awaited
    assert scheduler._engine.wait_idle(PATIENCE)


@pytest.mark.parametrize("executor", ["native", "python"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_in_a_job_is_told_at_info_and_reaches_the_program(
    executor: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Executor(AsyncIOExecutor):
        def submit_job(self, job: Any, run_times: Any) -> None:
            super().submit_job(job, run_times)

    loop = asyncio.new_event_loop()
    executors = {"default": Executor() if executor == "python" else AsyncIOExecutor()}
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop, executors=executors)
    recorder = listen(scheduler, EVENT_JOB_ERROR)

    async def interrupted() -> None:
        raise KeyboardInterrupt

    scheduler.add_job(interrupted)
    scheduler.start()
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(scheduler.aclose())
    loop.close()
    (event,) = recorder.of(EVENT_JOB_ERROR)
    assert isinstance(event.exception, KeyboardInterrupt)
    assert messages(caplog, "was interrupted") == [(logging.INFO, "interrupted")]
    assert "raised an exception" not in caplog.text


def test_an_interrupt_in_a_listener_goes_on_when_all_have_been_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.new_event_loop()
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
    called: list[int] = []

    def interrupted(event: Any) -> None:
        called.append(1)
        raise KeyboardInterrupt

    async def job() -> None:
        pass

    scheduler.add_listener(interrupted, EVENT_JOB_EXECUTED | EVENT_SCHEDULER_PAUSED)
    scheduler.add_listener(lambda event: called.append(2), EVENT_JOB_EXECUTED)
    scheduler.add_job(job)
    scheduler.start()
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert called == [1, 2]
    with pytest.raises(KeyboardInterrupt):
        scheduler.pause()
    loop.run_until_complete(scheduler.aclose())
    loop.close()
    assert "Error notifying listener" not in caplog.text


def test_an_interrupt_of_a_listener_in_another_thread_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    done = threading.Event()

    def interrupted(event: Any) -> None:
        raise KeyboardInterrupt

    scheduler.add_listener(interrupted, EVENT_JOB_EXECUTED)
    scheduler.add_listener(lambda event: done.set(), EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(int)
    assert done.wait(PATIENCE)
    scheduler.shutdown()
    assert "Error notifying listener" in caplog.text
