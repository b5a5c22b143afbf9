"""A Flask application with jobs, written for Flask-APScheduler and APScheduler 3.x."""

from __future__ import annotations

import threading
from typing import Any

import flask
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from flask_apscheduler import APScheduler
from flask_apscheduler.auth import HTTPBasicAuth

app = flask.Flask(__name__)
scheduler = APScheduler()
#: What ran, and what listeners were told; guarded by the condition, which is told of each.
runs: list[list[Any]] = []
events: list[list[Any]] = []
changed = threading.Condition()


def note(*what: Any) -> str:
    with changed:
        runs.append(list(what))
        changed.notify_all()
    return "done"


@scheduler.task("interval", id="decorated", seconds=0.01, max_instances=50)
def decorated() -> None:
    with scheduler.app.app_context():
        note("decorated", flask.current_app.name)


@scheduler.task("date", id="awaited")
async def awaited() -> None:
    note("awaited")


@scheduler.task("cron", id="failing", year=2100)
def failing() -> None:
    raise ValueError("no good")


@scheduler.authenticate
def is_allowed(auth: dict[str, str]) -> bool:
    return (auth["username"], auth["password"]) == ("guest", "secret")


def listen(event: Any) -> None:
    with changed:
        events.append([event.job_id, event.retval, str(event.exception)])
        changed.notify_all()


@app.get("/wait")
def wait() -> Any:
    """Answer when something has run, or was told to listeners, as the query says."""
    (kind, first), *_ = flask.request.args.items()
    seen = {"run": runs, "event": events}[kind]
    with changed:
        assert changed.wait_for(lambda: any(item[0] == first for item in seen), 30)
        return next(item for item in reversed(seen) if item[0] == first)


app.config.from_mapping(
    JOBS=[
        {
            "id": "configured",
            "func": "app:note",
            "args": ("configured", 2),
            "trigger": "interval",
            "seconds": 3600,
        },
        {"id": "old", "func": "app:note", "trigger": {"type": "cron", "hour": 3, "second": "*/5"}},
    ],
    SCHEDULER_JOBSTORES={"default": {"type": "memory"}},
    SCHEDULER_EXECUTORS={"default": {"type": "threadpool", "max_workers": 4}},
    SCHEDULER_JOB_DEFAULTS={"coalesce": False, "max_instances": 3, "misfire_grace_time": 300},
    SCHEDULER_TIMEZONE="Europe/Berlin",
    SCHEDULER_API_ENABLED=True,
    SCHEDULER_API_PREFIX="/api",
    SCHEDULER_ENDPOINT_PREFIX="jobs.",
    SCHEDULER_AUTH=HTTPBasicAuth(),
)
scheduler.init_app(app)
scheduler.add_listener(listen, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
