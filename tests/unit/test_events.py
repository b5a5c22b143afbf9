from __future__ import annotations

import pickle
from datetime import datetime, timezone

import apscheduler.events
import pytest

import mainspring.events as events
from mainspring.events import (
    EVENT_ALL,
    EVENT_JOB_ADDED,
    EVENT_JOB_ERROR,
    EVENT_JOB_SUBMITTED,
    EVENT_JOBSTORE_ADDED,
    JobEvent,
    JobExecutionEvent,
    JobSubmissionEvent,
    SchedulerEvent,
)

NOW = datetime(2026, 3, 29, 2, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize("name", [n for n in dir(apscheduler.events) if n.startswith("EVENT_")])
def test_codes_are_those_of_apscheduler(name: str) -> None:
    assert getattr(events, name) == getattr(apscheduler.events, name)


def test_all_is_the_union_of_the_codes() -> None:
    union = 0
    for name in events.__all__:
        if name.startswith("EVENT_"):
            union |= getattr(events, name)
    assert union == EVENT_ALL


def test_public_names_are_those_of_apscheduler() -> None:
    assert set(events.__all__) == set(apscheduler.events.__all__)


def test_attributes() -> None:
    event = SchedulerEvent(EVENT_JOBSTORE_ADDED, "other")
    assert (event.code, event.alias) == (EVENT_JOBSTORE_ADDED, "other")
    assert SchedulerEvent(1).alias is None

    job_event = JobEvent(EVENT_JOB_ADDED, "a", "default")
    assert (job_event.code, job_event.alias) == (EVENT_JOB_ADDED, None)
    assert (job_event.job_id, job_event.jobstore) == ("a", "default")

    submission = JobSubmissionEvent(EVENT_JOB_SUBMITTED, "a", "default", [NOW])
    assert submission.scheduled_run_times == [NOW]

    error = ValueError("x")
    execution = JobExecutionEvent(EVENT_JOB_ERROR, "a", "default", NOW, None, error, "lines")
    assert execution.scheduled_run_time == NOW
    assert (execution.retval, execution.exception, execution.traceback) == (None, error, "lines")
    assert isinstance(execution, JobEvent)


def test_repr_names_the_class_and_the_fields() -> None:
    # DIFFERENCE: APScheduler prints "<self.__class__.__name__ (code=64)>", a missing brace.
    event = SchedulerEvent(EVENT_JOBSTORE_ADDED, "other")
    assert repr(event) == "<SchedulerEvent (code=64, alias='other')>"
    assert repr(JobEvent(512, "a", "b")) == "<JobEvent (code=512, job_id='a', jobstore='b')>"


def test_events_can_be_pickled() -> None:
    event = JobExecutionEvent(EVENT_JOB_ERROR, "a", "default", NOW, retval=3)
    assert vars(pickle.loads(pickle.dumps(event))) == vars(event)
