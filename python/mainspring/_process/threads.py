"""The threads that mainspring makes, which are no greenlets where gevent or eventlet has patched them.

A worker thread waits in Rust code, where nothing can switch to another greenlet: a worker that was one
would stop the whole hub.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from threading import Event
from typing import Any

from mainspring._loops.greenlets import originals_of_threads
from mainspring._mainspring import start_late_thread


def new_thread(
    target: Callable[..., object], args: tuple[Any, ...], name: str, daemon: bool | None
) -> OwnThread | BareThread:
    """Make a thread, with the arguments of :class:`OwnThread`."""
    get_original = originals_of_threads()
    if get_original is None:
        return OwnThread(target, args, name, daemon)
    return BareThread(target, args, name, get_original)


def new_bare_thread(target: Callable[..., object], args: tuple[Any, ...], name: str) -> BareThread:
    """Make a thread of which :mod:`threading` knows nothing, whatever has been patched.

    Signals cannot disturb its start. :meth:`threading.Thread.start` waits for the thread, and where two
    interrupts strike there it may raise that a lock is not locked.
    """
    return BareThread(target, args, name, originals_of_threads() or _as_imported)


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


def is_too_late(error: RuntimeError) -> bool:
    """Tell whether an error says that CPython starts no thread any more.

    From CPython 3.12 on it starts none when the main thread has come to its end, though others may go on
    for long.
    """
    return "interpreter shutdown" in str(error)


class OwnThread(threading.Thread):
    """A thread that the interpreter's exit does not wait for, since :mod:`mainspring._process.exit` does.

    CPython itself waits for a thread that is no daemon before it tells any code that the program ends, and a
    thread that waits for work must be told so to end.

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
        #: What runs in the place of a thread that CPython has refused to start.
        self._late: BareThread | None = None
        self._hands_down = threading.current_thread().daemon if daemon is None else daemon

    def start(self) -> None:
        """Start the thread, also when CPython starts none any more."""
        try:
            super().start()
        except RuntimeError as error:
            if not is_too_late(error):
                raise
            self._late = BareThread(self.run, (), self.name, _as_imported)
            self._late.start()

    def is_current(self) -> bool:
        """Tell whether this is that thread, which :mod:`threading` does not know if it was started late."""
        late = self._late
        return self is threading.current_thread() if late is None else late.is_current()

    def is_alive(self) -> bool:
        return super().is_alive() if self._late is None else self._late.is_alive()

    def join(self, timeout: float | None = None) -> None:
        if self._late is None:
            super().join(timeout)
        else:
            self._late.join()

    def run(self) -> None:
        # CPython has asked this thread already; from now on those that are started here ask it.
        self._daemonic = self._hands_down
        super().run()


def is_current(thread: threading.Thread) -> bool:
    """Tell whether this is that thread, also if it is one of ours that was started late."""
    return (
        thread.is_current()
        if isinstance(thread, OwnThread)
        else thread is threading.current_thread()
    )


def _as_imported(module: str, name: str) -> Any:
    return getattr(sys.modules[module], name)


def program_threads() -> list[threading.Thread]:
    """Return the threads that the program's exit waits for, but for the current and the main one."""
    spared = (threading.current_thread(), threading.main_thread())
    return [
        thread
        for thread in threading.enumerate()
        # An interrupt may have kept one from starting.
        if thread.is_alive()
        and not (thread.daemon or isinstance(thread, OwnThread) or thread in spared)
    ]


class _Here(threading.local):
    #: Whether this thread is a :class:`BareThread`.
    is_bare = False


_here = _Here()


def _ends_with_interpreter() -> bool:
    """Tell whether this is a thread of Python's that the exit neither is nor waits for."""
    here = threading.current_thread()
    is_known = _here.is_bare or not isinstance(here, threading._DummyThread)
    return is_known and here is not threading.main_thread()


class BareThread:
    """A daemon thread that is no greenlet, and that Python's :mod:`threading` knows nothing of.

    :param target: what it calls
    :param args: with these arguments
    :param name: its name, which the system is told where CPython starts no thread any more
    :param get_original: gives what may have been patched, by its module and name
    """

    def __init__(
        self,
        target: Callable[..., object],
        args: tuple[Any, ...],
        name: str,
        get_original: Callable[..., Any],
    ) -> None:
        self._call = (target, args)
        self._name = name
        self._start_new_thread = get_original("_thread", "start_new_thread")
        self._get_ident = get_original("_thread", "get_ident")
        self._ended = get_original("_thread", "allocate_lock")()
        self._ident: int | None = None

    def start(self) -> None:
        self._ended.acquire()
        try:
            try:
                self._start_new_thread(self._run, ())
            except RuntimeError as error:
                if not is_too_late(error):
                    raise
                self._start_late()
        except BaseException:
            self._ended.release()
            raise

    def _start_late(self) -> None:
        try:
            start_late_thread(self._name, self._run)
        except RuntimeError as error:
            if is_too_late(error) and _ends_with_interpreter():
                # The interpreter exits, and ends this thread wherever it is: it has nothing to tell of.
                Event().wait()
            raise

    def is_alive(self) -> bool:
        """Tell whether the thread has been started, and has not ended."""
        alive: bool = self._ended.locked()
        return alive

    def is_current(self) -> bool:
        """Tell whether this is that thread."""
        current: bool = self._ident == self._get_ident()
        return current

    def join(self) -> None:
        """Wait for the thread to end, unless this is that thread."""
        if not self.is_current():
            with self._ended:
                pass

    def _run(self) -> None:
        self._ident = self._get_ident()
        _here.is_bare = True
        target, args = self._call
        try:
            target(*args)
        except SystemExit:
            pass  # as in other threads
        finally:
            self._ended.release()
