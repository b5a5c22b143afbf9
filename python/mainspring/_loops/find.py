"""Finding, making and closing event loops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any, TypeVar
from weakref import WeakSet

from mainspring._lazy import asyncio
from mainspring._loops.coroutines import is_task_of_run
from mainspring._loops.current import current_loop, kept
from mainspring._loops.greenlets import threads_are_greenlets
from mainspring._mainspring import keep_for_ever

T = TypeVar("T")

#: The loops made here that have not been closed.
_made: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
#: Set when the interpreter exits.
_are_kept = Event()

#: The loops that this process has from its parent by a fork, and shares a selector with.
_of_parent: list[asyncio.AbstractEventLoop] = []


class _Hidden(threading.local):
    """The loop that this thread runs, while others are not to see it."""

    loop: asyncio.AbstractEventLoop | None = None


_hidden = _Hidden()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that is running in this thread, or ``None``.

    Where threads are greenlets, asyncio has one running loop for all of them.
    """
    loop = asyncio._get_running_loop()
    if loop is not None and threads_are_greenlets():
        here = threading.get_ident()
        return loop if getattr(loop, "_thread_id", here) == here else None
    return loop or _hidden.loop


@contextmanager
def hidden_loop(
    loop: asyncio.AbstractEventLoop, shown: asyncio.AbstractEventLoop
) -> Iterator[None]:
    """Hide from asyncio, and who asks it, that this loop is running in this thread, if it is.

    For code that may block this loop, since it is a scheduler's own, and was written for a thread
    that has none: Django's ORM, for one, refuses to work where a loop is running.

    :param loop: the loop
    :param shown: the current one meanwhile, which ``asyncio.get_event_loop`` returns
    """
    if asyncio._get_running_loop() is not loop:
        yield
        return
    with kept(shown):
        _hidden.loop = loop
        asyncio._set_running_loop(None)
        try:
            yield
        finally:
            if _hidden.loop is not None:  # or this is a forked child, where it does not run
                _hidden.loop = None
                asyncio._set_running_loop(loop)


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of which the exit of the interpreter tells nothing, if it has not been closed by then."""
    loop = asyncio.new_event_loop()
    _note_made(loop)
    return loop


def new_own_loop() -> asyncio.AbstractEventLoop:
    """Make such a loop for a scheduler's own runs, in a thread that an interrupt may reach."""
    from mainspring._loops.frugal import new_frugal_loop

    loop = new_frugal_loop()
    _note_made(loop)
    loop.set_exception_handler(_tell_but_of_interrupted_tasks)
    return loop


def _tell_but_of_interrupted_tasks(
    loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """Do what a loop does by default, but say nothing of a run's task that was never completed.

    An interrupt may come while asyncio makes a task. The run has been told of as interrupted.
    """
    task = context.get("task")
    if "exception" in context or task is None or not is_task_of_run(task):
        loop.default_exception_handler(context)


def belongs_to_parent(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop is known to come from the process that this one was forked from."""
    return any(loop is other for other in _of_parent)


def leave_to_parent(loop: asyncio.AbstractEventLoop) -> None:
    """Neither use nor close a loop in this process, which was forked; nor warn that it is open."""
    keep_for_ever(loop)
    _of_parent.append(loop)


def leave_loops_to_parent() -> None:
    """Do so with the loops made here and the one that is current in this thread."""
    loops = {*_made, current_loop(), _hidden.loop}
    _made.clear()
    _hidden.loop = None
    for loop in loops:
        if loop is not None:
            leave_to_parent(loop)


def finish_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left on a stopped loop and close it, as ``asyncio.run`` does at its end."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
        _made.discard(
            loop
        )  # not before: a thread that comes to its end in the midst of this lets go of it


def _note_made(loop: asyncio.AbstractEventLoop) -> None:
    _made.add(loop)
    # Asked only now: the exit knows itself before it looks for loops.
    if _are_kept.is_set():
        keep_for_ever(loop)


def keep_made_loops() -> None:
    """Keep the loops made here that have not been closed as they are from now on: the interpreter exits.

    A loop that is let go of says that it has not been closed, and so do what waits on it and its sockets. To
    close it here is no better: a daemon thread may run it, finish it or be about to run it.
    """
    _are_kept.set()
    for loop in members(_made):
        keep_for_ever(loop)


def members(those: WeakSet[T]) -> list[T]:
    """Return what is in a set to which other threads may add meanwhile."""
    while True:
        with suppress(RuntimeError):  # one has
            return list(those)
