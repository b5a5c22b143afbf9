"""What must end before the interpreter does.

A daemon thread that is killed while it runs Python code that Rust has called takes the whole
process with it, and the run it was in. So, as ``concurrent.futures`` does for its own threads, the
schedulers that are still running are stopped at exit, silently, and the runs that are going on in
worker threads come to their end. Those that wait for a loop that does not run any more are ended
as cancelled, and the loops made here are closed.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from threading import Event
from typing import Protocol
from weakref import WeakSet

from mainspring._mainspring import join_pools, wait_for_loops
from mainspring.schedulers._fork import note_fork
from mainspring.schedulers._loops import close_made_loops


class Stoppable(Protocol):
    """A scheduler with threads of its own."""

    def _stop_if_forgotten(self) -> None: ...

    def _stop_at_exit(self) -> None: ...

    def _abandon_runs_at_exit(self) -> None: ...


_running: WeakSet[Stoppable] = WeakSet()
_exiting = Event()
_last: list[Callable[[], object]] = []


def stop_at_exit(scheduler: Stoppable) -> None:
    """Have a scheduler stopped at exit."""
    _running.add(scheduler)


def stop_forgotten() -> None:
    """Stop the schedulers whose loop has been closed; a program that keeps forgetting them has few."""
    for scheduler in tuple(_running):
        scheduler._stop_if_forgotten()


def is_exiting(within: float) -> bool:
    """Tell whether the interpreter is about to exit, and the schedulers are stopped for that.

    :param within: how many seconds to wait for it
    """
    return _exiting.wait(within)


def do_last(func: Callable[[], object]) -> None:
    """Have a function called at exit, when no scheduler runs anything any more."""
    _last.append(func)


@atexit.register
def _at_exit() -> None:
    _exiting.set()
    note_fork()  # what the parent of this process runs is not waited for
    schedulers = tuple(_running)
    steps: list[Callable[[], object]] = [scheduler._stop_at_exit for scheduler in schedulers]
    steps += [join_pools, wait_for_loops]
    steps += [scheduler._abandon_runs_at_exit for scheduler in schedulers]
    steps += [*_last, close_made_loops]
    for step in steps:
        try:
            step()
        except BaseException:  # which must not keep the others from being taken
            sys.excepthook(*sys.exc_info())
