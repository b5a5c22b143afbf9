"""One ``asyncio.Runner`` with several runs, and a scheduler that lives across them."""

from __future__ import annotations

import asyncio
import sys

from jobs import Jobs

from mainspring import AsyncIOScheduler

jobs = Jobs()
scheduler = AsyncIOScheduler(timezone="UTC")


async def start() -> None:
    jobs.add_to(scheduler)
    scheduler.start()
    await jobs.ran()


async def go_on() -> None:
    assert scheduler.running
    await jobs.ran()


async def stop() -> None:
    await jobs.ran()
    await scheduler.aclose()


if sys.argv[1] == "uvloop":
    import uvloop

    factory = uvloop.new_event_loop
else:
    factory = asyncio.new_event_loop

with asyncio.Runner(debug=True, loop_factory=factory) as runner:
    runner.run(start())
    for _ in range(3):
        # Sync jobs go on while no run is under way; coroutines wait for the next.
        jobs.wait(kinds=["sync"])
        runner.run(go_on())
    runner.run(stop())
    assert not scheduler.running
    jobs.check(runner.get_loop())

# The next runner has another loop.
with asyncio.Runner(debug=True, loop_factory=factory) as runner:
    jobs.forget()
    runner.run(start())
    runner.run(stop())
    jobs.check(runner.get_loop())
print("done")
