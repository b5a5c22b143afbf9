"""The loop that a scheduler guesses when it is started before any loop runs, until one does.

The rule. :meth:`AsyncIOScheduler.start <mainspring.schedulers.asyncio.AsyncIOScheduler.start>` with
neither a given nor a running loop binds the scheduler to the current loop of its thread, or to a new
one that becomes the current one: a guess, which is right where the program then runs that loop. Until
it runs, another loop takes its place as soon as it is found running: a loop from which the scheduler
is called, in whatever thread, or a loop that runs in the thread of ``start()``, looked for when a
fire is due. Once a loop of the scheduler has run, and where a loop was given, nothing is guessed.

Looking for loops only reads: asyncio's tables of tasks and the frames of that one thread.

Ground rules: a guess is made in the thread of ``start()``, searched for by the thread that looks after
silent loops, and dropped under the scheduler's own lock, in the thread of the loop that was found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import get_ident
from weakref import WeakSet

from mainspring._lazy import asyncio
from mainspring._loops.current import current_loop
from mainspring._loops.find import running_loop


class LoopGuess:
    """A loop that has not run yet.

    :param loop: the loop
    :param is_ours: whether it was made for the scheduler, which is to close it then
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_ours: bool) -> None:
        self.loop = loop
        self._is_ours = is_ours
        self._thread = get_ident()
        self._elsewhere: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    def search(self, found: Callable[[asyncio.AbstractEventLoop], object]) -> None:
        """Have ``found`` called on the loop that runs in the guess's thread, if there is one."""
        for loop in {*_loops_of_tasks(), *_loops_of_frames(self._thread)} - {self.loop}:
            if loop not in self._elsewhere and loop.is_running():
                with suppress(RuntimeError):  # it has been closed since
                    loop.call_soon_threadsafe(self._take, loop, found)

    def drop(self) -> None:
        """Close the loop, for whose place another one has been found, if no other code can have it.

        Where the other one runs in another thread, this one is still the current loop here.
        """
        if self._is_ours and self._thread == get_ident():
            if current_loop() is self.loop:
                asyncio.set_event_loop(running_loop())
            self.loop.close()

    def _take(
        self, loop: asyncio.AbstractEventLoop, found: Callable[[asyncio.AbstractEventLoop], object]
    ) -> None:
        # Only the loop itself can tell for sure which thread it runs in.
        if self._thread == get_ident():
            found(loop)
        else:
            self._elsewhere.add(loop)


def _loops_of_tasks() -> Iterator[asyncio.AbstractEventLoop]:
    """Return the loops of all tasks that asyncio knows of, as ``asyncio.all_tasks`` finds those.

    From CPython 3.14 on it keeps its own tasks where only C code finds them, and these are those of other
    kinds; loops that run in the guess's thread are found by its frames.
    """
    tables = (
        ("_scheduled_tasks", "_eager_tasks") if sys.version_info >= (3, 12) else ("_all_tasks",)
    )
    for name in tables:
        for task in _snapshot(getattr(asyncio.tasks, name, WeakSet())):
            yield task.get_loop()


def _snapshot(tasks: WeakSet[asyncio.Task[object]]) -> list[asyncio.Task[object]]:
    while True:
        try:
            return list(tasks)
        except RuntimeError:  # a task was made meanwhile
            continue


def _loops_of_frames(thread: int) -> Iterator[asyncio.AbstractEventLoop]:
    """Return the loops that the functions a thread is in have among their variables."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        for value in tuple(frame.f_locals.values()):
            if isinstance(value, asyncio.AbstractEventLoop):
                yield value
            elif sys.version_info >= (3, 11) and isinstance(value, asyncio.Runner):
                loop = getattr(value, "_loop", None)
                if loop is not None:
                    yield loop
        frame = frame.f_back
