from __future__ import annotations

import asyncio
import functools
import gc
import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from mainspring._mainspring import returns_awaitable
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from mainspring.executors.base import (
    BaseExecutor,
    MaxInstancesReachedError,
    run_coroutine_job,
    run_job,
)
from mainspring.executors.debug import DebugExecutor
from mainspring.job import Job
from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.base import BaseScheduler
from tests.support import (
    ManualScheduler,
    coroutine_five,
    listen,
    nothing,
    raise_error,
    return_five,
)

PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)


class Stub:
    """What an executor must be able to run: the attributes of a job that a run needs."""

    id = "the-id"
    max_instances = 1
    misfire_grace_time: int | None = 1
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - never changed
    _scheduler: BaseScheduler | None = None
    _jobstore_alias = "store"

    def __init__(self, func: Any, **attributes: Any) -> None:
        self.func = func
        vars(self).update(attributes)

    def __str__(self) -> str:
        return "the stub"


def now() -> datetime:
    return datetime.now(timezone.utc)


def run(stub: Any, *run_times: datetime, coroutine: bool = False) -> list[Any]:
    if coroutine:
        return asyncio.run(run_coroutine_job(stub, "store", run_times or (now(),), "a.logger"))
    return run_job(stub, "store", run_times or (now(),), "a.logger")


@pytest.mark.parametrize("coroutine", [False, True], ids=["run_job", "run_coroutine_job"])
class TestRunJob:
    @pytest.mark.parametrize("func", [return_five, coroutine_five, lambda: coroutine_five()])
    def test_success(self, coroutine: bool, func: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "a.logger")
        run_time = now()
        (event,) = run(Stub(func), run_time, coroutine=coroutine)
        assert (event.code, event.job_id, event.jobstore) == (EVENT_JOB_EXECUTED, "the-id", "store")
        assert (event.retval, event.scheduled_run_time) == (5, run_time)
        assert (event.exception, event.traceback) == (None, None)
        assert [record.getMessage() for record in caplog.records] == [
            f'Running job "the stub" (scheduled at {run_time})',
            'Job "the stub" executed successfully',
        ]

    def test_arguments(self, coroutine: bool) -> None:
        stub = Stub(lambda *args, **kwargs: (args, kwargs), args=(1, 2), kwargs={"k": 3})
        (event,) = run(stub, coroutine=coroutine)
        assert event.retval == ((1, 2), {"k": 3})

    def test_error(self, coroutine: bool, caplog: pytest.LogCaptureFixture) -> None:
        async def fail() -> None:
            raise_error()

        (event,) = run(Stub(fail if coroutine else raise_error), coroutine=coroutine)
        assert event.code == EVENT_JOB_ERROR
        assert isinstance(event.exception, ValueError)
        assert "in raise_error" in event.traceback
        (record,) = caplog.records
        assert record.getMessage() == 'Job "the stub" raised an exception'
        assert record.exc_info

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
    def test_every_exception_is_an_error_of_the_run(
        self, coroutine: bool, error: type[BaseException]
    ) -> None:
        def fail() -> None:
            raise error

        (event,) = run(Stub(fail), coroutine=coroutine)
        assert event.code == EVENT_JOB_ERROR
        assert type(event.exception) is error

    def test_missed(self, coroutine: bool, caplog: pytest.LogCaptureFixture) -> None:
        func = Mock()
        (event,) = run(Stub(func, misfire_grace_time=5), PAST, coroutine=coroutine)
        assert (event.code, event.scheduled_run_time) == (EVENT_JOB_MISSED, PAST)
        func.assert_not_called()
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith('Run time of job "the stub" was missed by ')

    def test_late_within_the_grace_time(self, coroutine: bool) -> None:
        late = now() - timedelta(seconds=5)
        assert (
            run(Stub(nothing, misfire_grace_time=3600), late, coroutine=coroutine)[0].code
            == EVENT_JOB_EXECUTED
        )
        (event,) = run(Stub(nothing, misfire_grace_time=None), PAST, coroutine=coroutine)
        assert event.code == EVENT_JOB_EXECUTED

    def test_several_run_times(self, coroutine: bool) -> None:
        results = iter([1, ValueError("two"), 3])

        def func() -> Any:
            result = next(results)
            if isinstance(result, Exception):
                raise result
            return result

        events = run(Stub(func), PAST, now(), now(), now(), coroutine=coroutine)
        assert [event.code for event in events] == [
            EVENT_JOB_MISSED,
            EVENT_JOB_EXECUTED,
            EVENT_JOB_ERROR,
            EVENT_JOB_EXECUTED,
        ]

    def test_error_leaves_nothing_alive(self, coroutine: bool) -> None:
        class Local: ...

        def func() -> None:
            local = Local()
            raise ValueError(str(type(local)))

        events = run(Stub(func), coroutine=coroutine)
        assert events[0].code == EVENT_JOB_ERROR
        assert not [o for o in gc.get_objects() if type(o) is Local]


