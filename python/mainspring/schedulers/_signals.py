"""The signals that end a program."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from mainspring._lazy import asyncio

#: The packages whose code is none of the program's own.
_NOT_OF_PROGRAM = sys.stdlib_module_names | {"mainspring", "uvloop"}


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
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


@contextmanager
def whole_callbacks(loop: asyncio.AbstractEventLoop) -> Iterator[list[BaseException]]:
    """Let no signal handler's exception cut short what asyncio or this package is in the midst of.

    The wake-up of a run would be lost with it, and the run would never end. So a ``KeyboardInterrupt``
    that arrives there stops the loop, and is for the caller to raise. In the program's own code it is
    raised at once, and everywhere the second time.

    :param loop: the loop that the caller runs in this thread
    :return: the exception that is to be raised when the loop has stopped, if there is one
    """
    kept: list[BaseException] = []
    if current_thread() is not main_thread():
        yield kept
        return

    def handle(number: int, frame: FrameType | None) -> None:
        try:
            before[signal.Signals(number)](number, frame)
        except BaseException as exc:
            if kept or _is_in_program(frame):
                raise
            kept.append(exc)
            loop.call_soon_threadsafe(loop.stop)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield kept
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)


def _is_in_program(frame: FrameType | None) -> bool:
    """Tell whether the program's own code is called by the loop that :func:`whole_callbacks` is for."""
    while frame is not None and frame.f_code.co_name != "_main_loop":
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_OF_PROGRAM:
            return True
        frame = frame.f_back
    return False
