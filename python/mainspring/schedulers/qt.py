"""The scheduler for programs that run on Qt's event loop."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from itertools import product
from socket import socketpair
from threading import current_thread, main_thread
from typing import Any

from mainspring._scheduler.hosted import HostedScheduler, HostLoop

__all__ = ("QtScheduler",)


def _find_qtcore() -> Any:
    """Import the newest of the Qt bindings that are installed."""
    for version, name in product(range(6, 1, -1), ("PySide", "PyQt")):
        try:
            return import_module(f"{name}{version}.QtCore")
        except ImportError:
            continue
    raise ImportError(
        "QtScheduler requires either PySide or PyQt (version 6 to 2) installed: "
        "pip install mainspring[qt]"
    )


_qtcore = _find_qtcore()
_Signal: Any = getattr(_qtcore, "Signal", None) or _qtcore.pyqtSignal
_READABLE: Any = getattr(_qtcore.QSocketNotifier, "Type", _qtcore.QSocketNotifier).Read


class QtScheduler(HostedScheduler):
    """Runs on Qt's event loop: listeners are called there, and jobs in worker threads.

    The event loop is that of the thread that calls :meth:`start`, and may be started later. Coroutine jobs
    run on an asyncio loop in a thread of its own. Besides the options of
    :class:`~mainspring.schedulers.base.BaseScheduler` it has

    - ``loop_in_threads`` (default true): whether a sync function finds a proxy of that loop as the
      event loop of its worker thread
    - ``loop_response_timeout`` (seconds, default 10): for how long that loop may leave a worker
      thread that waits for it without a sign of life before the wait ends with an error

    A job must not touch widgets, which live in Qt's main thread; a listener may. While the scheduler runs on
    the main thread, signal handlers are called there at once, also while Qt waits. A shutdown on Qt's
    thread waits for the runs in worker threads, and when Qt's loop has ended for those of coroutines, too;
    before that, these go on to their end.
    """

    def _find_host(self) -> HostLoop:
        return QtLoop()


class QtLoop(HostLoop):
    """Stands for the event loop of the thread in which it is made."""

    may_be_blocked = True

    def __init__(self) -> None:
        self._caller = _Caller()
        self._notifiers: dict[int, Any] = {}
        self._signals: _Signals | None = None

    def _post(self, func: Callable[[], object]) -> None:
        self._caller.posted.emit(func)

    def has_been_left(self) -> bool:
        # Qt has told how deep a thread is in its loop since 5.5.
        level = getattr(_qtcore.QThread.currentThread(), "loopLevel", None)
        return level is not None and level() == 0

    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        self._notifiers[fd] = _notifier(fd, callback)
        if current_thread() is main_thread():
            self._signals = _Signals()

    def remove_reader(self, fd: int) -> None:
        notifier = self._notifiers.pop(fd, None)
        if notifier is not None:
            _drop(notifier)
        signals, self._signals = self._signals, None
        if signals is not None:
            signals.close()


class _Signals:
    """Has Python's signal handlers called while Qt waits, which runs no Python code meanwhile.

    CPython calls them when it next runs code in the main thread. It also writes to a descriptor, which is
    watched here; where the program has set one, it is left to that.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self._notifier = _notifier(self._reader.fileno(), self._read)
        before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            self._reader.recv(4096)

    def close(self) -> None:
        now = signal.set_wakeup_fd(-1)
        if now != self._writer.fileno():
            signal.set_wakeup_fd(now)
        _drop(self._notifier)
        self._reader.close()
        self._writer.close()


def _notifier(fd: int, callback: Callable[[], object]) -> Any:
    """Have Qt call a function whenever a file descriptor is readable."""
    notifier = _qtcore.QSocketNotifier(fd, _READABLE)
    notifier.activated.connect(lambda *_: callback())
    return notifier


def _drop(notifier: Any) -> None:
    notifier.setEnabled(False)
    notifier.deleteLater()


class _Caller(_qtcore.QObject):  # type: ignore[misc, name-defined]  # whichever binding it is
    """Calls what is posted to it in the thread that it was made in."""

    posted = _Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.posted.connect(self._call, _qtcore.Qt.ConnectionType.QueuedConnection)

    def _call(self, func: Callable[[], object]) -> None:
        func()