def test_run_job_takes_a_mock_of_a_job() -> None:
    job = Mock(Job, func=lambda: 5, args=(), kwargs={}, misfire_grace_time=1)
    (event,) = run_job(job, "default", [datetime.now(timezone.utc)], __name__)
    assert (event.code, event.retval) == (EVENT_JOB_EXECUTED, 5)


class TestAwaitables:
    def test_cancelled_run_is_the_last(self, caplog: pytest.LogCaptureFixture) -> None:
        # DIFFERENCE: APScheduler logs an exception, and goes on with the next run time.
        caplog.set_level(logging.INFO, "a.logger")

        async def forever() -> None:
            await asyncio.get_running_loop().create_future()

        async def main() -> list[Any]:
            stub: Any = Stub(forever)
            task = asyncio.create_task(run_coroutine_job(stub, "store", [now(), now()], "a.logger"))
            await asyncio.sleep(0)
            task.cancel()
            return await task

        (event,) = asyncio.run(main())
        assert isinstance(event.exception, asyncio.CancelledError)
        assert caplog.records[-1].getMessage() == 'Run of job "the stub" was cancelled'
        assert caplog.records[-1].levelno == logging.INFO

    @pytest.mark.parametrize("func", [coroutine_five, lambda: coroutine_five()])
    async def test_run_cancelled_before_it_began(
        self, func: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "mainspring.executors")
        scheduler = AsyncIOScheduler(timezone="UTC")
        recorder = listen(scheduler, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
        scheduler.start(paused=True)
        executor = (
            DebugExecutor() if func is not coroutine_five else scheduler._executors["default"]
        )
        executor.start(scheduler, "default")
        job: Any = Stub(func, _scheduler=scheduler, max_instances=2)
        executor.submit_job(job, [now(), now()])
        while not (tasks := asyncio.all_tasks() - {asyncio.current_task()}):
            await asyncio.sleep(0)
        # The task was made in this turn of the loop, and has its first step in the next.
        tasks.pop().cancel()
        (event,) = await asyncio.to_thread(recorder.wait_for, EVENT_JOB_ERROR)
        assert isinstance(event.exception, asyncio.CancelledError)
        assert caplog.records[-1].getMessage() == 'Run of job "the stub" was cancelled'
        assert caplog.records[-1].levelno == logging.INFO
        assert not executor._instances
        scheduler.shutdown()

    def test_on_the_loop_of_the_scheduler(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)

        async def job() -> Any:
            return asyncio.get_running_loop()

        (event,) = run(Stub(job, _scheduler=scheduler))
        assert event.retval is scheduler._own_loop
        scheduler.shutdown()

    @pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
    def test_error_on_the_loop_of_the_scheduler(self, error: type[BaseException]) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)

        async def job() -> None:
            raise error

        (event,) = run(Stub(job, _scheduler=scheduler))
        assert type(event.exception) is error
        assert scheduler._own_loop is not None
        assert scheduler._own_loop.is_running()
        scheduler.shutdown()

    def test_loop_that_was_closed(self) -> None:
        loop = asyncio.new_event_loop()
        loop.close()
        scheduler = Mock(BaseScheduler)
        scheduler._coroutine_loop.return_value = loop

        (event,) = run(Stub(coroutine_five, _scheduler=scheduler))
        assert isinstance(event.exception, RuntimeError)

    async def test_in_the_thread_of_a_running_loop(self) -> None:
        stub: Any = Stub(coroutine_five)
        (event,) = run_job(stub, "store", [now()], "a.logger")
        assert await event.retval == 5

    @pytest.mark.parametrize(
        ("func", "known"),
        [
            (coroutine_five, True),
            (functools.partial(functools.partial(coroutine_five)), True),
            (return_five, False),
            (lambda: coroutine_five(), False),
            (None, False),
        ],
    )
    def test_known_before_the_call(self, func: Any, known: bool) -> None:
        assert returns_awaitable(func) is known

    def test_objects_and_methods(self) -> None:
        class Asynchronous:
            async def __call__(self) -> None: ...

            async def method(self) -> None: ...

            @classmethod
            async def class_method(cls) -> None: ...

        class Synchronous:
            def __call__(self) -> None: ...

        assert returns_awaitable(Asynchronous())
        assert returns_awaitable(functools.partial(Asynchronous()))
        assert returns_awaitable(Asynchronous().method)
        assert returns_awaitable(Asynchronous.class_method)
        assert not returns_awaitable(Asynchronous)
        assert not returns_awaitable(Synchronous())


