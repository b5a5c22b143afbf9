"""Rows that APScheduler has written are ours, and with its write format ours are APScheduler's."""

from __future__ import annotations

import json
import pickle
import pickletools
import shutil
import sqlite3
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mainspring.executors.debug import DebugExecutor
from mainspring.jobstores.sqlalchemy import SQLAlchemyJobStore
from mainspring.triggers.combining import AndTrigger, OrTrigger
from tests.stores import jobs
from tests.stores.servers import Facts, run_reference
from tests.support import PATIENCE, ManualScheduler

ROWS = Path(__file__).parent / "rows"


def in_file(database: Path) -> tuple[str, dict[str, Any]]:
    return "sqlalchemy", {"url": f"sqlite:///{database}"}


def open_store(database: Path, **options: Any) -> tuple[ManualScheduler, SQLAlchemyJobStore]:
    store = SQLAlchemyJobStore(f"sqlite:///{database}", **options)
    scheduler = ManualScheduler(
        timezone="UTC",
        jobstores={"default": store},
        executors={"default": DebugExecutor()},
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start(paused=True)
    return scheduler, store


def facts_in(scheduler: ManualScheduler) -> Facts:
    # By way of JSON, which changes the types of some things.
    facts: Facts = json.loads(
        json.dumps({job.id: jobs.facts_of(job) for job in scheduler.get_jobs()})
    )
    return facts


@pytest.fixture(scope="module", params=["3.6.3", "3.11.3", "installed"])
def original(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Facts]:
    """A database that APScheduler has filled, and what it says of the jobs."""
    if request.param == "installed":
        database = tmp_path_factory.mktemp("rows") / "jobs.db"
        return database, run_reference("make", *in_file(database))
    facts = json.loads((ROWS / f"apscheduler-{request.param}.json").read_text("utf-8"))
    return ROWS / f"apscheduler-{request.param}.db", facts


@pytest.fixture
def written(original: tuple[Path, Facts], tmp_path: Path) -> tuple[Path, Facts]:
    """A copy of such a database, and what APScheduler says of the jobs."""
    database, facts = original
    return Path(shutil.copy(database, tmp_path / "jobs.db")), facts


class TestReading:
    def test_all_jobs(self, written: tuple[Path, Facts]) -> None:
        database, expected = written
        scheduler, store = open_store(database)
        assert store.get_parked_jobs() == []
        facts = facts_in(scheduler)
        assert facts.keys() == expected.keys()
        for job_id, job_facts in expected.items():
            assert facts[job_id] == job_facts, job_id
        assert store.get_parked_jobs() == []
        scheduler.shutdown()

    def test_nothing_of_apscheduler_is_imported(self, written: tuple[Path, Facts]) -> None:
        database, expected = written
        program = """if True:
            import sys
            sys.modules["apscheduler"] = None
            from mainspring import BackgroundScheduler
            scheduler = BackgroundScheduler(
                timezone="UTC", jobstores={"default": {"type": "sqlalchemy", "url": sys.argv[1]}}
            )
            scheduler.start(paused=True)
            print(len(scheduler.get_jobs()))
            scheduler.shutdown()
        """
        done = subprocess.run(
            [sys.executable, "-c", program, f"sqlite:///{database}"],
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            cwd=ROWS.parents[2],
        )
        assert done.stdout == f"{len(expected)}\n", done.stderr

    def test_they_are_due_and_run(self, written: tuple[Path, Facts]) -> None:
        database, expected = written
        with sqlite3.connect(database) as connection:
            connection.execute(
                "UPDATE apscheduler_jobs SET next_run_time = 0 WHERE next_run_time NOT NULL"
            )
        connection.close()
        scheduler, store = open_store(database)
        due = store.get_due_jobs(datetime.now(timezone.utc))
        assert {job.id for job in due} == expected.keys() - {"paused"}
        jobs.calls.clear()
        (job,) = [job for job in due if job.id == "bound method"]
        job.func(*job.args, **job.kwargs)
        assert jobs.calls == [((46,), {})]
        scheduler.shutdown()

    def test_they_can_be_saved(self, written: tuple[Path, Facts]) -> None:
        database, expected = written
        scheduler, _ = open_store(database)
        for job in scheduler.get_jobs():
            job.modify(max_instances=9)
        assert {job.max_instances for job in scheduler.get_jobs()} == {9}
        assert len(scheduler.get_jobs()) == len(expected)
        scheduler.shutdown()
        assert b"apscheduler" not in all_states(database)


def all_states(database: Path) -> bytes:
    connection = sqlite3.connect(database)
    rows = connection.execute("SELECT job_state FROM apscheduler_jobs").fetchall()
    connection.close()
    return b"".join(state for (state,) in rows)


class TestWriting:
    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_apscheduler_reads_what_it_is_written_for(
        self, written: tuple[Path, Facts], protocol: int
    ) -> None:
        database, expected = written
        scheduler, store = open_store(
            database, write_format="apscheduler", pickle_protocol=protocol
        )
        for job in scheduler.get_jobs():
            store.update_job(job)
        assert facts_in(scheduler) == expected
        scheduler.shutdown()
        assert b"mainspring" not in all_states(database)
        assert run_reference("read", *in_file(database)) == expected

    def test_jobs_that_were_added_here(self, tmp_path: Path) -> None:
        database = tmp_path / "jobs.db"
        scheduler, _ = open_store(database, write_format="apscheduler")
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
        assert run_reference("read", *in_file(database)) == expected

    @pytest.mark.parametrize("write_format", ["mainspring", "apscheduler"])
    def test_format_and_protocol(self, tmp_path: Path, write_format: Any) -> None:
        database = tmp_path / "jobs.db"
        scheduler, _ = open_store(database, write_format=write_format, pickle_protocol=2)
        scheduler.add_job(jobs.record, "cron", hour=3)
        scheduler.shutdown()
        states = all_states(database)
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
            database = tmp_path / write_format
            scheduler, _ = open_store(database, write_format=write_format)
            scheduler.add_job(jobs.record, "cron", day="last", hour="3-5", minute="*/10", id="a")
            expected = scheduler.get_jobs()[0].trigger.__getstate__()["fields"]
            scheduler.shutdown()
            states = all_states(database)
            sizes[write_format] = len(states)
            if write_format == "mainspring":
                trigger = pickle.loads(states)["trigger"]
                assert trigger.fields == expected
                assert [f.is_default for f in trigger.fields] == [f.is_default for f in expected]
        assert sizes["mainspring"] < sizes["apscheduler"]

    def test_no_such_format(self) -> None:
        with pytest.raises(ValueError, match="write_format must be one of mainspring, apscheduler"):
            SQLAlchemyJobStore("sqlite://", write_format="json")  # type: ignore[arg-type]
