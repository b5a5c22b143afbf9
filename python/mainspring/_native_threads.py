"""Threads of the operating system, also where gevent has put greenlets into their place.

A worker thread waits in Rust code, where nothing can switch to another greenlet: a worker that was one
would stop the whole hub.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any


def new_thread(
    target: Callable[..., object], args: tuple[Any, ...], name: str, daemon: bool
) -> threading.Thread | UnpatchedThread:
    """Make a thread, with the arguments of :class:`threading.Thread`."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return threading.Thread(target=target, args=args, name=name, daemon=daemon)
    return UnpatchedThread(target, args, monkey.get_original)


class UnpatchedThread:
    """A daemon thread that is none of gevent's.

    :param target: what it calls
    :param args: with these arguments
    :param get_original: gives what gevent has patched
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
