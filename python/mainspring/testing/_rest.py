"""What a task on an event loop waits for: the time of the clock, or something outside of it.

A task that is not about to go on waits for a future. Where that is another task, or a gathering of them,
it is their futures that count; so it is for a task that waits in asyncio's own code for tasks that it has
started (``asyncio.wait``, ``TaskGroup``), which are told by their contexts. What is left is either the time
of the clock, or something that this module only can name.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from mainspring._threads.futures import ThreadTask, _at_home

_ASYNCIO = os.path.dirname(asyncio.__file__)


@dataclass(frozen=True)
class Waits:
    """What a task waits for.

    :param future: the future it waits for in the end
    :param until: for the time of the clock, when that is, in microseconds of its monotonic time
    :param what: in words
    """

    future: asyncio.Future[Any]
    until: int | None
    what: str


def waits_for(
    task: asyncio.Future[Any], timer_of: Callable[[asyncio.Future[Any]], int | None]
) -> Waits | None:
    """Return what a task waits for, or ``None`` if it is about to go on.

    :param task: the task, or another future that a job waits for
    :param timer_of: returns when the clock ends a future
    """
    waits: Waits | None = None
    for future, owner in _leaves(task, set()):
        if future is None:
            return None
        until = timer_of(future)
        leaf = Waits(future, until, _words(owner, future) if until is None else "the clock")
        if until is None:
            return leaf
        if waits is None or waits.until is None or until < waits.until:
            waits = leaf
    return waits


def _leaves(
    future: asyncio.Future[Any], seen: set[int]
) -> Iterator[tuple[asyncio.Future[Any] | None, asyncio.Future[Any]]]:
    """Yield what a future waits for in the end, ``None`` for something that goes on, and who waits for it."""
    pending = [(future, future)]
    while pending:
        future, owner = pending.pop()
        if id(future) in seen:
            continue
        seen.add(id(future))
        if future.done():
            yield None, owner
            continue
        children = getattr(future, "_children", None)
        if children:
            pending += [(child, child) for child in children if not child.done()] or [
                (future, owner)
            ]
            continue
        if isinstance(future, ThreadTask):  # a worker thread's name of a task on the loop
            if future._task is None:
                yield None, owner
            else:
                pending.append((future._task, future._task))
            continue
        if not isinstance(future, asyncio.Task):
            yield future, owner
            continue
        waiter = getattr(future, "_fut_waiter", None)
        if waiter is None:
            yield None, future
            continue
        group = _group(future)
        if group:
            pending += [(child, child) for child in group]
        else:
            pending.append((waiter, future))


def _group(task: asyncio.Task[Any]) -> list[asyncio.Task[Any]]:
    """Return the tasks that a task waits for in asyncio's own code, as far as they can be told."""
    frames = _frames(task)
    for frame in reversed(frames):
        code = frame.f_code
        if not code.co_filename.startswith(_ASYNCIO):
            return []
        if code.co_name == "_wait" and "fs" in frame.f_locals:
            return [other for other in frame.f_locals["fs"] if not other.done()]
        if code.co_filename.endswith("taskgroups.py"):
            group = frame.f_locals.get("self")
            return [other for other in getattr(group, "_tasks", ()) if not other.done()]
    return []


def _frames(task: asyncio.Task[Any]) -> list[Any]:
    """Return the frames of a suspended task, the innermost last."""
    frames = []
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        frames.append(frame)
        if frame.f_code is _at_home.__code__:  # which takes the steps of another one itself
            coroutine = frame.f_locals["inner"]
            continue
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return frames


def _words(owner: asyncio.Future[Any], future: asyncio.Future[Any]) -> str:
    """Say what the task ``owner`` waits for, and where."""
    frames = _frames(owner) if isinstance(owner, asyncio.Task) else []
    inner = [f for f in frames if f.f_code.co_filename.startswith(_ASYNCIO)]
    outer = [f for f in frames if not f.f_code.co_filename.startswith(_ASYNCIO)]
    what = _qualified(inner[0].f_code, inner[0].f_locals) if inner else _plain(future)
    if not outer:
        return what
    place = outer[-1]
    return f"{what} ({os.path.basename(place.f_code.co_filename)}:{place.f_lineno})"


def _qualified(code: CodeType, variables: dict[str, Any]) -> str:
    name = getattr(code, "co_qualname", None)
    if name is None:
        self = variables.get("self")
        name = code.co_name if self is None else f"{type(self).__name__}.{code.co_name}"
    return f"asyncio.{name}"


def _plain(future: asyncio.Future[Any]) -> str:
    return "a future" if type(future).__name__ == "Future" else f"a {type(future).__name__}"
