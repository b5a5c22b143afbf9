"""The signals that end a program: handling them while a scheduler runs its loop, then as before."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import TypeAlias

from mainspring._lazy import asyncio

#: The packages whose code is none of the program's own.
_NOT_OF_PROGRAM = sys.stdlib_module_names | {"mainspring", "uvloop"}
#: The signals by which programs are told to end. Others, such as a timer's, are for the code that they
#: arrive in.
_ENDING = [
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK", "SIGUSR1", "SIGUSR2")
    if name in signal.Signals.__members__
]
_Handler: TypeAlias = "Callable[[int, FrameType | None], object]"


@contextmanager
def on_signals(
    loop: asyncio.AbstractEventLoop, callback: Callable[[], object], *signals: signal.Signals
) -> Iterator[None]:
    """Have a function called on a loop when one of the signals arrives, instead of its handler.

    Python handles signals in the main thread alone; in another one this is without effect.
    """
    if current_thread() is not main_thread():
        yield
        return

    def handle(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(callback)

    # Not `loop.add_signal_handler`: not every loop has it, and it forgets what was there before.
    before = {number: signal.signal(number, handle) for number in signals}
    try:
        with _woken_by_signals(loop):
            yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have every signal wake a loop of asyncio's, which is run in the main thread.

    Python handles a signal when the main thread next runs Python code. A signal that another thread receives,
    or that arrives just before this one begins to wait, ends no waiting by itself. uvloop does this itself.
    """
    end = getattr(loop, "_csock", None)
    if end is None:
        yield
        return
    fd = end.fileno()
    before = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    if before != -1:  # it is the program's
        signal.set_wakeup_fd(before)
    try:
        yield
    finally:
        now = signal.set_wakeup_fd(-1)
        if now != fd or getattr(loop, "_signal_handlers", None):
            signal.set_wakeup_fd(now)


class BetweenTurns:
    """Calls the program's signal handlers between two runs of a loop, when it has been stopped for that.

    A handler may then wait for what the loop does, as a shutdown of its scheduler has to; and no exception
    of a handler's cuts short what asyncio or this package is in the midst of: the wake-up of a run would be
    lost with it, and the run would never end.

    In the program's own code a handler is called at once; but one that may be there to end the program not in
    the step of a coroutine, for which it could not wait. The second signal is handled at once everywhere.

    :param loop: the loop that the caller runs in this thread
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handlers: dict[int, _Handler] = {}
        #: The signals that have arrived, and in what.
        self._arrived: dict[int, FrameType | None] = {}
        self._is_calling = False
        self._waking = ExitStack()

    def __enter__(self) -> BetweenTurns:
        if current_thread() is main_thread():
            for number in signal.valid_signals():
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._handle)
            self._waking.enter_context(_woken_by_signals(self._loop))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._waking.close()
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._waits(number, frame):
            self._arrived[number] = frame
            self._loop.call_soon_threadsafe(self._stop_loop)
        else:
            self._arrived.pop(number, None)
            self._handlers[number](number, frame)

    def _waits(self, number: int, frame: FrameType | None) -> bool:
        if self._is_calling or number in self._arrived or not self._loop.is_running():
            return False
        if not _is_in_program(frame):
            return True
        if number not in _ENDING or self._handlers[number] is signal.default_int_handler:
            return False
        return asyncio.current_task(self._loop) is not None

    def _stop_loop(self) -> None:
        if self._arrived and not self._is_calling:  # or the loop is run by a handler
            self._loop.stop()

    def call_handlers(self) -> None:
        """Call the handlers of the signals that have arrived; what they raise goes on."""
        while self._arrived:
            number, frame = self._arrived.popitem()
            self._is_calling = True
            try:
                self._handlers[number](number, frame)
            finally:
                self._is_calling = False


def _is_in_program(frame: FrameType | None) -> bool:
    """Tell whether the program's own code is called by the loop that is run in a main loop."""
    while frame is not None and frame.f_code.co_name != "_main_loop":
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_OF_PROGRAM:
            return True
        frame = frame.f_back
    return False
