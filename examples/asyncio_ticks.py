"""A coroutine job on the program's own event loop, until Ctrl-C or SIGTERM.

python examples/asyncio_ticks.py
"""

import asyncio
from datetime import datetime

from mainspring.schedulers.asyncio import AsyncIOScheduler


async def tick() -> None:
    await asyncio.sleep(0.1)  # other coroutines run meanwhile
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


async def main() -> None:
    scheduler = AsyncIOScheduler()
    scheduler.add_job(tick, "interval", seconds=1)
    scheduler.start()
    print("Press Ctrl-C to exit", flush=True)
    await scheduler.run_until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
