"""A flag that may be set in a signal handler, and wherever a signal may strike."""

from __future__ import annotations

import threading
from contextlib import suppress


class Flag:
    """An event that no signal leaves locked.

    :class:`threading.Event` takes a lock in Python code: what a handler raises there leaves it taken, and the
    thread that asks for it next waits for ever. Here the lock is held while the flag is not set, and a thread
    that gets it lets go of it at once; what counts is a plain attribute. One
    thread may clear it while others set it.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._lock = (
            threading.Lock()
        )  # greenlets', where these have been put in the place of threads by now
        self._lock.acquire()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        if self._lock.locked():
            with suppress(RuntimeError):  # another thread has let go of it just now
                self._lock.release()

    def clear(self) -> None:
        self._is_set = False
        self._lock.acquire(False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, for as many seconds at most; tell whether it is."""
        if not self._is_set:
            acquired = (
                self._lock.acquire() if timeout is None else self._lock.acquire(True, timeout)
            )
            if acquired and self._is_set and self._lock.locked():
                with suppress(RuntimeError):  # for the next who waits
                    self._lock.release()
        return self._is_set
