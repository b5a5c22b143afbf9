"""An aiohttp application whose scheduler starts and stops with it, in each way that aiohttp has."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from aiohttp import web
from jobs import Jobs
from web import answer, listen

from mainspring import AsyncIOScheduler

SCHEDULER = web.AppKey("scheduler", AsyncIOScheduler)

loop_kind, place = sys.argv[1:]
# Jobs that run all the time, so that the server is stopped in the midst of work.
jobs = Jobs()


async def on_startup(app: web.Application) -> None:
    app[SCHEDULER] = AsyncIOScheduler(timezone="UTC")
    jobs.add_to(app[SCHEDULER])
    app[SCHEDULER].start()


async def on_cleanup(app: web.Application) -> None:
    app[SCHEDULER].shutdown()
    print("running:", app[SCHEDULER].running)


async def context(app: web.Application) -> AsyncIterator[None]:
    async with AsyncIOScheduler(timezone="UTC") as scheduler:
        app[SCHEDULER] = scheduler
        jobs.add_to(scheduler)
        yield
    print("running:", scheduler.running)


async def index(request: web.Request) -> web.Response:
    return web.Response(text=await answer(request.app[SCHEDULER]))


app = web.Application()
app.router.add_get("/", index)
if place == "cleanup_ctx":
    app.cleanup_ctx.append(context)
else:
    app.on_startup.append(on_startup)
    app.on_cleanup.append(on_cleanup)

if loop_kind == "uvloop":
    import uvloop

    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
loop.set_debug(True)
asyncio.set_event_loop(loop)
with listen() as listener:
    web.run_app(app, sock=listener, print=None, access_log=None, loop=loop)
