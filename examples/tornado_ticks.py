"""A coroutine job on Tornado's IOLoop, until Ctrl-C.

pip install mainspring[tornado] && python examples/tornado_ticks.py
"""

import asyncio
from datetime import datetime

from mainspring.schedulers.tornado import TornadoScheduler


async def tick() -> None:
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


async def main() -> None:
    scheduler = TornadoScheduler()
    scheduler.add_job(tick, "interval", seconds=1)
    scheduler.start()
    print("Press Ctrl-C to exit", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
