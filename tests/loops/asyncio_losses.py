"""A program without a scheduler, that ``asyncio.run`` lets down: an interrupt comes at the wrong moment.

Usage: ``asyncio_losses.py "taking over" | cancelled``.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import signal
import sys
from types import FrameType
from typing import Any


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def sleep() -> None:
    await asyncio.sleep(3)


async def cancelled() -> None:
    """Be cancelled by one interrupt, and have the next come before the loop has taken note of that."""
    others = [asyncio.ensure_future(sleep()) for _ in range(2)]
    loop: Any = asyncio.get_running_loop()
    loop.call_later(0.01, interrupt)
    try:
        await asyncio.wait(others)
    finally:
        loop._ready.appendleft(asyncio.Handle(interrupt, (), loop))


def interrupt_in_run(frame: FrameType, event: str, arg: object) -> Any:
    """Interrupt `asyncio.run` when it has taken the signal over, and before it counts interrupts."""
    code = frame.f_code
    if not code.co_filename.endswith("runners.py"):
        return None
    line = linecache.getline(code.co_filename, frame.f_lineno)
    if event == "line" and line.strip() == "self._interrupt_count = 0" and code.co_name == "run":
        sys.settrace(None)
        frame.f_trace = None
        interrupt()
    return interrupt_in_run


signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv[1] == "cancelled":
    asyncio.run(cancelled())
else:
    sys.settrace(interrupt_in_run)
    asyncio.run(sleep())
