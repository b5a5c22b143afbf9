"""Calling a job's function, and awaiting what it returns, with nothing around it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from mainspring._lazy import asyncio

if TYPE_CHECKING:
    from mainspring.job import Job


def call_function(job: Job) -> Any:
    """Call a job's function with its arguments."""
    return job.func(*job.args, **job.kwargs)


async def value_or_exception(awaitable: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """Await, and return the exception: what watches the tasks of the loop would report it once more.

    An exit would stop the loop. A cancellation is the task's own.
    """
    try:
        return await awaitable, None
    except asyncio.CancelledError:
        raise
    except BaseException as exc:
        return None, exc
