"""What must end before the interpreter does.

A daemon thread ends with the interpreter, wherever it is, and with it the run it was in. So, as
``concurrent.futures`` does for its own threads, the schedulers that are still running are halted at
exit, silently, and the runs that are going on in worker threads come to their end: when the threads of
the program have ended, for which jobs run as long, and before the program's ``atexit`` functions, which
may close what the jobs use. To these the schedulers are still running, and may be shut down. The loops that
we run go on for as long as the runs in worker threads do, which may need them. Coroutine runs that have not
ended by then are cancelled, as those are that wait for a loop that does not run any more, in an ``atexit``
function of our own. Loops made here that nobody has closed are kept, for the operating system to let go of.

An interrupt in the midst of that ends the waiting, and the program with the runs that are left. But no
thread of ours comes to Python then any more: that may crash while the interpreter is being taken down.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, current_thread
from typing import TYPE_CHECKING
from weakref import WeakSet

from mainspring._loops.find import keep_made_loops, members
from mainspring._mainspring import join_pools, wait_for_loops
from mainspring._process.fork import note_fork
from mainspring._process.threads import join_thread, program_threads

if TYPE_CHECKING:
    import asyncio

    from mainspring._contract import EndingScheduler, RunsLoop


#: How soon the exit is known of here after CPython has refused to start a thread for its sake, in seconds.
EXIT_FOLLOWS = 1.0

_running: WeakSet[EndingScheduler] = WeakSet()
#: What runs a loop in a thread of its own.
_loop_threads: set[RunsLoop] = set()
#: Those that have been halted for the exit.
_halted: WeakSet[EndingScheduler] = WeakSet()
_exiting = Event()
#: Set when the exit has been interrupted, and waits for nothing any more.
_given_up = Event()
_before_waiting: list[Callable[[], object]] = []
_last: list[Callable[[], object]] = []


def stop_at_exit(scheduler: EndingScheduler) -> None:
    """Have a scheduler stopped at exit."""
    _running.add(scheduler)
    _halted.discard(scheduler)


def runs_loop(thread: RunsLoop) -> None:
    """Have a loop run until the runs in worker threads have ended, and stopped then."""
    _loop_threads.add(thread)


def has_ended(thread: RunsLoop) -> None:
    """Note that a loop has come to its end."""
    _loop_threads.discard(thread)


def is_in_thread_of_ours(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop is run in a thread of its own, or is about to be."""
    return any(thread.loop is loop for thread in tuple(_loop_threads))


def stop_forgotten() -> None:
    """Stop the schedulers whose loop has been closed; a program that keeps forgetting them has few."""
    for scheduler in members(_running):
        scheduler._stop_if_forgotten()


def is_exiting(within: float) -> bool:
    """Tell whether the interpreter is about to exit, and the schedulers are stopped for that.

    :param within: how many seconds to wait for it; at 0 there is no waiting, for which gevent, once it has
        patched ``threading``, would want a hub of the calling thread
    """
    return _exiting.is_set() or (within > 0 and _exiting.wait(within))


@contextmanager
def unheard_at_exit() -> Iterator[None]:
    """Have a daemon thread that fails here, since the interpreter is about to exit, wait for the exit.

    CPython ends such a thread wherever it is. To tell it that no thread can be started any more would only
    have it end with a traceback.
    """
    try:
        yield
    except RuntimeError as error:
        if "shutdown" in str(error) and current_thread().daemon and is_exiting(within=EXIT_FOLLOWS):
            Event().wait()
        raise


def do_before_waiting(func: Callable[[], object]) -> None:
    """Have a function called at exit, when it is known which loops go on, and before runs are waited for."""
    _before_waiting.append(func)


def do_last(func: Callable[[], object]) -> None:
    """Have a function called at exit, when no scheduler runs anything any more."""
    _last.append(func)


def _take(step: Callable[[], object]) -> bool:
    """Take a step of the exit, which must not keep the others from being taken; tell whether it was.

    Where an interrupt cuts it short nothing is waited for any more; any other error is told of.
    """
    try:
        step()
    except (KeyboardInterrupt, SystemExit):
        _given_up.set()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    else:
        return True
    return False


def _finish_runs() -> None:
    """Halt the schedulers, and wait for the runs in worker threads and the threads that they have left.

    The loops that these may need go on meanwhile. Those who interrupt that have no loop's end waited for.
    """
    _take(_exiting.set)
    _take(note_fork)  # what the parent of this process runs is not waited for
    # Those that a daemon thread starts after this are left to it, loops and worker threads alike.
    halted = [scheduler for scheduler in members(_running) if scheduler not in _halted]
    for scheduler in halted:
        _halted.add(scheduler)
        if not _take(scheduler._stop_at_exit):
            _take(scheduler._end_timer_at_exit)
    ends = [scheduler._end_loop_at_exit for scheduler in halted]
    ends += [thread.stop for thread in tuple(_loop_threads)]
    for func in _before_waiting:
        _take(func)
    if not _given_up.is_set():
        _take(join_pools)
    while not _given_up.is_set() and (threads := program_threads()):
        if not _take(partial(join_thread, threads[0])):
            break
    for end in ends:
        if not _given_up.is_set():
            _take(end)


def _shutdown() -> None:
    """Do what CPython does when the main thread has come to its end, and wait for the runs then."""
    try:
        _wait_for_threads()
    finally:
        _take(_finish_runs)


# The only moment between the end of the program's threads and its first `atexit` function.
_wait_for_threads: Callable[[], None] = threading._shutdown  # type: ignore[attr-defined]
threading._shutdown = _shutdown  # type: ignore[attr-defined]


@atexit.register
def _at_exit() -> None:
    try:
        _take(_finish_runs)
    except (KeyboardInterrupt, SystemExit):  # between two steps
        _given_up.set()
    _take(partial(wait_for_loops, not _given_up.is_set()))
    for scheduler in members(_running):
        _take(scheduler._abandon_runs_at_exit)
    for func in (*_last, keep_made_loops):
        _take(func)
