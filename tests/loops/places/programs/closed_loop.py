"""A loop that is closed in the midst of runs, whose tasks the program has not cancelled."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

from jobs import PATIENCE, Jobs

from mainspring import AsyncIOScheduler

loop_kind, end = sys.argv[1:]


class Warnings(logging.Handler):
    """Waits for the scheduler's warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.came.set()


if loop_kind == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
loop.set_debug(True)
warnings = Warnings()
logging.getLogger("mainspring.scheduler").addHandler(warnings)
jobs = Jobs()
scheduler = AsyncIOScheduler(timezone="UTC")
begun = asyncio.Event()
ended = threading.Event()


async def endless() -> None:
    begun.set()
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        ended.set()


async def main() -> None:
    scheduler.start()
    jobs.add_to(scheduler)
    scheduler.add_job(endless, misfire_grace_time=None)
    scheduler.add_job(lambda: endless(), misfire_grace_time=None)
    await begun.wait()
    await jobs.ran()


loop.run_until_complete(main())
loop.close()
if end == "noticed":
    assert warnings.came.wait(PATIENCE)
    assert ended.wait(PATIENCE)
    assert not scheduler.running
    assert len(warnings.messages) == 1, warnings.messages
    assert "has been closed" in warnings.messages[0]
print("done")
