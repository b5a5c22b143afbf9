"""What the web applications have in common: a listening socket, and jobs that requests wait for."""

from __future__ import annotations

import asyncio
import socket

from jobs import Jobs

from mainspring.schedulers.base import BaseScheduler


def listen() -> socket.socket:
    """Return a listening socket, and say its port: from now on requests wait to be accepted."""
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1])
    return listener


async def answer(scheduler: BaseScheduler) -> str:
    """Add jobs, as a request does, and answer when they have run on the server's loop."""
    jobs = Jobs()
    jobs.add_to(scheduler)
    await jobs.ran()
    jobs.check(asyncio.get_running_loop())
    return f"ran on {type(asyncio.get_running_loop()).__module__.partition('.')[0]}"
