"""What goes on at one moment on a manual clock, and what of it is not waited for.

Ground rules: a :class:`State` is read on the conductor's loop, of which all stands still meanwhile; what it
reads of other loops and threads may be out of date a moment later. The :class:`Ledger` is the conductor's,
but that a stuck run has ended, or waits for a loop, is noted in that run's own thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from threading import get_ident
from typing import TYPE_CHECKING, Any

from mainspring._mainspring import current_run
from mainspring._runs.coroutine_run import CoroutineRun
from mainspring.testing._rest import Waits, waits_for
from mainspring.testing._sweeper import ManualSweeper

if TYPE_CHECKING:
    from mainspring._contract import Scheduler
    from mainspring.schedulers.base import BaseScheduler
    from mainspring.testing._loop_time import Timers


@dataclass(eq=False)
class Stuck:
    """A run that keeps its worker thread."""

    scheduler: Scheduler
    job_id: str
    at: datetime
    #: That thread, once it has been seen to wait for a loop.
    thread: int | None = None


class Ledger:
    """The runs of a clock's schedulers that are not waited for."""

    def __init__(self) -> None:
        #: The tasks that are parked, and the futures they were found to wait for.
        self.tasks: dict[asyncio.Future[Any], object] = {}
        #: The runs that keep their worker threads.
        self.stuck: list[Stuck] = []
        #: By scheduler, by executor and job, or by stuck run: how many runs of which no more is known.
        self.others: dict[object, int] = {}
        #: By thread: the runs in worker threads that wait for a loop, and what they wait for.
        self.waiting: dict[int, tuple[Scheduler, str, asyncio.Future[Any]]] = {}
        #: Called in such a thread when it begins to wait.
        self.on_waiting: Callable[[], object] = bool

    @contextmanager
    def waits_for(self, future: asyncio.Future[Any]) -> Iterator[None]:
        """Note, in a worker thread, that its run waits for a future of a loop."""
        run, thread = current_run(), get_ident()
        if run is not None:
            self.waiting[thread] = (run[0], run[1], future)
            self.on_waiting()
        try:
            yield
        finally:
            self.waiting.pop(thread, None)

    def awaited_by(self, run: Stuck) -> asyncio.Future[Any] | None:
        """Return what a stuck run waits for on a loop, if it does."""
        if run.thread is None:
            known = {other.thread for other in self.stuck}
            for thread, (scheduler, job_id, _) in tuple(self.waiting.items()):
                if (scheduler, job_id) == (run.scheduler, run.job_id) and thread not in known:
                    run.thread = thread
        waits = None if run.thread is None else self.waiting.get(run.thread)
        return None if waits is None else waits[2]

    def other_waits(self, scheduler: BaseScheduler) -> list[tuple[str, asyncio.Future[Any]]]:
        """Return which other runs of a scheduler wait so, and for what."""
        known = {run.thread for run in self.stuck}
        return [
            (job_id, future)
            for thread, (of, job_id, future) in tuple(self.waiting.items())
            if of is scheduler and thread not in known
        ]

    def forget_stuck(self, runs: list[Stuck]) -> None:
        for run in runs:
            with suppress(ValueError):
                self.stuck.remove(run)

    def forget_parked(self) -> None:
        self.tasks.clear()
        self.others.clear()


@dataclass(frozen=True)
class Unknown:
    """A number of runs of which no more is known than that they have not ended."""

    key: object
    count: int
    job_id: str
    what: str
    time: datetime | None = None


class State:
    """What goes on at one moment."""

    def __init__(self, schedulers: Iterable[BaseScheduler], ledger: Ledger, timers: Timers) -> None:
        #: Whether something is about to go on by itself.
        self.moves = False
        self.tasks: list[tuple[asyncio.Future[Any], str, datetime | None, Waits]] = []
        self.unknown: list[Unknown] = []
        self._ledger, self._timers = ledger, timers
        for scheduler in schedulers:
            self._read(scheduler)

    def _read(self, scheduler: BaseScheduler) -> None:
        engine = scheduler._engine
        stuck = [run for run in tuple(self._ledger.stuck) if run.scheduler is scheduler]
        for held in stuck:
            future = self._ledger.awaited_by(held)
            if future is None:
                what = "what it does in its worker thread"
                self.unknown.append(Unknown(held, 1, held.job_id, what, held.at))
            else:
                self._read_task(future, held.job_id, held.at)
        left = engine.running_jobs - len(stuck)
        for inbox in filter(None, (engine.control, engine.coro)):
            self.moves |= not inbox.empty
            for task, job_id, _, times in inbox.running():
                left -= 1
                self._read_task(task, job_id, times[0] if times else None)
        for job_id, future in self._ledger.other_waits(scheduler):
            if left > 0:
                left -= 1
                self._read_task(future, job_id, None)
        if left < 0:  # a run has ended of which that is not noted yet
            self.moves = True
        elif left > 0:
            self.unknown.append(Unknown(scheduler, left, "?", "a worker thread, or its event loop"))
        sweeper = scheduler._sweeper
        if isinstance(sweeper, ManualSweeper) and sweeper.is_sweeping:
            self.unknown.append(
                Unknown(sweeper, 1, "?", "a job store, or a run that keeps its thread")
            )
        for alias, executor in list(scheduler._executors.items()):
            coroutine_runs = [
                run
                for run in tuple(getattr(executor, "_coroutine_runs", ()))
                if isinstance(run, CoroutineRun) and hasattr(run, "_task")
            ]
            runs = len(coroutine_runs)
            for run in coroutine_runs:
                if run._task is None:
                    self.moves = True
                else:
                    self._read_task(run._task, f"of executor {alias!r}", None)
            for job_id, count in list(getattr(executor, "_instances", {}).items()):
                own = min(runs, count)
                runs -= own
                if count > own:
                    self.unknown.append(
                        Unknown((executor, job_id), count - own, job_id, f"executor {alias!r}")
                    )

    def _read_task(self, task: asyncio.Future[Any], job_id: str, time: datetime | None) -> None:
        try:
            waits = waits_for(task, self._timers.waits_until)
        except RuntimeError:  # another thread's loop has changed what was being read
            waits = None
        if waits is None:
            self.moves = True
        else:
            self.tasks.append((task, job_id, time, waits))

    def is_at_rest(self) -> bool:
        """Tell whether all that goes on waits for the clock or is known to be parked."""
        ledger = self._ledger
        return (
            not self.moves
            and all(
                waits.until is not None or ledger.tasks.get(task) is waits.future
                for task, _, _, waits in self.tasks
            )
            and all(known.count <= ledger.others.get(known.key, 0) for known in self.unknown)
        )

    def enter(self, parks: bool) -> None:
        """Take note of what is parked still, or from now on."""
        ledger = self._ledger
        ledger.tasks = {
            task: waits.future
            for task, _, _, waits in self.tasks
            if waits.until is None and (parks or ledger.tasks.get(task) is waits.future)
        }
        ledger.others = {
            known.key: known.count if parks else min(known.count, ledger.others.get(known.key, 0))
            for known in self.unknown
        }

    def signature(self) -> object:
        """Return something that is different when anything has changed."""
        return (
            [(id(task), id(waits.future)) for task, _, _, waits in self.tasks],
            [(id(known.key), known.count) for known in self.unknown],
        )
