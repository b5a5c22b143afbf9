"""Uses an installed mainspring, from a directory without its sources: one job runs on the loop."""

import asyncio
from pathlib import Path

import mainspring
from mainspring.schedulers.asyncio import AsyncIOScheduler


async def main() -> None:
    """Waits for one run of a coroutine job."""
    ran: asyncio.Future[asyncio.AbstractEventLoop] = asyncio.get_running_loop().create_future()

    async def job() -> None:
        ran.set_result(asyncio.get_running_loop())

    scheduler = AsyncIOScheduler()
    scheduler.add_job(job)
    scheduler.start()
    if await asyncio.wait_for(ran, 30) is not asyncio.get_running_loop():
        raise SystemExit("the job ran on another loop")
    scheduler.shutdown()


asyncio.run(main())
print(f"mainspring {mainspring.__version__} from {Path(mainspring.__file__).parent} works")
