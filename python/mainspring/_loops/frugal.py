"""An asyncio loop for a scheduler's own thread that needs few descriptors.

asyncio's own has three: one for epoll, and two of a pair of sockets through which other threads wake it.
This one has a socket that is connected to itself, and so takes datagrams from nobody else; and it waits with
poll until there is so much to watch that this would take long.

Ground rules: what wakes the loop is closed with the loop, and not before, since other threads may be about to
use it.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from collections.abc import Mapping
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

    class FrugalLoop(asyncio.SelectorEventLoop):
        """A loop that has one descriptor."""

        _ssock: socket.socket
        _csock: socket.socket
        _internal_fds: int

        #: False where a signal handler may have raised in the midst of making the loop or of closing it. What
        #: there is of it then is let go of by itself.
        _is_whole = False

        def __init__(self) -> None:
            super().__init__(FrugalSelector())
            self._is_whole = True

        def close(self) -> None:
            self._is_whole = self.is_running()  # which is an error
            super().close()

        def __del__(self) -> None:
            if self._is_whole:
                super().__del__()

        def _make_self_pipe(self) -> None:
            end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                end.setblocking(False)
                end.bind("")  # to a name that the system chooses
                end.connect(end.getsockname())
            except OSError:  # the process may not have any
                end.close()
                super()._make_self_pipe()  # type: ignore[misc]
                return
            self._ssock = self._csock = end
            self._internal_fds += 1
            self._add_reader(end.fileno(), self._read_from_self)  # type: ignore[attr-defined]


def new_frugal_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of the kind that the program's policy makes; a frugal one where that is asyncio's own."""
    if sys.platform == "linux" and _makes_asyncios_own():
        return FrugalLoop()
    return asyncio.new_event_loop()


def _makes_asyncios_own() -> bool:
    """Tell whether the program's policy is the one that asyncio has by itself, as nothing has patched it."""
    policy = vars(asyncio.events).get("_event_loop_policy")
    has_own = policy is None or (
        type(policy).__module__ == "asyncio.unix_events"
        and getattr(policy, "_loop_factory", None) is asyncio.SelectorEventLoop
    )
    return (
        has_own
        and asyncio.new_event_loop is asyncio.events.new_event_loop
        and selectors.DefaultSelector is getattr(selectors, "EpollSelector", None)
    )
