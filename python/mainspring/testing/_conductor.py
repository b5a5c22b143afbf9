"""Moving a manual clock: from deadline to deadline, and at each until everything is at rest.

What the conductor does, again and again:

1. *Settle*: wait until every run that has begun has ended or is at rest, that is, waits for the clock or
   is parked. A run is parked when it waits for something else and nothing has changed for as long as the
   clock's patience, in real time; from then on it is not waited for until it goes on by itself.
2. *Look* at what only Python knows of: timers of loops, job stores and schedulers written in Python. What
   is due there is done.
3. *Go on*: have the engines' drive (``src/scheduler/drive.rs``) take the next item, or move the clock to the
   next deadline. Where an item belongs to the conductor's own loop or to a worker pool, that place drives
   on by itself for as long as everything ends at once.

So two runs never begin at once: at one instant they begin in the order in which their jobs were added
(job store by job store, scheduler by scheduler), then those of Python stores.

Ground rules: one conductor works on a clock at a time; it is a coroutine on the loop of a scheduler (of
the test, if it is in a coroutine), so whatever it reads of that loop stands still meanwhile. Of other
loops and threads it reads what may be out of date a moment later, and looks again. It never blocks. Its own
waiting is in real time, whatever the loop follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mainspring._mainspring import LoopInbox, WorkerPool
from mainspring._scheduler.driven import DrivenScheduler
from mainspring._scheduler.state import STATE_RUNNING
from mainspring.testing._loop_time import wait_in_real_time
from mainspring.testing._rest import Waits
from mainspring.testing._runs import UnfinishedRun
from mainspring.testing._state import Ledger, State, Stuck
from mainspring.testing._sweeper import ManualSweeper

if TYPE_CHECKING:
    from mainspring.schedulers.base import BaseScheduler
    from mainspring.testing._clock import ManualClock

#: How many turns of the loop to wait for a run before the loop is left alone for longer, in seconds.
TURNS = 20
#: How many turns to leave to a loop that does not tell whether it has something to do.
FEW_TURNS = 5
FIRST_PAUSE, LONGEST_PAUSE = 0.0002, 0.005
#: How often to look after a worker thread that drives, in seconds.
WORKER_INTERVAL = 0.02
#: How much of sleeps may be cut short at the end of an advance, in microseconds, and how many of them.
MOMENT, MOST_CUTS = 1_000_000, 1_000
#: How often a store may be swept at one instant.
MOST_SWEEPS = 1_000


class Conductor:
    """Moves a clock.

    :param clock: the clock
    :param until: what it is to show in the end, in microseconds since the epoch
    :param schedulers: the schedulers to look after; by default those that are running on the clock
    """

    def __init__(
        self, clock: ManualClock, until: int, schedulers: tuple[BaseScheduler, ...] | None = None
    ) -> None:
        self.clock = clock
        self._schedulers = schedulers
        self.ledger: Ledger = clock._ledger
        self._time = clock._time
        self._until = until
        self._sweeps: tuple[int, int] = (0, 0)
        self._cut_short = self._cuts = 0
        self._processed: dict[BaseScheduler, tuple[object, int | None]] = {}

    def schedulers(self) -> tuple[BaseScheduler, ...]:
        """Return the schedulers to look after."""
        return tuple(self.clock._schedulers) if self._schedulers is None else self._schedulers

    def watched(self) -> list[BaseScheduler]:
        """Return these, and those that have stopped while runs of theirs go on."""
        schedulers = list(self.schedulers())
        if self._schedulers is None:
            schedulers += [
                scheduler
                for scheduler in self.clock._known
                if scheduler not in schedulers and scheduler._engine.running_jobs
            ]
        return schedulers

    def _state(self) -> State:
        return State(self.watched(), self.ledger, self.clock._timers)

    async def run(self) -> None:
        """Move the clock."""
        self._home = asyncio.get_running_loop()
        time = self._time
        await self._turns()
        while True:
            await self._settle()
            time.attention = False
            if await self._look():
                continue
            deadline = self._next_deadline()
            limit = self._until if deadline is None else min(self._until, deadline)
            place = time.next(limit)
            if place is not None:
                await self._go_on(place, limit)
            elif self._is_over() and not await self._end_last_moments():
                return

    async def come_to_rest(self) -> None:
        """Wait for the runs that go on, while the clock stands."""
        self._home = asyncio.get_running_loop()
        await self._settle()

    async def let_sleepers_end(self, limit: int | None) -> None:
        """Let time pass for what sleeps, but no job become due, until all runs have ended.

        :param limit: until when, in microseconds of the clock's monotonic time
        """
        self._home = asyncio.get_running_loop()
        while self._is_busy():
            await self._settle()
            timer = self.clock._timers.next()
            if timer is None or (limit is not None and timer > limit):
                return
            self._time.pass_time(max(0, timer - self._time.monotonic))
            await self._fire_timers()

    # Going on

    async def _go_on(self, place: LoopInbox | WorkerPool, limit: int) -> None:
        if isinstance(place, WorkerPool):
            await self._lend(place, limit)
        elif place.loop is self._home:
            self._time.drive(place, limit)
            if not self._is_busy():
                await asyncio.sleep(0)
        else:
            self._time.hand_over()
            is_here = getattr(place.loop, "_mainspring_is_here", None)
            if place.loop is None or (is_here is not None and is_here()):
                place._drain_all()

    async def _lend(self, pool: WorkerPool, limit: int) -> None:
        """Have a worker drive, and take the drive back if a run keeps it, or waits there for a loop."""
        time, ledger = self._time, self.ledger
        changed: asyncio.Future[None] = self._home.create_future()
        stuck: list[Stuck] = []
        over = waits = False

        def wake() -> None:
            if not changed.done():
                changed.set_result(None)

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed
                self._home.call_soon_threadsafe(wake)

        def end() -> None:
            nonlocal over
            over = True
            ledger.forget_stuck(stuck)
            tell()

        def wait() -> None:
            nonlocal waits
            waits = True
            tell()

        ledger.on_waiting = wait
        try:
            if not time.lend(pool, limit, end):
                time.hand_over()
                return
            progress, since = time.progress, time.real
            while not over:
                await wait_in_real_time(WORKER_INTERVAL, changed)
                changed = self._home.create_future()
                if over:
                    return
                is_late = time.progress == progress and time.real - since > self.clock.patience
                if is_late or waits:
                    run = time.reclaim()
                    if run is not None:
                        scheduler, job_id, at = run
                        stuck.append(Stuck(scheduler, job_id, self.clock._at(at)))
                        ledger.stuck += stuck
                        if is_late:
                            ledger.others[stuck[0]] = 1
                        if over:  # it has ended meanwhile
                            ledger.forget_stuck(stuck)
                        return
                    if is_late:  # no worker has come
                        time.hand_over()
                        return
                    waits = False  # it has ended, and the worker is about to say so
                if time.progress != progress:
                    progress, since = time.progress, time.real
        except asyncio.CancelledError:
            time.reclaim()
            raise
        finally:
            ledger.on_waiting = bool

    # Settling

    async def _settle(self) -> None:
        """Wait until everything is at rest."""
        for _ in range(FEW_TURNS):  # nearly always enough, and quicker than to look closely
            if not self._is_busy():
                self.ledger.forget_parked()
                return
            await asyncio.sleep(0)
            if self._is_quiet():
                break
        turn, pause = 0, FIRST_PAUSE
        last, since = None, self._time.real
        while True:
            state = self._state()
            if state.is_at_rest():
                # A loop that does not tell may have something to do that it has not come to yet.
                if turn or self._is_quiet():
                    state.enter(parks=False)
                    return
            else:
                signature = state.signature()
                if signature != last and not state.moves:
                    last, since = signature, self._time.real
                elif self._time.real - since > self.clock.patience:
                    state.enter(parks=True)
                    return
                if turn > TURNS:
                    await wait_in_real_time(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            turn += 1
            await asyncio.sleep(0)

    def _is_quiet(self) -> bool:
        """Tell whether the loop says that it has nothing else to do at once."""
        ready = getattr(self._home, "_ready", None)
        return ready is not None and not ready

    def _is_over(self) -> bool:
        """Tell whether the clock shows what it is to show, and nothing is due."""
        time = self._time
        return time.wall >= self._until and not time.attention and not self._is_due()

    async def _end_last_moments(self) -> bool:
        """End a sleep that would end less than a moment after the advance; tell whether there was one.

        A run that fires at the very end, and merely pauses for a moment, is to have ended then. All
        that is cut short in this way is no longer than a moment together, nor are there many of them.
        """
        timer = self.clock._timers.next()
        if timer is None or self._cuts >= MOST_CUTS:
            return False
        early = timer - self._time.monotonic
        if self._cut_short + early >= MOMENT:
            return False
        self._cut_short += early
        self._cuts += 1
        await self._fire_timers(timer)
        return True

    async def _turns(self) -> None:
        """Let whatever is about to go on on the loop do so, whether it belongs to a run or not."""
        for turn in range(TURNS):
            await asyncio.sleep(0)
            if self._is_quiet() or (turn >= FEW_TURNS and not hasattr(self._home, "_ready")):
                return

    def _is_busy(self) -> bool:
        """Tell whether a run goes on, or something has been left to a loop to do."""
        schedulers = self.clock._known if self._schedulers is None else self._schedulers
        return (
            (self._schedulers is None and self._time.busy)
            or any(s._engine.running_jobs or self._has_other_runs(s) for s in schedulers)
            # That a run has ended is noted a little later than its end.
            or any(run.scheduler in schedulers for run in tuple(self.ledger.stuck))
        )

    @staticmethod
    def _has_other_runs(scheduler: BaseScheduler) -> bool:
        """Tell whether there are runs, or a sweep, that the engine knows nothing of."""
        sweeper = scheduler._sweeper
        return (isinstance(sweeper, ManualSweeper) and sweeper.is_sweeping) or any(
            getattr(executor, "_instances", ()) for executor in list(scheduler._executors.values())
        )

    # Looking at what only Python knows of

    def _deadlines(self) -> Iterator[tuple[int, Callable[[], Any]]]:
        """Yield when there is something to do, and what."""
        now = self._time.wall
        timer = self.clock._timers.next()
        if timer is not None:
            yield now + max(0, timer - self._time.monotonic), self._fire_timers
        for scheduler in self.schedulers():
            if not isinstance(scheduler, DrivenScheduler):
                deadline = self._deadline_of(scheduler)
                if deadline is not None:
                    yield deadline, lambda s=scheduler: self._process(s)  # type: ignore[misc]
            elif isinstance(sweeper := scheduler._sweeper, ManualSweeper):
                deadline = sweeper.deadline(now)
                if deadline is not None:
                    yield deadline, lambda s=sweeper: self._sweep(s)  # type: ignore[misc]

    def _next_deadline(self) -> int | None:
        return min((deadline for deadline, _ in self._deadlines()), default=None)

    def _is_due(self) -> bool:
        deadline = self._next_deadline()
        return deadline is not None and deadline <= self._time.wall

    async def _look(self) -> bool:
        """Do what is due in Python; tell whether there was something."""
        for deadline, action in self._deadlines():
            if deadline <= self._time.wall:
                doing = action()
                if doing is not None:
                    await doing
                return True
        return False

    async def _fire_timers(self, until: int | None = None) -> None:
        """End what sleeps until now, or until a certain time, in microseconds."""
        until = self._time.monotonic if until is None else until
        for handle, loop in self.clock._timers.take_due(until):
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_run, handle)
        await self._turns()

    async def _sweep(self, sweeper: ManualSweeper) -> None:
        now = self._time.wall
        self._sweeps = (now, self._sweeps[1] + 1 if self._sweeps[0] == now else 1)
        if self._sweeps[1] > MOST_SWEEPS:
            raise RuntimeError(
                f"The job stores of {sweeper._scheduler!r} always have something due at {self.clock.now()}"
            )
        done: asyncio.Future[None] = self._home.create_future()

        def end() -> None:
            if not done.done():
                done.set_result(None)

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed
                self._home.call_soon_threadsafe(end)

        sweeper.begin(tell)
        since = self._time.real
        while not done.done() and self._time.real - since <= self.clock.patience:
            await wait_in_real_time(WORKER_INTERVAL, done)

    def _deadline_of(self, scheduler: BaseScheduler) -> int | None:
        """Return when to process the jobs of a scheduler that does not do that by itself."""
        if scheduler.state != STATE_RUNNING:
            return None
        at, deadline = self._processed.get(scheduler, (None, None))
        return deadline if at == (self._time.wall, self._time.progress) else self._time.wall

    def _process(self, scheduler: BaseScheduler) -> None:
        now = self._time.wall
        wait = scheduler._process_jobs()
        deadline = None if wait is None else now + max(1, round(wait * 1e6))
        self._processed[scheduler] = ((now, self._time.progress), deadline)

    # Telling

    def unfinished(self) -> list[UnfinishedRun]:
        """Return the runs that have not ended."""
        state = self._state()
        runs = [
            UnfinishedRun(job_id, waits.what, time, self._when(waits))
            for task, job_id, time, waits in state.tasks
        ]
        for known in state.unknown:
            runs += [UnfinishedRun(known.job_id, known.what, known.time)] * known.count
        return runs

    def _when(self, waits: Waits) -> datetime | None:
        if waits.until is None:
            return None
        return self.clock._at(self._time.wall + waits.until - self._time.monotonic)


def _run(handle: asyncio.TimerHandle) -> None:
    if not handle.cancelled():
        handle._run()
