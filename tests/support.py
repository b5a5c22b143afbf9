"""What tests of several modules use: a listener to wait with, schedulers and stores for tests."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from unittest.mock import Mock

from mainspring.events import EVENT_ALL, SchedulerEvent
from mainspring.job import Job
from mainspring.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError
from mainspring.schedulers.base import BaseScheduler
from mainspring.triggers.date import DateTrigger

#: When the jobs of :func:`make_job` run.
DAY = datetime(2999, 1, 1, tzinfo=timezone.utc)

#: How long a test waits for what must happen, in seconds, before it fails.
PATIENCE = 30.0

#: Whether this is the long run of the suite, ``make test-nightly``.
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def without_slow(output: str) -> str:
    """Return what a program has said, but for what asyncio's debug mode says of a busy machine."""
    pattern = r"^(WARNING asyncio: )?Executing <.*> took [\d.]+ seconds\n"
    return re.sub(pattern, "", output, flags=re.MULTILINE)


class Recorder:
    """A listener that keeps the events and can be waited on."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    def __call__(self, event: SchedulerEvent) -> None:
        with self._changed:
            self.events.append(event)
            self.threads.append(threading.current_thread())
            self._changed.notify_all()

    def codes(self) -> list[int]:
        return [event.code for event in self.events]

    def of(self, mask: int) -> list[Any]:
        return [event for event in self.events if event.code & mask]

    def wait_for(self, mask: int, count: int = 1) -> list[Any]:
        """Wait until there are so many events of these kinds, and return them."""
        return self.wait_until(lambda: len(self.of(mask)) >= count, lambda: self.of(mask))

    def wait_until(self, reached: Callable[[], bool], result: Callable[[], Any]) -> Any:
        with self._changed:
            assert self._changed.wait_for(reached, PATIENCE), f"only {self.events}"
            return result()


def listen(scheduler: BaseScheduler, mask: int = EVENT_ALL) -> Recorder:
    recorder = Recorder()
    scheduler.add_listener(recorder, mask)
    return recorder


class ManualScheduler(BaseScheduler):
    """A scheduler as a user would write one: jobs are processed when the test says so."""

    wakeups = 0

    def wakeup(self) -> None:
        self.wakeups += 1

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)


class ListJobStore(BaseJobStore):
    """A job store as a user would write one, which keeps pickled states in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.is_shut_down = False

    def _job(self, state: dict[str, Any]) -> Job:
        job = Job.__new__(Job)
        job.__setstate__(state)
        job._scheduler = self._scheduler
        job._jobstore_alias = self._alias
        return job

    def shutdown(self) -> None:
        self.is_shut_down = True

    def lookup_job(self, job_id: str) -> Job | None:
        state = self.states.get(job_id)
        return None if state is None else self._job(state)

    def get_due_jobs(self, now: datetime) -> list[Job]:
        self.calls.append("get_due_jobs")
        return [
            job for job in self.get_all_jobs() if job.next_run_time and job.next_run_time <= now
        ]

    def get_next_run_time(self) -> datetime | None:
        times = [job.next_run_time for job in self.get_all_jobs() if job.next_run_time]
        return min(times, default=None)

    def get_all_jobs(self) -> list[Job]:
        jobs = [self._job(state) for state in self.states.values()]
        jobs.sort(key=lambda job: (job.next_run_time is None, str(job.next_run_time), job.id))
        return jobs

    def add_job(self, job: Job) -> None:
        if job.id in self.states:
            raise ConflictingIdError(job.id)
        self.states[job.id] = job.__getstate__()

    def update_job(self, job: Job) -> None:
        self.calls.append("update_job")
        if job.id not in self.states:
            raise JobLookupError(job.id)
        self.states[job.id] = job.__getstate__()

    def remove_job(self, job_id: str) -> None:
        if self.states.pop(job_id, None) is None:
            raise JobLookupError(job_id)

    def remove_all_jobs(self) -> None:
        self.states.clear()


def nothing(*args: Any, **kwargs: Any) -> None:
    """Do nothing, and be importable under a name."""


def make_job(id: str, next_run_time: datetime | None = DAY, **options: Any) -> Job:
    """Make a job as a scheduler does, which far away in the future calls :func:`nothing`."""
    defaults = {
        "trigger": DateTrigger(DAY),
        "executor": "default",
        "func": nothing,
        "args": (),
        "kwargs": {},
        "misfire_grace_time": 1,
        "coalesce": True,
        "max_instances": 1,
    }
    scheduler = Mock(BaseScheduler, timezone=timezone.utc)
    return Job(scheduler, id, next_run_time=next_run_time, **{**defaults, **options})


def return_five() -> int:
    return 5


def raise_error() -> None:
    raise ValueError("no good")


async def coroutine_five() -> int:
    return 5
