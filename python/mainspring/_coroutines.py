"""Coroutines that the binding needs and only Python can write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def awaited(awaitable: Awaitable[T]) -> T:
    """Await any awaitable, so that it can be the coroutine of a task."""
    return await awaitable


def run(awaitable: Awaitable[T]) -> T:
    """Await in a thread without an event loop, on one made for the purpose."""
    return asyncio.run(awaited(awaitable))
