"""django-apscheduler through the alias: a project with jobs in its database, and its admin site."""

from __future__ import annotations

import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.loops.places.running import Program

pytest.importorskip("django_apscheduler", reason="django-apscheduler cannot be installed here")

TABLE = "django_apscheduler_djangojob"
#: Django leaves the connections of threads open, which CPython 3.13 tells of; under APScheduler too.
UNCLOSED = r"(Exception ignored in: <sqlite3.*\nResourceWarning: unclosed database.*\n)*"
MANAGE = str(Path(__file__).parent / "django_project" / "manage.py")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "db.sqlite3"
    monkeypatch.setenv("DATABASE", str(path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return path


def manage(*arguments: str) -> Program:
    return Program("-m", "mainspring.as_apscheduler", MANAGE, *arguments)


def select(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_the_command_that_runs_the_scheduler(database: Path) -> None:
    with manage("migrate", "--verbosity", "0") as program:
        assert program.ends() == ""
    before: dict[str, int] = {}
    for _ in range(2):  # the second time the jobs are there
        with manage("runapscheduler") as program:
            lines = Counter[str]()
            while lines["ticks 3"] < 4 or lines["fails"] < 2:
                lines[program.line()] += 1
            program.send_signal(signal.SIGINT)
            # The job that fails is logged.
            assert program.ends(stderr=rf"((?s:Job \"fail .*no good\n))*{UNCLOSED}").endswith(
                "shut down\n"
            )
        jobs = select(database, f"SELECT id FROM {TABLE} ORDER BY id")
        assert jobs == [("count",), ("fail",), ("weekly",)]
        query = f"SELECT job_id || status, count(*) FROM {TABLE}execution GROUP BY 1"
        found = dict(select(database, query))
        assert found["countExecuted"] >= before.get("countExecuted", 0) + 3
        assert found["failError!"] > before.get("failError!", 0)
        before = found
    errors = f"SELECT DISTINCT exception FROM {TABLE}execution WHERE job_id = 'fail'"
    assert select(database, errors) == [("no good",)]


def test_the_projects_own_tests(database: Path) -> None:
    with manage("test", "jobs", "--noinput") as program:
        program.ends(stderr=r"(?s).*\nRan 6 tests in .*\nOK\n.*")
