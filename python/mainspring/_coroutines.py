"""Coroutines that the binding needs and only Python can write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class JobExitError(Exception):
    """A ``SystemExit`` or ``KeyboardInterrupt`` on its way out of a job's task.

    A task that raises one of them itself stops the loop that it runs on. A ``SystemExit`` is to end
    this run only, as in APScheduler; an interrupt is to be told as the run's error first.
    """

    def __init__(self, exit: SystemExit | KeyboardInterrupt) -> None:
        super().__init__(exit)
        self.exit = exit


async def contained(awaitable: Awaitable[T]) -> T:
    """Await what a job's function returned, as the coroutine of the job's task."""
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as exc:
        raise JobExitError(exc) from exc


def run(awaitable: Awaitable[T]) -> T:
    """Await in a thread without an event loop, on one made for the purpose."""
    return asyncio.run(contained(awaitable))
