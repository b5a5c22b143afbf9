"""Rows that APScheduler has written are ours, and with its write format ours are APScheduler's."""

from __future__ import annotations

import json
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mainspring.executors.debug import DebugExecutor
from mainspring.jobstores.persistent import PersistentJobStore
from mainspring.jobstores.sqlalchemy import SQLAlchemyJobStore
from mainspring.triggers.combining import AndTrigger, OrTrigger
from tests.stores import jobs
from tests.stores.places import PLACES, ROWS, Facts, Place, SQLiteFile, make_place
from tests.support import PATIENCE, ManualScheduler


def open_store(place: Place, **options: Any) -> tuple[ManualScheduler, PersistentJobStore]:
    scheduler = ManualScheduler(
        timezone="UTC",
        jobstores={"default": {"type": place.alias, **place.arguments, **options}},
        executors={"default": DebugExecutor()},
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start(paused=True)
    store = scheduler._jobstores["default"]
    assert isinstance(store, PersistentJobStore)
    return scheduler, store


def facts_in(scheduler: ManualScheduler) -> Facts:
    # By way of JSON, which changes the types of some things.
    facts: Facts = json.loads(
        json.dumps({job.id: jobs.facts_of(job) for job in scheduler.get_jobs()})
    )
    return facts


@pytest.fixture(
    scope="module",
    params=[
        *((alias, version) for version in ("3.6.3", "installed") for alias in PLACES),
        ("sqlalchemy", "3.11.3"),
    ],
    ids="-".join,
)
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, Facts]:
    """A store's alias, the rows in a file that APScheduler has written, and what it says of the jobs."""
    alias, version = request.param
    folder = tmp_path_factory.mktemp("rows")
    place = make_place(alias, request.getfixturevalue, folder)
    if version == "installed":
        facts = place.ask_reference("make")
        rows = folder / "installed.rows"
        place.save(rows)
    else:
        rows = place.rows_of(version)
        facts = json.loads(rows.with_suffix(".json").read_text("utf-8"))
    place.close()
    return alias, rows, facts


@pytest.fixture
def written(
    original: tuple[str, Path, Facts], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Place, Facts]]:
    """A place with such rows, and what APScheduler says of the jobs."""
    alias, rows, facts = original
    place = make_place(alias, request.getfixturevalue, tmp_path)
    place.load(rows)
    yield place, facts
    place.close()


class TestReading:
    def test_all_jobs(self, written: tuple[Place, Facts]) -> None:
        place, expected = written
        scheduler, store = open_store(place)
        assert store.get_parked_jobs() == []
        facts = facts_in(scheduler)
        assert facts.keys() == expected.keys()
        for job_id, job_facts in expected.items():
            assert facts[job_id] == job_facts, job_id
        assert store.get_parked_jobs() == []
        scheduler.shutdown()

    def test_nothing_of_apscheduler_is_imported(self, written: tuple[Place, Facts]) -> None:
        place, expected = written
        program = """if True:
            import json, sys
            sys.modules["apscheduler"] = None
            from mainspring import BackgroundScheduler
            store = {"type": sys.argv[1], **json.loads(sys.argv[2])}
            scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
            scheduler.start(paused=True)
            print(len(scheduler.get_jobs()))
            scheduler.shutdown()
        """
        done = subprocess.run(
            [sys.executable, "-c", program, place.alias, json.dumps(place.arguments)],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            cwd=ROWS.parents[2],
        )
        assert done.stdout == f"{len(expected)}\n", done.stderr

    def test_they_are_due_and_run(self, written: tuple[Place, Facts]) -> None:
        place, expected = written
        place.make_due()
        scheduler, store = open_store(place)
        due = store.get_due_jobs(datetime.now(timezone.utc))
        assert {job.id for job in due} == expected.keys() - {"paused"}
        jobs.calls.clear()
        (job,) = [job for job in due if job.id == "bound method"]
        job.func(*job.args, **job.kwargs)
        assert jobs.calls == [((46,), {})]
        scheduler.shutdown()

    def test_they_can_be_saved(self, written: tuple[Place, Facts]) -> None:
        place, expected = written
        scheduler, _ = open_store(place)
        for job in scheduler.get_jobs():
            job.modify(max_instances=9)
        assert {job.max_instances for job in scheduler.get_jobs()} == {9}
        assert len(scheduler.get_jobs()) == len(expected)
        scheduler.shutdown()
        assert b"apscheduler" not in all_states(place)