class QueueExecutor(BaseExecutor):
    """An executor as a user would write one."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[tuple[Job, Sequence[datetime]]] = []

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        self.queue.append((job, run_times))

    def run_all(self) -> None:
        for job, run_times in self.queue:
            events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
            self._run_job_success(job.id, events)
        self.queue.clear()


class TestUsersExecutor:
    def test_jobs_of_a_native_store(self) -> None:
        executor = QueueExecutor()
        scheduler = ManualScheduler(timezone="UTC", executors={"default": executor})
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(return_five, misfire_grace_time=None, id="a")
        scheduler._process_jobs()
        assert [job.id for job, _ in executor.queue] == ["a"]
        assert executor._instances == {"a": 1}
        executor.run_all()
        assert [event.retval for event in events.events] == [5]
        assert executor._instances == {}
        scheduler.shutdown()

    def test_max_instances(self, caplog: pytest.LogCaptureFixture) -> None:
        executor = QueueExecutor()
        scheduler = ManualScheduler(timezone="UTC", executors={"default": executor})
        scheduler.start()
        job = scheduler.add_job(
            return_five,
            "interval",
            days=1,
            next_run_time=PAST,
            misfire_grace_time=None,
            max_instances=2,
            id="a",
        )
        for _ in range(3):
            job.modify(next_run_time=PAST)
            scheduler._process_jobs()
        assert len(executor.queue) == 2
        assert "maximum number of running instances reached (2)" in caplog.text
        scheduler.shutdown()

    def test_logger(self) -> None:
        executor = QueueExecutor()
        executor.start(MagicMock(BaseScheduler), "mine")
        assert executor._logger.name == "mainspring.executors.mine"

    def test_not_started(self) -> None:
        with pytest.raises(AssertionError, match="has not been started yet"):
            QueueExecutor().submit_job(MagicMock(Job), [])

    def test_failed_submission_takes_no_instance(self) -> None:
        class Failing(BaseExecutor):
            def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
                raise OSError("no room")

        scheduler = MagicMock(BaseScheduler)
        scheduler._create_lock.side_effect = threading.RLock
        executor = Failing()
        executor.start(scheduler, "failing")
        job = MagicMock(Job, id="a", max_instances=1)
        for _ in range(2):
            with pytest.raises(OSError, match="no room"):
                executor.submit_job(job, [now()])

    def test_run_job_error(self, caplog: pytest.LogCaptureFixture) -> None:
        scheduler = MagicMock(BaseScheduler)
        scheduler._create_lock.side_effect = threading.RLock
        executor = QueueExecutor()
        executor.start(scheduler, "mine")
        executor.submit_job(MagicMock(Job, id="a", max_instances=1), [now()])
        executor._run_job_error("a", OSError("broken"))
        assert executor._instances == {}
        assert caplog.records[0].getMessage() == "Error running job a"
        assert "broken" in caplog.text

    def test_message_of_max_instances(self) -> None:
        error = MaxInstancesReachedError(MagicMock(Job, id="a", max_instances=3))
        assert str(error) == 'Job "a" has already reached its maximum number of instances (3)'


class TestDebugExecutor:
    def test_runs_at_once_in_the_thread_that_submits(self) -> None:
        scheduler = ManualScheduler(timezone="UTC", executors={"default": DebugExecutor()})
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(threading.current_thread)
        scheduler._process_jobs()
        assert [event.retval for event in events.events] == [threading.current_thread()]
        scheduler.shutdown()

    def test_coroutine_without_a_loop(self) -> None:
        scheduler = ManualScheduler(timezone="UTC", executors={"default": DebugExecutor()})
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(coroutine_five)
        scheduler._process_jobs()
        assert [event.retval for event in events.events] == [5]
        scheduler.shutdown()

    @pytest.mark.parametrize("func", [coroutine_five, return_five])
    def test_on_a_running_scheduler(self, func: Any) -> None:
        scheduler = BackgroundScheduler(timezone="UTC", executors={"default": {"type": "debug"}})
        events = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(func)
        assert events.wait_for(EVENT_JOB_EXECUTED)[0].retval == 5
        assert events.threads[0].name == "APScheduler"
        scheduler.shutdown()

    def test_error_of_run_job_itself(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("mainspring.executors.base.run_job", Mock(side_effect=OSError("bad")))
        scheduler = MagicMock(BaseScheduler)
        scheduler._create_lock.side_effect = threading.RLock
        executor = DebugExecutor()
        executor.start(scheduler, "debug")
        stub: Any = Stub(nothing)
        executor.submit_job(stub, [now()])
        assert caplog.records[0].getMessage() == "Error running job the-id"
