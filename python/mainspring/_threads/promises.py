"""What ``asyncio.run_coroutine_threadsafe`` has given out in worker threads, for a loop that is left.

A thread that waits for the result of such a future waits until the loop has run the coroutine: for ever,
where the loop is not run again. That is known when the program ends. So the future then gets an error, and
later calls raise it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mainspring._process.exit import do_before_waiting, is_exiting

if TYPE_CHECKING:
    import asyncio

    from mainspring._contract import LoopHolder

#: The futures that have not got their result, with what they wait for.
_open: dict[Future[Any], tuple[LoopHolder, asyncio.AbstractEventLoop]] = {}


def note_promise(
    callback: Callable[..., object], scheduler: LoopHolder, loop: asyncio.AbstractEventLoop
) -> None:
    """Note the future whose result this function sets when a loop calls it.

    :raises RuntimeError: if the program ends, and the loop does not run any more
    """
    for cell in getattr(callback, "__closure__", None) or ():
        with suppress(ValueError):  # an empty cell
            future = cell.cell_contents
            if isinstance(future, Future):
                break
    else:
        return
    _open[future] = (scheduler, loop)
    future.add_done_callback(lambda ended: _open.pop(ended, None))
    # Asked only now: the exit is known of before it looks at what is open.
    if is_exiting(within=0) and not scheduler._may_run(loop):
        raise _error(loop)


def _fail_promises() -> None:
    for future, (scheduler, loop) in tuple(_open.items()):
        if not scheduler._may_run(loop):
            with suppress(InvalidStateError):
                future.set_exception(_error(loop))


def _error(loop: asyncio.AbstractEventLoop) -> RuntimeError:
    return RuntimeError(f"The program ends, and the event loop {loop!r} does not run any more")


do_before_waiting(_fail_promises)
