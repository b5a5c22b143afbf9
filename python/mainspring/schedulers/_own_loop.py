"""An asyncio loop for a scheduler's own thread that needs few descriptors.

asyncio's own has three: one for epoll, and two of a pair of sockets through which other threads wake it.
This one has an eventfd, which is enough for both ends, and waits with poll until there is so much to watch
that this would take long.

Ground rules: what wakes the loop is closed with the loop, and not before, since other threads may be about to
use it.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

#: How many descriptors are watched with poll, which looks at every one each time it is asked.
MOST_POLLED = 16


class FrugalSelector(selectors.BaseSelector):
    """A selector that has no descriptor of its own until it watches many."""

    def __init__(self) -> None:
        self._selector: selectors.BaseSelector = selectors.PollSelector()
        self._polls = True

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        if self._polls and len(self.get_map()) >= MOST_POLLED:
            self._stop_polling()
        return self._selector.register(fileobj, events, data)

    def _stop_polling(self) -> None:
        many = selectors.DefaultSelector()
        for key in self.get_map().values():
            many.register(key.fileobj, key.events, key.data)
        self._selector.close()
        self._selector = many
        self._polls = False

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._selector.select(timeout)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._selector.get_map()

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._selector.get_key(fileobj)

    def close(self) -> None:
        self._selector.close()


if sys.platform == "linux":

    class EventFd:
        """An eventfd with the methods that asyncio calls of the sockets it wakes a loop with."""

        def __init__(self) -> None:
            self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

        def fileno(self) -> int:
            return self._fd

        def recv(self, size: int) -> bytes:
            """Take what has been sent since the last call, as one byte, which to asyncio is no signal."""
            os.eventfd_read(self._fd)
            return b"\0"

        def send(self, data: bytes) -> int:
            os.eventfd_write(self._fd, 1)
            return len(data)

        def close(self) -> None:
            fd, self._fd = self._fd, -1
            if fd != -1:
                os.close(fd)

    class FrugalLoop(asyncio.SelectorEventLoop):
        """A loop that has one descriptor."""

        _ssock: Any
        _csock: Any
        _internal_fds: int
        #: What woke the loop before it had to be told of signals.
        _first_waker: EventFd | None = None

        def __init__(self) -> None:
            super().__init__(FrugalSelector())

        def _make_self_pipe(self) -> None:
            self._ssock = self._csock = EventFd()
            self._internal_fds += 1
            self._watch_self_pipe()

        def _watch_self_pipe(self) -> None:
            self._add_reader(self._ssock.fileno(), self._read_from_self)  # type: ignore[attr-defined]

        def add_signal_handler(  # type: ignore[override]
            self, sig: int, callback: Callable[..., Any], *args: Any
        ) -> None:
            if isinstance(
                self._csock, EventFd
            ):  # to which CPython could not write a signal's number
                self._first_waker = self._csock
                self._remove_reader(self._ssock.fileno())  # type: ignore[attr-defined]
                self._internal_fds -= 1
                super()._make_self_pipe()  # type: ignore[misc]
            super().add_signal_handler(sig, callback, *args)

        def close(self) -> None:
            super().close()
            if self._first_waker is not None:
                self._first_waker.close()


def new_frugal_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of the kind that the program's policy makes; a frugal one where that is asyncio's own."""
    loop = asyncio.new_event_loop()
    if (
        sys.platform != "linux"
        or type(loop) is not asyncio.SelectorEventLoop
        or selectors.DefaultSelector is not getattr(selectors, "EpollSelector", None)  # patched
    ):
        return loop
    loop.close()
    return FrugalLoop()
