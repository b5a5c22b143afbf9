"""A coroutine job that awaits Deferreds on a Twisted reactor, until Ctrl-C.

pip install mainspring[twisted] && python examples/twisted_ticks.py
"""

from datetime import datetime
from typing import Any

from twisted.internet import reactor, task

from mainspring.schedulers.twisted import TwistedScheduler

global_reactor: Any = reactor


async def tick() -> None:
    await task.deferLater(global_reactor, 0.1)
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


if __name__ == "__main__":
    scheduler = TwistedScheduler()
    scheduler.add_job(tick, "interval", seconds=1)
    scheduler.start()
    print("Press Ctrl-C to exit", flush=True)
    global_reactor.run()
