"""The classic asyncio program: start the scheduler, then run the loop until Ctrl-C.

python examples/classic_run_forever.py
"""

import asyncio
from datetime import datetime

from mainspring.schedulers.asyncio import AsyncIOScheduler


async def tick() -> None:
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


if __name__ == "__main__":
    scheduler = AsyncIOScheduler()
    scheduler.add_job(tick, "interval", seconds=1)
    scheduler.start()
    print("Press Ctrl-C to exit", flush=True)

    try:
        asyncio.get_event_loop().run_forever()
    except (KeyboardInterrupt, SystemExit):
        pass
