"""A Tornado application: in a coroutine of the program's, or on ``IOLoop.current().start()``."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import tornado.httpserver
import tornado.ioloop
import tornado.web
from jobs import Jobs, run
from web import answer, listen

from mainspring import AsyncIOScheduler

place, loop_kind = sys.argv[1:]
scheduler = AsyncIOScheduler(timezone="UTC")
jobs = Jobs()
jobs.add_to(scheduler)


class Index(tornado.web.RequestHandler):
    async def get(self) -> None:
        self.write(await answer(scheduler))


class Plain(tornado.web.RequestHandler):
    def get(self) -> None:
        """Add jobs here, and in a callback of the loop's."""
        tornado.ioloop.IOLoop.current().add_callback(jobs.add_to, scheduler)
        jobs.add_to(scheduler)
        self.write("added")


def log_request(handler: tornado.web.RequestHandler) -> None:
    assert handler.get_status() == 200


def serve() -> Any:
    app = tornado.web.Application([("/", Index), ("/plain", Plain)], log_function=log_request)
    server = tornado.httpserver.HTTPServer(app)
    server.add_socket(listener)
    return server


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with scheduler:
        server = serve()
        await stop.wait()
        server.stop()
        await server.close_all_connections()


with listen() as listener:
    listener.setblocking(False)
    if place == "coroutine":
        run(main(), loop_kind)
    else:
        # Tornado's older style: the loop starts last. Who comes first makes it: the scheduler.
        scheduler.start()
        io_loop = tornado.ioloop.IOLoop.current()
        server = serve()
        io_loop.asyncio_loop.add_signal_handler(signal.SIGTERM, io_loop.stop)
        io_loop.start()
        server.stop()
        scheduler.shutdown()
        io_loop.run_sync(server.close_all_connections)
        io_loop.close(all_fds=True)
print("running:", scheduler.running)
