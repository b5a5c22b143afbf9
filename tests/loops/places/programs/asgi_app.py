"""A Starlette or FastAPI application under uvicorn, with a scheduler in its lifespan."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from jobs import Jobs
from web import answer, listen

from mainspring import AsyncIOScheduler

framework, loop_kind = sys.argv[1:]
scheduler = AsyncIOScheduler(timezone="UTC")
jobs = Jobs()


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    jobs.add_to(scheduler)
    async with scheduler:
        yield
    print("running:", scheduler.running)


if framework == "fastapi":
    import fastapi
    from fastapi.responses import PlainTextResponse

    app: Any = fastapi.FastAPI(lifespan=lifespan)

    @app.get("/", response_class=PlainTextResponse)
    async def index() -> str:
        return await answer(scheduler)

    @app.get("/sync", response_class=PlainTextResponse)
    def sync() -> str:
        """FastAPI calls this in a worker thread of its own."""
        ours = Jobs()
        ours.add_to(scheduler)
        ours.wait()
        ours.check(jobs.loop())
        return "ran"

else:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await answer(scheduler))

    def sync_page(request: Request) -> PlainTextResponse:
        ours = Jobs()
        ours.add_to(scheduler)
        ours.wait()
        ours.check(jobs.loop())
        return PlainTextResponse("ran")

    app = Starlette(routes=[Route("/", page), Route("/sync", sync_page)], lifespan=lifespan)

with listen() as listener:
    uvicorn.run(app, fd=listener.fileno(), loop=loop_kind, log_level="warning")
print("done")
