"""Finding, making and closing event loops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from mainspring._lazy import asyncio
from mainspring._loops.coroutines import is_task_of_run
from mainspring._loops.current import current_loop, kept
from mainspring._loops.greenlets import threads_are_greenlets
from mainspring._mainspring import keep_for_ever

#: The loops made here, so that none is left unclosed when the interpreter exits.
_made: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
#: Those of them that the exit closes. Who finishes a loop takes it from `_made` and then looks here; the exit
#: puts it here and then looks there: so the two are never at one loop, though in doubt neither is.
_left_to_exit: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


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
    """Make a loop that is closed when the interpreter exits, if nobody has closed it by then."""
    loop = asyncio.new_event_loop()
    _made.add(loop)
    return loop


def new_own_loop() -> asyncio.AbstractEventLoop:
    """Make such a loop for a scheduler's own runs, in a thread that an interrupt may reach."""
    from mainspring._loops.frugal import new_frugal_loop

    loop = new_frugal_loop()
    _made.add(loop)
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


def keep_from_exit(loop: asyncio.AbstractEventLoop) -> bool:
    """Have a loop closed by its caller alone, who runs it to its end; tell whether the exit has not taken it.

    An exit that has been interrupted does not wait for the thread that does so.
    """
    _made.discard(loop)
    return loop not in _left_to_exit


def finish_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left on a stopped loop and close it, as ``asyncio.run`` does at its end."""
    if not keep_from_exit(loop):
        return
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


def close_made_loops() -> None:
    """Close the loops made here that nobody has closed; when the interpreter exits."""
    for loop in tuple(_made):
        _left_to_exit.add(loop)
        if loop in _made and not loop.is_running():
            loop.close()
