from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
)
from mainspring.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from mainspring.schedulers.background import BackgroundScheduler
from tests.support import PATIENCE, ListJobStore, coroutine_five, listen, nothing


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(timezone="UTC")
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


async def loop_of_the_job() -> Any:
    return asyncio.get_running_loop(), threading.current_thread().name


def test_thread(scheduler: BackgroundScheduler) -> None:
    scheduler.start()
    thread = scheduler._thread
    assert thread is not None
    assert (thread.name, thread.daemon) == ("APScheduler", True)
    scheduler.shutdown()
    assert scheduler._thread is None
    assert not thread.is_alive()


def test_thread_that_is_no_daemon() -> None:
    scheduler = BackgroundScheduler(timezone="UTC", daemon="off")
    scheduler.start()
    assert scheduler._thread is not None
    assert not scheduler._thread.daemon
    scheduler.shutdown()


def test_function_runs_in_a_worker(scheduler: BackgroundScheduler) -> None:
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(threading.current_thread)
    (event,) = events.wait_for(EVENT_JOB_EXECUTED)
    assert event.retval.name.startswith("ThreadPoolExecutor-")


def test_coroutine_runs_on_a_loop_of_the_scheduler(scheduler: BackgroundScheduler) -> None:
    # DIFFERENCE: APScheduler calls the function in a worker and never awaits the coroutine.
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(loop_of_the_job)
    (event,) = events.wait_for(EVENT_JOB_EXECUTED)
    assert event.retval == (scheduler._own_loop, "APScheduler")


async def test_coroutine_runs_on_the_loop_running_at_start(
    scheduler: BackgroundScheduler,
) -> None:
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(loop_of_the_job)
    (event,) = await asyncio.to_thread(events.wait_for, EVENT_JOB_EXECUTED)
    assert event.retval[0] is asyncio.get_running_loop()
    await asyncio.to_thread(scheduler.shutdown)


@pytest.mark.parametrize("store", ["memory", ListJobStore], ids=["native", "python"])
def test_coroutine_runs_on_the_given_loop(store: Any) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    scheduler = BackgroundScheduler(timezone="UTC", event_loop=loop)
    scheduler.add_jobstore(store if isinstance(store, str) else store())
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(loop_of_the_job)
    (event,) = events.wait_for(EVENT_JOB_EXECUTED)
    assert event.retval[0] is loop
    scheduler.shutdown()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_given_loop_that_is_closed() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    scheduler = BackgroundScheduler(timezone="UTC", event_loop=loop)
    with pytest.raises(RuntimeError, match=r"The loop for the coroutine jobs, .* is closed"):
        scheduler.start()
    assert not scheduler.running


def test_errors_of_state(scheduler: BackgroundScheduler) -> None:
    with pytest.raises(SchedulerNotRunningError):
        scheduler.shutdown()
    scheduler.start()
    with pytest.raises(SchedulerAlreadyRunningError):
        scheduler.start()
    assert scheduler.running
    scheduler.shutdown()
    with pytest.raises(SchedulerNotRunningError):
        scheduler.shutdown()


def test_restart(scheduler: BackgroundScheduler) -> None:
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    for count in (1, 2):
        scheduler.start()
        scheduler.add_job(nothing)
        scheduler.add_job(coroutine_five)
        events.wait_for(EVENT_JOB_EXECUTED, 2 * count)
        scheduler.shutdown()


def test_wakeup_and_pause(scheduler: BackgroundScheduler) -> None:
    events = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.start(paused=True)
    scheduler.add_job(nothing, misfire_grace_time=None)
    scheduler.wakeup()
    assert len(scheduler.get_jobs()) == 1
    scheduler.resume()
    events.wait_for(EVENT_JOB_EXECUTED)


