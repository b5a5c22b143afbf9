"""The current event loop of a thread while a job's function is called there, whatever the function does.

``asyncio.run`` leaves its thread without a current loop, and so does all that is like it: a runner,
``uvloop.run``, ``anyio.run``, asgiref's ``async_to_sync``. All of them say so to the event loop policy. So a
policy under which a loop is *kept* in some thread gets a ``set_event_loop`` of its own, an attribute of the
object: in such a thread to set no loop is to set that one. Elsewhere it does what the policy's does.

Ground rules: what is kept is the thread's own.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mainspring._lazy import asyncio


class _Kept(threading.local):
    loop: asyncio.AbstractEventLoop | None = None
    #: The process in which that is so: a child that was forked has no use for its parent's loop.
    pid = 0


_kept = _Kept()


class _SetEventLoop:
    """The ``set_event_loop`` of a policy.

    :param original: the policy's own
    """

    def __init__(self, original: Callable[[asyncio.AbstractEventLoop | None], None]) -> None:
        self._original = original

    def __call__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is None and _kept.loop is not None and _kept.pid == os.getpid():
            loop = _kept.loop
        self._original(loop)


def current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that is set as current in this thread, or ``None``; never make one.

    ``asyncio.get_event_loop`` cannot be asked: it returns the one that runs, if one does. Before CPython 3.14
    it makes a loop in the main thread, and from 3.12 on warns of doing so.
    """
    policy = _policy()
    try:
        loop: asyncio.AbstractEventLoop | None = policy._local._loop
    except AttributeError:  # a policy that keeps its loops in another place
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                loop = policy.get_event_loop()
            except RuntimeError:
                loop = None
    return loop


def keep(loop: asyncio.AbstractEventLoop) -> None:
    """Make a loop the current one of this thread, and again whenever none is set."""
    _kept.loop, _kept.pid = loop, os.getpid()
    policy = _policy()
    if not isinstance(policy.set_event_loop, _SetEventLoop):
        with suppress(AttributeError):  # a policy with __slots__
            policy.set_event_loop = _SetEventLoop(policy.set_event_loop)
    policy.set_event_loop(loop)


@contextmanager
def kept(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Keep a loop for a while, and then have the current one again that this thread has now."""
    outer, before = _kept.loop, current_loop()
    keep(loop)
    try:
        yield
    finally:
        _kept.loop = outer
        asyncio.set_event_loop(before)


def _policy() -> Any:
    events: Any = asyncio.events
    # The other is deprecated from CPython 3.14 on.
    get = getattr(events, "_get_event_loop_policy", None) or events.get_event_loop_policy
    return get()
