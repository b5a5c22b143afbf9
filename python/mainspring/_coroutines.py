"""Coroutines that the binding needs and only Python can write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class JobExitError(Exception):
    """A ``SystemExit`` on its way out of a job's task.

    A task that raises ``SystemExit`` itself stops the loop it runs on. In a job it ends that run
    only, as in APScheduler.
    """

    def __init__(self, exit: SystemExit) -> None:
        super().__init__(exit)
        self.exit = exit


async def contained(awaitable: Awaitable[T]) -> T:
    """Await what a job's function returned, as the coroutine of the job's task."""
    try:
        return await awaitable
    except SystemExit as exc:
        raise JobExitError(exc) from exc


def run(awaitable: Awaitable[T]) -> T:
    """Await in a thread without an event loop, on one made for the purpose."""
    return asyncio.run(contained(awaitable))
