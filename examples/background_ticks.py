"""Jobs beside a program that does something else, until Ctrl-C.

python examples/background_ticks.py
"""

import asyncio
import threading
from datetime import datetime

from mainspring.schedulers.background import BackgroundScheduler


def tick() -> None:
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


async def tick_on_a_loop() -> None:  # the scheduler has a loop of its own for these
    await asyncio.sleep(0.1)
    tick()


if __name__ == "__main__":
    scheduler = BackgroundScheduler()
    scheduler.add_job(tick, "interval", seconds=1)
    scheduler.add_job(tick_on_a_loop, "interval", seconds=1)
    scheduler.start()
    print("Press Ctrl-C to exit", flush=True)
    try:
        threading.Event().wait()  # here the program would do its own work
    except KeyboardInterrupt:
        scheduler.shutdown()
