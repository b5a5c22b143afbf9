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


def bridged(future: asyncio.Future[T]) -> asyncio.Future[T]:
    """Return a future of the running loop that ends as one of another loop does.

    :raises RuntimeError: if the other loop is closed
    """
    outcome = _outcome_of(future)
    try:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(outcome, future.get_loop()))
    except RuntimeError:
        outcome.close()
        raise


async def _outcome_of(future: asyncio.Future[T]) -> T:
    return await future


def run(awaitable: Awaitable[T]) -> T:
    """Await in a thread without an event loop, on one made for the purpose."""
    return asyncio.run(contained(awaitable))
