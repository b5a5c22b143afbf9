"""Waiting in one thread for the event loop of another, and noticing that it does not respond.

What is measured is whether the loop answers, not how long the work takes: a *ping*, an empty
callback, is sent to the loop again whenever it has answered the last one.

Ground rules: the waiting thread alone runs :func:`wait_for_loop`; the loop's thread only sets
events. Nothing here takes a lock.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from weakref import WeakKeyDictionary

#: How often a waiting thread looks at the loop, in seconds.
CHECK_INTERVAL = 0.2

#: How many frames of a blocked loop's thread an error shows.
_FRAMES_SHOWN = 4

#: The thread of each loop that has answered; for loops that cannot be asked, such as uvloop's.
_threads: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def wait_for_loop(
    loop: asyncio.AbstractEventLoop,
    ended: threading.Event,
    timeout: float,
    what: object,
    is_stopped: Callable[[], bool],
) -> None:
    """Block until ``ended`` is set, or until it is clear that the loop will not set it.

    :param loop: the loop that is to set it, from another thread
    :param ended: tells that what is waited for has come to its end
    :param timeout: for how many seconds the loop may leave a ping unanswered
    :param what: what is waited for, for the error
    :param is_stopped: says whether a loop that does not run will not be run again
    :raises RuntimeError: if the loop does not respond; the message says in which state it is
    """
    answered = threading.Event()

    def ping() -> None:
        _threads[loop] = threading.get_ident()
        answered.set()

    def fail(why: str) -> None:
        # The loop may have done the last thing it did after this thread looked.
        if not ended.is_set():
            raise RuntimeError(f"Waiting for {what!r} cannot end: the event loop {loop!r} {why}")

    sent = time.monotonic()
    seen_left = False
    try:
        loop.call_soon_threadsafe(ping)
        while not ended.wait(min(CHECK_INTERVAL, timeout)):
            if loop.is_closed():
                return fail("is closed")
            # A loop may stand still for an instant, between two calls that run it.
            left = is_stopped() and not loop.is_running()
            if left and seen_left:
                return fail("is not running any more, and the scheduler has been shut down")
            seen_left = left
            if answered.is_set():
                answered.clear()
                sent = time.monotonic()
                loop.call_soon_threadsafe(ping)
            elif time.monotonic() - sent >= timeout:
                return fail(f"has not responded for {timeout:g} s; {_state(loop)}")
    except RuntimeError:
        if not loop.is_closed():
            raise
        fail("is closed")


def _state(loop: asyncio.AbstractEventLoop) -> str:
    """Say why a loop that is not closed may leave a ping unanswered."""
    if not loop.is_running():
        return "it is not running"
    ident = getattr(loop, "_thread_id", None) or _threads.get(loop)
    frame = None if ident is None else sys._current_frames().get(ident)
    if frame is None:
        return "it is running, but blocked"
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stack = "".join(traceback.format_stack(frame)[-_FRAMES_SHOWN:])
    return f"it is running, but blocked; its thread {names.get(ident)!r} is at\n{stack}"
