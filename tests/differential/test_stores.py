"""What APScheduler and mainspring ask a job store that a user has written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.differential.library import FAR, Library, Scenario, Scenarios, assert_same
from tests.support import nothing

scenario = Scenarios()


@pytest.mark.parametrize("function", scenario, ids=lambda function: function.__name__)
def test_scenario(function: Scenario) -> None:
    assert_same(function)


@scenario
def questions_to_a_store(library: Library) -> None:
    jobs: dict[str, Any] = {}

    class Store(library.BaseJobStore):  # type: ignore[misc, name-defined]
        def note(self, *call: Any) -> None:
            library.see("asked", *call)

        def lookup_job(self, job_id: str) -> Any:
            self.note("lookup_job", job_id)
            return jobs.get(job_id)

        def get_due_jobs(self, now: datetime) -> list[Any]:
            self.note("get_due_jobs")
            return []

        def get_next_run_time(self) -> None:
            self.note("get_next_run_time")

        def get_all_jobs(self) -> list[Any]:
            self.note("get_all_jobs")
            return list(jobs.values())

        def add_job(self, job: Any) -> None:
            self.note("add_job", job.id)
            if job.id in jobs:
                raise library.ConflictingIdError(job.id)
            jobs[job.id] = job

        def update_job(self, job: Any) -> None:
            self.note("update_job", job.id)

        def remove_job(self, job_id: str) -> None:
            self.note("remove_job", job_id)
            if jobs.pop(job_id, None) is None:
                raise library.JobLookupError(job_id)

        def remove_all_jobs(self) -> None:
            self.note("remove_all_jobs")

    scheduler = library.manual_scheduler(jobstores={"default": Store()})
    scheduler.start()
    for _ in range(2):
        scheduler.add_job(nothing, "date", run_date=FAR, id="1", replace_existing=True)
    library.attempt(scheduler.add_job, nothing, "date", run_date=FAR, id="1")
    scheduler.get_job("1")
    scheduler.modify_job("1", name="one")
    scheduler.reschedule_job("1", trigger="date", run_date=FAR)
    scheduler.pause_job("1")
    scheduler.resume_job("1", "default")
    library.see_jobs(scheduler)
    scheduler._process_jobs()
    for job_id in ("1", "2"):
        library.attempt(scheduler.remove_job, job_id)
        library.attempt(scheduler.modify_job, job_id)
    scheduler.remove_all_jobs()
    scheduler.shutdown()
