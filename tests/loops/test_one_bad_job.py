"""One bad thing does not stop the rest: it is told of with the job's id, and everything else goes on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.events import EVENT_JOB_EXECUTED
from mainspring.executors.base import BaseExecutor
from mainspring.jobstores.base import BaseJobStore
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.base import BaseScheduler
from mainspring.triggers.base import BaseTrigger
from tests.support import PATIENCE, ListJobStore, nothing

#: How often the good jobs have to run after the bad thing has been told of.
OFTEN = 3


class Log(logging.Handler):
    """Keeps log records, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.messages.append(record.getMessage())
            self._changed.notify_all()

    def wait_for(self, *texts: str) -> str:
        def found() -> str | None:
            return next((m for m in self.messages if all(text in m for text in texts)), None)

        with self._changed:
            message = self._changed.wait_for(found, PATIENCE)
        assert message is not None, self.messages
        return message


@pytest.fixture
def log() -> Iterator[Log]:
    handler = Log()
    logging.getLogger("mainspring").addHandler(handler)
    yield handler
    logging.getLogger("mainspring").removeHandler(handler)


class Ticks:
    """Good jobs: a coroutine and a function that run over and over."""

    def __init__(self, scheduler: BaseScheduler) -> None:
        self._counts = {"coroutine": 0, "function": 0}
        self._changed = threading.Condition()

        async def coroutine() -> None:
            self._tick("coroutine")

        def function() -> None:
            self._tick("function")

        for func in (coroutine, function):
            scheduler.add_job(func, "interval", seconds=0.01, id=func.__name__)

    def _tick(self, name: str) -> None:
        with self._changed:
            self._counts[name] += 1
            self._changed.notify_all()

    def go_on(self, *names: str) -> None:
        """Wait until these have run again, and often."""
        with self._changed:
            before = dict(self._counts)
            assert self._changed.wait_for(
                lambda: all(self._counts[n] >= before[n] + OFTEN for n in names or self._counts),
                PATIENCE,
            ), self._counts


@pytest.fixture(params=["asyncio", "background"])
def scheduler(request: pytest.FixtureRequest) -> Iterator[BaseScheduler]:
    """Run a scheduler whose loop is in another thread than the test."""
    scheduler: BaseScheduler
    if request.param == "background":
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        yield scheduler
        scheduler.shutdown(wait=False)
        return
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
    scheduler.start()
    yield scheduler
    asyncio.run_coroutine_threadsafe(scheduler.aclose(deadline=0.1), loop).result(PATIENCE)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


class RaisingTrigger(BaseTrigger):
    """Fires once, and raises when it is asked for the time after that."""

    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> datetime | None:
        if previous_fire_time is not None:
            raise LookupError("no calendar")
        return now


class StandingTrigger(BaseTrigger):
    """Gives one fire time again and again."""

    def __init__(self) -> None:
        self.asked = 0
        self.time = datetime.now(timezone.utc)

    def get_next_fire_time(self, previous_fire_time: Any, now: datetime) -> datetime | None:
        self.asked += 1
        return self.time


@pytest.mark.parametrize("store", [MemoryJobStore, ListJobStore])
def test_a_trigger_that_raises(
    scheduler: BaseScheduler, log: Log, store: Callable[[], BaseJobStore]
) -> None:
    ticks = Ticks(scheduler)
    scheduler.add_jobstore(store(), "other")
    job = scheduler.add_job(
        nothing, RaisingTrigger(), id="bad one", jobstore="other", misfire_grace_time=None
    )
    log.wait_for("bad one")
    ticks.go_on()
    assert scheduler.running
    found = scheduler.get_job(job.id)
    assert found is not None
    assert found.next_run_time is None


def test_a_trigger_that_stands_still_does_not_spin(scheduler: BaseScheduler, log: Log) -> None:
    ticks = Ticks(scheduler)
    trigger = StandingTrigger()
    scheduler.add_job(nothing, trigger, id="bad one", misfire_grace_time=None)
    log.wait_for("bad one")
    asked = trigger.asked
    ticks.go_on()
    assert trigger.asked == asked
    job = scheduler.get_job("bad one")
    assert job is not None
    assert job.next_run_time is None


def test_a_listener_that_raises(scheduler: BaseScheduler, log: Log) -> None:
    def listener(event: Any) -> None:
        raise LookupError(event.job_id)

    scheduler.add_listener(listener, EVENT_JOB_EXECUTED)
    ticks = Ticks(scheduler)
    log.wait_for("Error notifying listener", "coroutine")
    log.wait_for("Error notifying listener", "function")
    ticks.go_on()
    assert scheduler.running


class RaisingExecutor(BaseExecutor):
    """An executor that takes no job."""

    def submit_job(self, job: Any, run_times: Any) -> None:
        raise LookupError("no machine")

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("store", [MemoryJobStore, ListJobStore])
def test_an_executor_that_raises(
    scheduler: BaseScheduler, log: Log, store: Callable[[], BaseJobStore]
) -> None:
    ticks = Ticks(scheduler)
    scheduler.add_executor(RaisingExecutor(), "raising")
    scheduler.add_jobstore(store(), "other")
    options = {"executor": "raising", "jobstore": "other", "misfire_grace_time": None}
    scheduler.add_job(nothing, "interval", seconds=0.05, id="bad one", **options)
    log.wait_for("bad one", "raising")
    ticks.go_on()
    assert scheduler.running


@pytest.mark.parametrize("step", ["first", "later"])
def test_a_job_that_blocks_the_loop(scheduler: BaseScheduler, log: Log, step: str) -> None:
    ticks = Ticks(scheduler)
    ticks.go_on()
    ended = threading.Event()

    async def blocks() -> None:
        if step == "later":
            await asyncio.sleep(0.001)
        log.wait_for("bad one", "blocks the event loop")
        ticks.go_on("function")  # worker threads do not care
        ended.set()

    scheduler.add_job(blocks, id="bad one")
    assert ended.wait(PATIENCE)
    ticks.go_on()
    told = [message for message in log.messages if "blocks the event loop" in message]
    assert len(told) == 1


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_a_job_that_never_ends(scheduler: BaseScheduler, log: Log, kind: str) -> None:
    ticks = Ticks(scheduler)
    release = threading.Event()

    async def endless() -> None:
        await asyncio.Event().wait()

    func = endless if kind == "coroutine" else release.wait
    scheduler.add_job(func, "interval", seconds=0.05, id="bad one")
    log.wait_for("bad one", "maximum number of running instances")
    ticks.go_on()
    assert scheduler.running
    scheduler.remove_job("bad one")
    release.set()


def test_running_is_not_claimed_when_the_timer_is_dead(scheduler: BaseScheduler) -> None:
    assert scheduler.running
    scheduler._engine.stop()
    assert not scheduler.running


def test_a_job_that_is_late_by_far_catches_up_without_holding_up_others(
    scheduler: BaseScheduler,
) -> None:
    ticks = Ticks(scheduler)
    start = datetime.now(timezone.utc) - timedelta(days=1)
    scheduler.add_job(
        nothing,
        "interval",
        seconds=1,
        start_date=start,
        next_run_time=start,
        coalesce=False,
        misfire_grace_time=None,
    )
    ticks.go_on()
