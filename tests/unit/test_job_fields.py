"""Where the fields of a job are written in Python, they are those of the table in src/job/fields.rs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import datetime, timezone
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

import mainspring
from mainspring import BackgroundScheduler
from mainspring._mainspring import NativeJobs
from mainspring._scheduler.configuration import JOB_DEFAULTS
from mainspring.job import Job
from mainspring.triggers.interval import IntervalTrigger
from mainspring.util import undefined
from tests.support import ListJobStore

FIELDS = {name for name in Job.__slots__ if not name.startswith("_")}
ARGUMENTS = set(NativeJobs.arguments)


def parameters(function: Any) -> dict[str, Any]:
    found = signature(function).parameters.values()
    return {each.name: each.default for each in found if each.kind is not each.VAR_KEYWORD}


def nothing(*args: Any, **kwargs: Any) -> None: ...


def test_stub_has_them() -> None:
    path = Path(mainspring.__file__).with_name("_mainspring.pyi")
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    (job,) = (node for node in classes if node.name == "Job")
    names = [each.target.id for each in job.body if isinstance(each, ast.AnnAssign)]  # type: ignore[union-attr]
    assert {name for name in names if not name.startswith("_")} == FIELDS


def test_class_has_them() -> None:
    assert {
        name for name in FIELDS if type(vars(Job)[name]).__name__ != "getset_descriptor"
    } == set()


def test_jobs_are_added_with_them() -> None:
    assert FIELDS - {"func_ref"} | {"jobstore"} == ARGUMENTS
    adding = set(parameters(BackgroundScheduler.add_job))
    assert adding == ARGUMENTS | {"self", "replace_existing"}
    assert set(parameters(BackgroundScheduler.scheduled_job)) == adding - {
        "func",
        "replace_existing",
    }


def test_scheduler_has_a_default_of_each_that_may_be_undefined() -> None:
    options = parameters(BackgroundScheduler.add_job).items()
    may_be = {name for name, default in options if default is undefined}
    assert set(JOB_DEFAULTS) == may_be - {"next_run_time"}


class TestEachArgument:
    GIVEN = {  # noqa: RUF012
        "id": "an id",
        "func": nothing,
        "args": (1,),
        "kwargs": {"key": 2},
        "name": "a name",
        "misfire_grace_time": 7,
        "coalesce": False,
        "max_instances": 5,
        "trigger": IntervalTrigger(hours=1, timezone="UTC"),
        "executor": "an executor",
        "next_run_time": datetime(2999, 1, 1, tzinfo=timezone.utc),
    }

    @pytest.fixture(params=["pending", "in memory", "in Python", "in Python code"])
    def adding(self, request: pytest.FixtureRequest) -> Iterator[tuple[BackgroundScheduler, str]]:
        scheduler = BackgroundScheduler(timezone="UTC")
        if request.param != "pending":
            scheduler.start(paused=True)
            scheduler.add_jobstore(ListJobStore(), "in Python")
        if request.param == "in Python code":
            scheduler._native_jobs.close()
        yield scheduler, "in Python" if request.param == "in Python" else "default"
        if scheduler.running:
            scheduler.shutdown()

    def test_gets_into_its_field(self, adding: tuple[BackgroundScheduler, str]) -> None:
        scheduler, jobstore = adding
        assert set(self.GIVEN) == ARGUMENTS - {"context", "jobstore"}
        job = scheduler.add_job(jobstore=jobstore, **self.GIVEN)
        assert {name: getattr(job, name) for name in self.GIVEN} == self.GIVEN
        if not job.pending:
            assert job._jobstore_alias == jobstore

    def test_can_be_changed(self, adding: tuple[BackgroundScheduler, str]) -> None:
        scheduler, jobstore = adding
        job = scheduler.add_job(print, "date", id="an id", jobstore=jobstore)
        changes = {name: value for name, value in self.GIVEN.items() if name != "id"}
        changed = scheduler.modify_job("an id", **changes)
        assert {name: getattr(changed, name) for name in self.GIVEN} == self.GIVEN
        for name, value in changes.items():
            setattr(job, name, value)
        assert {name: getattr(job, name) for name in self.GIVEN} == self.GIVEN
