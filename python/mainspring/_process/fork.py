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
- While the process forks nobody else's code is called: a log handler, for one, may wait for a lock
  that is only given back when its own turn after the fork has come. What is to be told is told
  when a scheduler is first used in the child.
- C code may fork without Python's knowledge. The C library does know, and the child does here,
  when a scheduler is first used in it, what else it does at once.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

from mainspring._loops.find import leave_loops_to_parent
from mainspring._mainspring import forks

if TYPE_CHECKING:
    from mainspring._contract import ForkedScheduler


_schedulers: WeakSet[ForkedScheduler] = WeakSet()
_lock = threading.RLock()
#: How many forks the schedulers here have been told of.
_noted = forks()


def prepare_for_forks(scheduler: ForkedScheduler) -> None:
    """Have a scheduler stopped in every child that the process forks from now on."""
    _schedulers.add(scheduler)


def note_fork() -> None:
    """Stop the schedulers that came here by a fork, if that has not been done yet."""
    if _noted != forks():
        with _lock:
            _leave_schedulers_to_parent()


def _leave_schedulers_to_parent() -> None:
    global _noted
    number = forks()
    if _noted != number:
        leave_loops_to_parent()
        for scheduler in tuple(_schedulers):
            scheduler._forget_parent()
        _noted = number


def _after_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    note_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
