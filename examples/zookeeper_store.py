"""A job that is kept in ZooKeeper, so that it goes on where it was when the program is started again.

pip install mainspring[zookeeper] && python examples/zookeeper_store.py 127.0.0.1:2181
"""

import asyncio
import sys
from datetime import datetime

from mainspring import AsyncIOScheduler
from mainspring.jobstores.zookeeper import ZooKeeperJobStore


async def tick() -> None:
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}", flush=True)


async def main(hosts: str) -> None:
    store = ZooKeeperJobStore("/examples/ticks", hosts=hosts)
    async with AsyncIOScheduler(jobstores={"default": store}) as scheduler:
        scheduler.add_job(tick, "interval", seconds=1, id="tick", replace_existing=True)
        print("Press Ctrl-C to exit", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1]))
    except KeyboardInterrupt:
        pass
