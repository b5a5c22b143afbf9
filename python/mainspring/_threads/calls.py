"""Calling a job's function, and awaiting what it returns, with nothing around it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.job import Job


def call_function(job: Job) -> Any:
    """Call a job's function with its arguments."""
    return job.func(*job.args, **job.kwargs)


async def value_or_exit(awaitable: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """Await, and return the exceptions that would stop the loop if the task raised them."""
    try:
        return await awaitable, None
    except (SystemExit, KeyboardInterrupt) as exc:
        return None, exc
