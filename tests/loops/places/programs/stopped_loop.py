"""A loop that is stopped, and a scheduler that is shut down when nothing runs the loop any more."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

from jobs import PATIENCE

from mainspring import AsyncIOScheduler
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent

if sys.argv[1] == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
logging.getLogger("mainspring.executors.default").setLevel(logging.WARNING)
scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
called = threading.Event()
ends: list[JobExecutionEvent] = []
ended = threading.Event()


def listener(event: JobExecutionEvent) -> None:
    ends.append(event)
    ended.set()


def job() -> object:
    """Return a coroutine in a worker thread, when the loop has been stopped."""
    assert stopped.wait(PATIENCE)
    called.set()
    return asyncio.sleep(0)


async def main() -> None:
    scheduler.add_listener(listener, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(lambda: job(), id="left", misfire_grace_time=None)


stopped = threading.Event()
loop.run_until_complete(main())
stopped.set()
assert called.wait(PATIENCE)
scheduler.shutdown(wait=sys.argv[2] == "wait")
loop.close()
assert ended.wait(PATIENCE)
assert [event.job_id for event in ends] == ["left"]
# At once, the coroutine may come when there is no loop any more, and is run in the worker.
if sys.argv[2] == "wait":
    assert isinstance(ends[0].exception, asyncio.CancelledError)
print("done")
