"""What becomes of schedulers when the process forks: nothing in the parent, a fresh start in the child.

A child has its parent's objects, but of its threads only the one that forked. So each scheduler that
the process has is stopped in the child, keeps its jobs, and can be started there.

Ground rules:

- Before the fork the timer threads are kept from sweeping: no job store is locked by a thread that
  the child does not have.
- The child calls nothing of what its parent runs: the engine, its inboxes and wake descriptors,
  worker pools and event loops. To close a loop, or to let go of a watched descriptor, would change
  the selector that both processes share. They are kept as they are until the child ends.
- A lock may be held by a thread that is gone. All are made anew.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING
from weakref import WeakSet

from mainspring._logs import names_caller
from mainspring._mainspring import after_fork_in_child, after_fork_in_parent, before_fork
from mainspring.schedulers._loops import leave_loops_to_parent
from mainspring.schedulers._parts import STATE_STOPPED

if TYPE_CHECKING:
    from mainspring.schedulers.base import BaseScheduler


_schedulers: WeakSet[BaseScheduler] = WeakSet()


def prepare_for_forks(scheduler: BaseScheduler) -> None:
    """Have a scheduler stopped in every child that the process forks from now on."""
    _schedulers.add(scheduler)


def _after_in_child() -> None:
    after_fork_in_child()
    leave_loops_to_parent()
    schedulers = tuple(_schedulers)
    stopped = [scheduler for scheduler in schedulers if scheduler._state != STATE_STOPPED]
    for scheduler in schedulers:
        scheduler._forget_parent()
    if _becomes_another_program(sys._getframe(1)):
        return
    # Only now, since a log handler may call whatever it likes.
    for scheduler in stopped:
        scheduler._logger.warning(
            "The scheduler does not run in this forked process (%d), only in its parent (%d); "
            "call start() to start it here, too",
            os.getpid(),
            os.getppid(),
        )


def _becomes_another_program(caller: FrameType) -> bool:
    """Tell whether this child has been made to run another program, so that nobody is to be warned.

    That is so where ``subprocess`` forks, as it does for a ``preexec_fn``, or libuv, on which uvloop's
    subprocesses are made: that keeps every signal from a child until its program begins.

    :param caller: what has forked, or called the C code that has
    """
    if caller.f_globals.get("__name__") == "subprocess":
        return True
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD} <= blocked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=before_fork,
        after_in_parent=after_fork_in_parent,
        after_in_child=_after_in_child,
    )


names_caller(globals(), "schedulers.base")
