"""The signals that end a program."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

from mainspring._lazy import asyncio


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
