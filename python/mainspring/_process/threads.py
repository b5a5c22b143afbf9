"""The threads that mainspring makes, which are no greenlets where gevent or eventlet has patched them.

A worker thread waits in Rust code, where nothing can switch to another greenlet: a worker that was one
would stop the whole hub.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from mainspring._loops.greenlets import originals_of_threads


def new_thread(
    target: Callable[..., object], args: tuple[Any, ...], name: str, daemon: bool | None
) -> OwnThread | UnpatchedThread:
    """Make a thread, with the arguments of :class:`OwnThread`."""
    get_original = originals_of_threads()
    if get_original is None:
        return OwnThread(target, args, name, daemon)
    return UnpatchedThread(target, args, get_original)


def native_rlock() -> AbstractContextManager[Any]:
    """Return a re-entrant lock of threads, not of greenlets, whatever has been patched.

    It is for what a thread does without waiting for anything, in which no other greenlet comes to run.
    A signal cannot leave it locked, as it can a greenlets' lock, which is written in Python: what its
    handler raises there comes between the lock's taking and its owner's note of it.
    """
    get_original = originals_of_threads()
    made = threading.RLock if get_original is None else get_original("_thread", "RLock")
    lock: AbstractContextManager[Any] = made()
    return lock


def join_thread(thread: threading.Thread) -> None:
    """Wait for a thread to end, unless it is a greenlet that nothing could wake any more.

    At the end of a program gevent may not notice that such a thread has ended.
    """
    never_ends: Any = getattr(sys.modules.get("gevent.exceptions"), "LoopExit", ())
    with suppress(never_ends):
        thread.join()


class OwnThread(threading.Thread):
    """A thread that the interpreter's exit does not wait for, since :mod:`mainspring._process.exit` does.

    CPython itself waits for a thread that is no daemon before it lets anybody know that the program ends,
    and a thread that waits for work must be told so to end.

    :param target: what it calls
    :param args: with these arguments
    :param name: its name
    :param daemon: whether threads that are started in it are daemons; ``None``: if the current thread is one
    """

    def __init__(
        self,
        target: Callable[..., object],
        args: tuple[Any, ...],
        name: str,
        daemon: bool | None,
    ) -> None:
        super().__init__(target=target, args=args, name=name, daemon=True)
        self._hands_down = threading.current_thread().daemon if daemon is None else daemon

    def run(self) -> None:
        # CPython has asked this thread already; from now on those that are started here ask it.
        self._daemonic = self._hands_down
        super().run()


def program_threads() -> list[threading.Thread]:
    """Return the threads that the program's exit waits for, but for the current and the main one."""
    spared = (threading.current_thread(), threading.main_thread())
    return [
        thread
        for thread in threading.enumerate()
        if not (thread.daemon or isinstance(thread, OwnThread) or thread in spared)
    ]


class UnpatchedThread:
    """A daemon thread that is no greenlet.

    :param target: what it calls
    :param args: with these arguments
    :param get_original: gives what has been patched, by its module and name
    """

    def __init__(
        self, target: Callable[..., object], args: tuple[Any, ...], get_original: Callable[..., Any]
    ) -> None:
        self._call = (target, args)
        self._start_new_thread = get_original("_thread", "start_new_thread")
        self._get_ident = get_original("_thread", "get_ident")
        self._ended = get_original("_thread", "allocate_lock")()
        self._ident: int | None = None

    def start(self) -> None:
        self._ended.acquire()
        try:
            self._start_new_thread(self._run, ())
        except BaseException:
            self._ended.release()
            raise

    def join(self) -> None:
        """Wait for the thread to end, unless this is that thread."""
        if self._ident != self._get_ident():
            with self._ended:
                pass

    def _run(self) -> None:
        self._ident = self._get_ident()
        target, args = self._call
        try:
            target(*args)
        finally:
            self._ended.release()
