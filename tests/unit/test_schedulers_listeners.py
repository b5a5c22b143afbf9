"""Listeners are told the events they ask for, and no fault of one is another's."""

from __future__ import annotations

import logging
from threading import Event

import pytest

from mainspring import BackgroundScheduler
from mainspring.events import (
    EVENT_ALL,
    EVENT_JOB_ADDED,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_SUBMITTED,
    EVENT_JOBSTORE_ADDED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    SchedulerEvent,
)
from mainspring.executors.debug import DebugExecutor
from tests.support import PATIENCE, ManualScheduler, listen, nothing, raise_error
from tests.unit.schedulers import messages


class TestListeners:
    def test_mask(self, scheduler: ManualScheduler) -> None:
        started = listen(scheduler, EVENT_SCHEDULER_STARTED)
        everything = listen(scheduler)
        scheduler.start()
        assert started.codes() == [EVENT_SCHEDULER_STARTED]
        assert everything.codes() == [EVENT_JOBSTORE_ADDED, EVENT_SCHEDULER_STARTED]

    def test_mask_of_a_listener_added_later(self, scheduler: ManualScheduler) -> None:
        scheduler.start()
        executed = listen(scheduler, EVENT_JOB_EXECUTED)
        scheduler.add_job(nothing, id="a")
        scheduler._process_jobs()
        assert [event.job_id for event in executed.events] == ["a"]

    def test_remove(self, scheduler: ManualScheduler) -> None:
        one, two = listen(scheduler), listen(scheduler)
        scheduler.remove_listener(one)
        scheduler.remove_listener(one)
        scheduler.start()
        assert one.events == []
        assert two.events

    def test_remove_takes_away_every_registration(self, scheduler: ManualScheduler) -> None:
        # DIFFERENCE: APScheduler skips an entry after each one it removes.
        listener = listen(scheduler, EVENT_SCHEDULER_STARTED)
        scheduler.add_listener(listener, EVENT_SCHEDULER_SHUTDOWN)
        scheduler.remove_listener(listener)
        scheduler.start()
        scheduler.shutdown()
        assert listener.events == []

    def test_error_is_logged_and_others_are_called(
        self, scheduler: ManualScheduler, caplog: pytest.LogCaptureFixture
    ) -> None:
        scheduler.add_listener(lambda event: raise_error())
        after = listen(scheduler)
        scheduler.start()
        assert after.events
        told = messages(caplog, logging.ERROR)
        assert any(message.startswith("Error notifying listener") for message in told)

    def test_overridden_dispatch_gets_every_event(self) -> None:
        class Scheduler(ManualScheduler):
            def _dispatch_event(self, event: SchedulerEvent) -> None:
                seen.append(event.code)

        seen: list[int] = []
        scheduler = Scheduler(timezone="UTC", executors={"default": DebugExecutor()})
        scheduler.start()
        scheduler.add_job(nothing)
        scheduler._process_jobs()
        scheduler.shutdown()
        assert EVENT_JOB_SUBMITTED in seen
        assert EVENT_JOB_EXECUTED in seen


def test_mask_of_no_listener(scheduler: ManualScheduler) -> None:
    assert scheduler._listener_mask() == 0
    scheduler.add_listener(nothing, EVENT_JOB_ADDED)
    scheduler.add_listener(nothing, EVENT_JOB_EXECUTED)
    assert scheduler._listener_mask() == EVENT_JOB_ADDED | EVENT_JOB_EXECUTED
    scheduler.add_listener(nothing)
    assert scheduler._listener_mask() == EVENT_ALL


def test_a_listener_may_wait_for_the_job_that_was_added() -> None:
    # DIFFERENCE: in APScheduler it would wait for ever, since add_job holds the lock that processing
    # needs; so the events of a run come after that of the job, which here either may.
    scheduler = BackgroundScheduler(timezone="UTC")
    told = Event()
    scheduler.add_listener(lambda event: told.set(), EVENT_JOB_EXECUTED)
    scheduler.start()
    waited = []
    scheduler.add_listener(lambda event: waited.append(told.wait(PATIENCE)), EVENT_JOB_ADDED)
    after = listen(scheduler, EVENT_JOB_ADDED | EVENT_JOB_EXECUTED)
    scheduler.add_job(nothing, misfire_grace_time=None)
    scheduler.shutdown()
    assert waited == [True]
    assert set(after.codes()) == {EVENT_JOB_ADDED, EVENT_JOB_EXECUTED}
