"""A Flask application under a server with a thread for each request."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import flask
import werkzeug.serving
from jobs import Jobs

from mainspring import BackgroundScheduler

logging.getLogger("werkzeug").setLevel(logging.WARNING)
app = flask.Flask(__name__)
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
jobs = Jobs()
jobs.add_to(scheduler)
# The pages wait for one another here: each of them has a thread.
together = threading.Barrier(4)


@app.get("/")
def index() -> str:
    together.wait(30)
    ours = Jobs()
    ours.add_to(scheduler)
    ours.wait()
    ours.check(jobs.loop())
    return "ran"


@app.get("/own-loop")
def own_loop() -> str:
    """Answer with a coroutine that adds jobs, as a view that calls asyncio.run does."""

    async def view() -> str:
        ours = Jobs()
        ours.add_to(scheduler)
        await ours.ran()
        ours.check(jobs.loop())
        assert ours.loop() is not asyncio.get_running_loop()
        return "ran"

    return asyncio.run(view())


@app.get("/context")
def context() -> Any:
    """Add a job that would see this request, if jobs saw the context of the request that adds them."""
    done = threading.Event()
    seen: list[bool] = []

    async def job() -> None:
        seen.append(flask.has_request_context())
        done.set()

    scheduler.add_job(job, misfire_grace_time=None)
    assert done.wait(30)
    return {"seen": seen}


server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
print("port", server.port)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
finally:
    server.server_close()
scheduler.shutdown()
print("running:", scheduler.running)