class TestShutdown:
    def blocked_job(self) -> tuple[Any, threading.Event, threading.Event]:
        started, go_on = threading.Event(), threading.Event()

        def job() -> str:
            started.set()
            assert go_on.wait(PATIENCE)
            return "ended"

        return job, started, go_on

    def test_waits_for_functions(self, scheduler: BackgroundScheduler) -> None:
        job, started, go_on = self.blocked_job()
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_SCHEDULER_SHUTDOWN)
        scheduler.start()
        scheduler.add_job(job)
        assert started.wait(PATIENCE)
        threading.Timer(0.05, go_on.set).start()
        scheduler.shutdown()
        assert events.codes() == [EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN]

    def test_waits_for_coroutines(self, scheduler: BackgroundScheduler) -> None:
        started, go_on = threading.Event(), asyncio.Event()

        async def job() -> str:
            started.set()
            await go_on.wait()
            return "ended"

        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_SCHEDULER_SHUTDOWN)
        scheduler.start()
        scheduler.add_job(job)
        assert started.wait(PATIENCE)
        loop = scheduler._own_loop
        assert loop is not None
        loop.call_soon_threadsafe(loop.call_later, 0.05, go_on.set)
        scheduler.shutdown()
        assert events.codes() == [EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN]
        assert loop.is_closed()

    def test_without_waiting(self, scheduler: BackgroundScheduler) -> None:
        job, started, go_on = self.blocked_job()
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_SCHEDULER_SHUTDOWN)
        scheduler.start()
        scheduler.add_job(job)
        assert started.wait(PATIENCE)
        scheduler.shutdown(wait=False)
        assert events.codes() == [EVENT_SCHEDULER_SHUTDOWN]
        go_on.set()
        events.wait_for(EVENT_JOB_EXECUTED)

    def test_without_waiting_cancels_coroutines(self, scheduler: BackgroundScheduler) -> None:
        started = threading.Event()

        async def job() -> None:
            started.set()
            await asyncio.get_running_loop().create_future()

        events = listen(scheduler, EVENT_JOB_ERROR)
        scheduler.start()
        scheduler.add_job(job)
        assert started.wait(PATIENCE)
        scheduler.shutdown(wait=False)
        (event,) = events.wait_for(EVENT_JOB_ERROR)
        assert isinstance(event.exception, asyncio.CancelledError)

    @pytest.mark.parametrize("wait", [True, False])
    def test_from_a_job_in_a_worker(self, scheduler: BackgroundScheduler, wait: bool) -> None:
        # DIFFERENCE: in APScheduler the worker cannot wait for itself, and raises RuntimeError.
        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.start()
        scheduler.add_job(scheduler.shutdown, args=[wait])
        events.wait_for(EVENT_JOB_EXECUTED)
        assert not scheduler.running

    @pytest.mark.parametrize("wait", [True, False])
    def test_from_a_coroutine_job(self, scheduler: BackgroundScheduler, wait: bool) -> None:
        async def job() -> None:
            scheduler.shutdown(wait)

        events = listen(scheduler, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.start()
        thread = scheduler._thread
        assert thread is not None
        scheduler.add_job(job)
        # Without waiting every coroutine run is cancelled, this one too if it still can be.
        events.wait_for(EVENT_JOB_EXECUTED if wait else EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        thread.join(PATIENCE)
        assert not thread.is_alive()

    def test_from_a_listener(self, scheduler: BackgroundScheduler) -> None:
        scheduler.add_listener(lambda event: scheduler.shutdown(), EVENT_SCHEDULER_STARTED)
        scheduler.start()
        assert not scheduler.running

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    @pytest.mark.parametrize("daemon", [True, False])
    def test_one_that_is_cut_short_ends_the_thread(
        self, daemon: bool, error: type[BaseException]
    ) -> None:
        class Interrupted(BackgroundScheduler):
            def _settle_runs(self, wait: bool) -> None:
                raise error

        scheduler = Interrupted(timezone="UTC", daemon=daemon)
        scheduler.start()
        thread = scheduler._thread
        assert thread is not None
        with pytest.raises(error):
            scheduler.shutdown()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    def test_leaves_no_thread(self, scheduler: BackgroundScheduler) -> None:
        before = set(threading.enumerate())
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_jobstore(ListJobStore(), "python")
        scheduler.add_job(nothing)
        scheduler.add_job(nothing, jobstore="python")
        events.wait_for(EVENT_JOB_EXECUTED, 2)
        scheduler.shutdown()
        assert set(threading.enumerate()) <= before


class TestStartThatIsCutShort:
    """An interrupt, or a handler that shuts the scheduler down, comes while the thread is being started."""

    @pytest.mark.parametrize("begun", [False, True])
    @pytest.mark.parametrize("how", ["interrupt", "shutdown", "shutdown and interrupt"])
    @pytest.mark.parametrize("daemon", [True, False])
    def test_everything_ends(
        self, monkeypatch: pytest.MonkeyPatch, daemon: bool, how: str, begun: bool
    ) -> None:
        scheduler = BackgroundScheduler(timezone="UTC", daemon=daemon)
        results: list[int | None] = []
        threads: list[threading.Thread] = []
        start = threading.Thread.start

        def needs_the_loop() -> None:
            results.append(asyncio.get_event_loop().run_until_complete(coroutine_five()))

        def strike(thread: threading.Thread) -> None:
            if thread.name != "APScheduler":
                start(thread)
                return
            threads.append(thread)
            if begun:
                start(thread)
            if "shutdown" in how:
                scheduler.shutdown()
            if "interrupt" in how:
                raise KeyboardInterrupt
            if not begun:
                start(thread)

        monkeypatch.setattr(threading.Thread, "start", strike)
        scheduler.add_job(needs_the_loop)
        if "interrupt" in how:
            with pytest.raises(KeyboardInterrupt):
                scheduler.start()
        else:
            scheduler.start()
        monkeypatch.undo()
        if scheduler.running:
            scheduler.shutdown()
        if threads[0].ident is not None:
            threads[0].join(PATIENCE)
        assert not threads[0].is_alive()
        if begun or how == "interrupt":
            assert results in ([5], [])  # where the worker has begun with it by then
        scheduler.start()
        scheduler.shutdown()
