"""Flask-APScheduler through the alias: its decorators, its configuration, its REST API."""

from __future__ import annotations

import base64
import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loops.places.running import PATIENCE, Program

pytest.importorskip("flask_apscheduler", reason="Flask-APScheduler cannot be installed here")

APPLICATION = Path(__file__).parent / "flask_app" / "serve.py"


class Client:
    """Makes requests, which are authorized unless they are told not to be."""

    def __init__(self, port: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.password = "secret"

    def __call__(self, method: str, path: str, data: object = None) -> Any:
        """Return the answer's JSON, ``None`` if it is empty, or the status of an error and its text."""
        secret = base64.b64encode(f"guest:{self.password}".encode()).decode()
        request = urllib.request.Request(
            self._url + path,
            None if data is None else json.dumps(data).encode(),
            {"Authorization": f"Basic {secret}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return json.loads(response.read() or "null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with Program("-m", "mainspring.as_apscheduler", str(APPLICATION)) as program:
        yield program


@pytest.fixture(scope="module")
def client(program: Program) -> Client:
    return Client(program.line("port"))


def test_the_application_has_started(client: Client) -> None:
    info = client("GET", "/api")
    assert (info["running"], info["allowed_hosts"]) == (True, ["*"])


def test_the_api_asks_for_a_password(client: Client) -> None:
    client.password = "guess"
    try:
        assert client("GET", "/api/jobs") == (401, "Access Denied")
    finally:
        client.password = "secret"


def test_decorated_functions_run(client: Client) -> None:
    assert client("GET", "/wait?run=decorated") == ["decorated", "app"]
    assert client("GET", "/wait?run=awaited") == ["awaited"]
    assert client("GET", "/wait?event=decorated") == ["decorated", None, "None"]


def test_jobs_of_the_configuration(client: Client) -> None:
    job = client("GET", "/api/jobs/configured")
    start = job.pop("start_date")
    assert job.pop("next_run_time") == start
    assert start.endswith(("+01:00", "+02:00"))
    assert job == {
        "id": "configured",
        "name": "configured",
        "func": "app:note",
        "args": ["configured", 2],
        "kwargs": {},
        "trigger": "interval",
        "hours": 1,
        "misfire_grace_time": 300,
        "max_instances": 3,
    }
    old = client("GET", "/api/jobs/old")
    assert (old["trigger"], old["hour"], old["second"]) == ("cron", "3", "*/5")
    ids = {job["id"] for job in client("GET", "/api/jobs")}
    assert ids == {"configured", "old", "decorated", "failing"}


def test_a_job_is_added_changed_and_removed(client: Client) -> None:
    definition = {
        "id": "added",
        "func": "app:note",
        "args": ["added"],
        "trigger": "date",
        "run_date": "2100-01-01T12:00:00+00:00",
    }
    added = client("POST", "/api/jobs", definition)
    assert (added["trigger"], added["next_run_time"]) == ("date", "2100-01-01T12:00:00+00:00")
    assert client("POST", "/api/jobs", definition) == (
        409,
        '{"error_message": "Job added already exists."}',
    )
    assert client("POST", "/api/jobs/added/pause")["next_run_time"] is None
    assert client("POST", "/api/jobs/added/resume")["next_run_time"] == added["next_run_time"]

    change = {"trigger": "cron", "year": "2101", "hour": 4, "name": "changed"}
    changed = client("PATCH", "/api/jobs/added", change)
    assert (changed["trigger"], changed["hour"], changed["name"]) == ("cron", "4", "changed")
    assert changed["next_run_time"] == "2101-01-01T04:00:00+01:00"

    assert client("POST", "/api/jobs/added/run")["id"] == "added"
    assert client("GET", "/wait?run=added") == ["added"]
    assert client("DELETE", "/api/jobs/added") is None
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause")]:
        status, text = client(method, f"/api/jobs/added{path}")
        assert (status, json.loads(text)) == (404, {"error_message": "Job added not found"})


def test_a_job_for_now_runs_and_is_told_of(client: Client) -> None:
    client("POST", "/api/jobs", {"id": "now", "func": "app:note", "args": ["now"]})
    assert client("GET", "/wait?run=now") == ["now"]
    assert client("GET", "/wait?event=now") == ["now", "done", "None"]


def test_a_job_that_fails(client: Client) -> None:
    status, text = client("POST", "/api/jobs/failing/run")
    assert (status, json.loads(text)) == (500, {"error_message": "no good"})
    client("PATCH", "/api/jobs/failing", {"misfire_grace_time": None})
    client("PATCH", "/api/jobs/failing", {"trigger": "date", "run_date": "2020-01-01T00:00:00Z"})
    assert client("GET", "/wait?event=failing") == ["failing", None, "no good"]


def test_pause_and_resume(client: Client) -> None:
    assert client("POST", "/api/pause") is None
    assert client("POST", "/api/resume") is None
    assert client("POST", "/api/shutdown", {"wait": True}) is None
    status, _ = client("POST", "/api/shutdown", {})
    assert status == 400
    assert client("GET", "/api")["running"] is False
    assert client("POST", "/api/start") is None
    assert client("POST", "/api/start")[0] == 400


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_the_application_ends(program: Program, client: Client) -> None:
    program.send_signal(signal.SIGINT)
    # The API logs the errors that it answers with.
    assert program.ends(stderr=r"(?s).*").endswith("running False\n")
