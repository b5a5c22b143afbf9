"""A job that RethinkDB keeps: it is still there, and goes on, when the program is started again.

pip install mainspring[rethinkdb] && python examples/rethinkdb_store.py [HOST:PORT]
"""

import asyncio
import sys
from datetime import datetime

from mainspring.jobstores.rethinkdb import RethinkDBJobStore
from mainspring.schedulers.asyncio import AsyncIOScheduler


async def tick() -> None:
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


async def main(address: str = "localhost:28015") -> None:
    host, _, port = address.partition(":")
    scheduler = AsyncIOScheduler()
    scheduler.add_jobstore(RethinkDBJobStore(host=host, port=int(port)))
    scheduler.start()
    if scheduler.get_job("tick"):
        print("Found the job of an earlier run", flush=True)
    else:
        scheduler.add_job(tick, "interval", seconds=1, id="tick")
    print("Press Ctrl-C to exit", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        scheduler.shutdown()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