def all_states(place: Place) -> bytes:
    return b"".join(place.states().values())


class TestWriting:
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_apscheduler_reads_what_it_is_written_for(
        self, written: tuple[Place, Facts], protocol: int
    ) -> None:
        place, expected = written
        scheduler, store = open_store(place, write_format="apscheduler", pickle_protocol=protocol)
        for job in scheduler.get_jobs():
            store.update_job(job)
        assert facts_in(scheduler) == expected
        scheduler.shutdown()
        assert b"mainspring" not in all_states(place)
        assert place.ask_reference("read") == expected

    def test_jobs_that_were_added_here(self, place: Place) -> None:
        scheduler, _ = open_store(place, write_format="apscheduler")
        cron = {"hour": "3-5", "day": "last,2nd fri", "month": "jan-mar", "day_of_week": "mon-wed"}
        scheduler.add_job(jobs.record, "cron", id="cron", timezone="Europe/Berlin", **cron)
        scheduler.add_job(jobs.record, "interval", hours=1, id="jitter", jitter=3)
        scheduler.add_job(jobs.record, "date", run_date="2999-01-01", id="date")
        scheduler.add_job(
            jobs.record, "calendarinterval", months=1, id="calendar", timezone="Asia/Tokyo"
        )
        scheduler.add_job(jobs.Counter(1).add, "interval", hours=1, id="method", args=[1])
        trigger = scheduler._create_trigger("cron", {"hour": 4, "timezone": "Asia/Tokyo"})
        nested = OrTrigger([trigger, AndTrigger([trigger, OrTrigger([trigger])])])
        scheduler.add_job(jobs.record, nested, id="combined")
        scheduler.add_job("mainspring.util:obj_to_ref", "date", run_date="2999-01-01", args=[1])
        expected = facts_in(scheduler)
        scheduler.shutdown()
        for facts in expected.values():
            facts["func"] = facts["func"].replace("mainspring", "apscheduler")
        assert place.ask_reference("read") == expected

    @pytest.mark.parametrize("write_format", ["mainspring", "apscheduler"])
    def test_format_and_protocol(self, tmp_path: Path, write_format: Any) -> None:
        place = SQLiteFile(tmp_path / "jobs.db")
        scheduler, _ = open_store(place, write_format=write_format, pickle_protocol=2)
        scheduler.add_job(jobs.record, "cron", hour=3)
        scheduler.shutdown()
        states = all_states(place)
        modules = {
            argument.split(" ")[0].partition(".")[0]
            for op, argument, _ in pickletools.genops(states)
            if op.name == "GLOBAL"
        }
        assert write_format in modules
        assert len(modules & {"mainspring", "apscheduler"}) == 1
        assert states[:2] == pickle.PROTO + b"\x02"

    def test_a_cron_trigger_takes_less_room_in_our_own_rows(self, tmp_path: Path) -> None:
        sizes = {}
        for write_format in ("mainspring", "apscheduler"):
            place = SQLiteFile(tmp_path / write_format)
            scheduler, _ = open_store(place, write_format=write_format)
            scheduler.add_job(jobs.record, "cron", day="last", hour="3-5", minute="*/10", id="a")
            expected = scheduler.get_jobs()[0].trigger.__getstate__()["fields"]
            scheduler.shutdown()
            states = all_states(place)
            sizes[write_format] = len(states)
            if write_format == "mainspring":
                trigger = pickle.loads(states)["trigger"]
                assert trigger.fields == expected
                assert [f.is_default for f in trigger.fields] == [f.is_default for f in expected]
        assert sizes["mainspring"] < sizes["apscheduler"]

    def test_no_such_format(self) -> None:
        with pytest.raises(ValueError, match="write_format must be one of mainspring, apscheduler"):
            SQLAlchemyJobStore("sqlite://", write_format="json")  # type: ignore[arg-type]
