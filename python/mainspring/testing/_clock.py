"""``ManualClock``: the clock of schedulers under test, which the test moves."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import CancelledError, Future, wait
from contextlib import AbstractContextManager
from contextvars import Context
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring._loops.find import running_loop
from mainspring._mainspring import Engine, VirtualTime
from mainspring._scheduler.hosted import HostLoop
from mainspring.events import EVENT_JOB_MISSED
from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.testing._conductor import Conductor
from mainspring.testing._durations import microseconds
from mainspring.testing._loop_time import LoopTime, Timers, follow, followed, leave
from mainspring.testing._runs import Advance, Run, unexpected
from mainspring.testing._state import Ledger
from mainspring.testing._sweeper import ManualSweeper
from mainspring.testing._times import as_time
from mainspring.util import astimezone

if TYPE_CHECKING:
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job
    from mainspring.schedulers.base import BaseScheduler
    from mainspring.triggers.base import BaseTrigger

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
#: How often a thread in which a host's loop would run looks after it while the clock is advanced.
HOST_INTERVAL = 0.001


class ManualClock:
    """A clock that moves only when it is told to, and the schedulers that go by it.

    Given to any scheduler as ``clock=``. While :meth:`advance` moves the clock, it runs from fire to
    fire, and each run is executed as ever: by triggers, misfire rule, coalescing, instance limits, job
    stores, executors and listeners. Nothing runs while the clock stands.

    :param start: what the clock shows first: a datetime, a date, or ISO 8601 text; without an offset it
        is in ``timezone``
    :param seed: an integer that all jitter follows from
    :param timezone: the time zone of a naive ``start``; UTC by default
    :param patience: for how long to wait, in seconds of real time, for a run that waits for something
        else than the clock, before it is left behind as parked

    >>> from mainspring import BackgroundScheduler
    >>> clock = ManualClock("2026-01-01T00:00")
    >>> scheduler = BackgroundScheduler(clock=clock, timezone="UTC")
    >>> job = scheduler.add_job(lambda: "done", "cron", day="last", hour=12)
    >>> scheduler.start()
    >>> clock.advance("365 days").run_count
    12
    >>> clock.runs(job)[1].scheduled_run_time.isoformat()
    '2026-02-28T12:00:00+00:00'
    >>> scheduler.shutdown()
    """

    def __init__(
        self,
        start: date | str = "2026-01-01T00:00",
        seed: int = 0,
        *,
        timezone: tzinfo | str | None = None,
        patience: float = 1.0,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed is an integer, not {seed!r}")
        zone = astimezone(timezone)
        start = as_time(start, zone or _UTC)
        if zone is not None:
            start = start.astimezone(zone)
        assert start.tzinfo is not None
        self._zone: tzinfo = start.tzinfo
        self.seed = seed
        self.patience = patience
        self._time = VirtualTime(start, seed & 0xFFFF_FFFF_FFFF_FFFF)
        self._timers = Timers(self._attend)
        self._schedulers: list[BaseScheduler] = []
        #: Every scheduler that has ever run on this clock.
        self._known: list[BaseScheduler] = []
        self._ledger = Ledger()
        self._seen: set[tuple[int, int]] = set()
        self._turn = Lock()

    def __repr__(self) -> str:
        return f"<ManualClock {self.now().isoformat()}>"

    @property
    def timezone(self) -> tzinfo:
        """The time zone of the start."""
        return self._zone

    def now(self) -> datetime:
        """Return the time that the clock shows, in the time zone of the start."""
        return self._now(self._zone)

    # Moving

    def advance(self, duration: float | timedelta | str) -> Advance:
        """Let time pass, from fire to fire, and run what is due.

        Returns when every run that this has caused has ended, or waits for a later time of the clock, or
        is parked: it waits for something else. Not to be called on the event loop of a scheduler, which
        it would block; there it is ``await clock.aadvance(...)``.

        :param duration: seconds, a timedelta, or text such as ``"36h"``, ``"8h30m"``, ``"31 days"``;
            0 runs what is due already
        :return: the runs, and what has not ended
        :raises ValueError: if the duration is negative
        :raises RuntimeError: on a scheduler's event loop, or while the clock is being advanced
        """
        return self._block(partial(self._conduct, self._after(duration), self._counts()))

    def advance_to(self, time: date | str) -> Advance:
        """Do what :meth:`advance` does, until the clock shows a certain time.

        :param time: a datetime, a date, or ISO 8601 text; without an offset it is in the clock's zone
        :raises ValueError: if the time is past
        """
        return self._block(partial(self._conduct, self._until(time), self._counts()))

    async def aadvance(self, duration: float | timedelta | str) -> Advance:
        """Do what :meth:`advance` does, on an event loop, which goes on running."""
        return await self._conduct(self._after(duration), self._counts())

    async def aadvance_to(self, time: date | str) -> Advance:
        """Do what :meth:`advance_to` does, on an event loop, which goes on running."""
        return await self._conduct(self._until(time), self._counts())

    def drain(self) -> Advance:
        """Run what is due and wait, anew, for the runs that go on; the clock stands.

        :raises AssertionError: if a run does not end, and does not wait for the clock
        """
        return self._block(self.adrain)

    async def adrain(self) -> Advance:
        """Do what :meth:`drain` does, on an event loop, which goes on running."""
        self._ledger.forget_parked()
        result = await self._conduct(self._time.wall, self._counts())
        if result.parked:
            raise AssertionError("; ".join(str(run) for run in result.parked))
        return result

    def step(self, duration: float | timedelta | str) -> None:
        """Step the wall clock, forward or (negative) backward, while no time passes.

        As when NTP or a user sets a clock. What a step forward makes due runs at once, where it can be
        waited for here; on an event loop of a scheduler with the next ``await clock.aadvance(...)``.

        :param duration: as for :meth:`advance`
        """
        self._step(microseconds(duration))

    def suspend(self, duration: float | timedelta | str) -> None:
        """Let the machine sleep: the wall clock goes on, and nothing runs meanwhile.

        What has become due runs, or is missed, when it wakes up; see :meth:`step`.

        :param duration: as for :meth:`advance`
        :raises ValueError: if the duration is negative
        """
        micros = microseconds(duration)
        if micros < 0:
            raise ValueError(f"a machine cannot sleep for {duration!r}")
        self._step(micros)

    def loop_time(self, loop: AbstractEventLoop) -> LoopTime:
        """Have all of an event loop follow this clock, the test's own ``asyncio.sleep`` included.

        Without this, what runs in jobs follows the clock, and everything else the loop's own time.

        :param loop: the loop; only this object is changed
        :return: a context manager; also has ``undo()``
        """
        return LoopTime(self, loop)

    # Looking

    def runs(
        self, job: Job | str | None = None, scheduler: BaseScheduler | None = None
    ) -> list[Run]:
        """Return the runs so far, in the order in which they started.

        :param job: the job, or its id; ``None`` for the runs of all jobs
        :param scheduler: whose runs; ``None`` for all schedulers on this clock
        """
        job_id = job if job is None or isinstance(job, str) else job.id
        runs: list[Run] = []
        for index, known in enumerate(self._known):
            if scheduler is None or known is scheduler:
                runs += self._read(index, job_id, 0)
        return runs

    def unexpected_errors(self) -> list[Run]:
        """Return the runs that raised an exception at which the test has not looked."""
        return unexpected(self.runs(), self._seen)

    def unfinished(self) -> list[str]:
        """Say of each run that has not ended what it waits for."""
        return [str(run) for run in self._unfinished_runs()]

    # What the schedulers call, see `mainspring._contract.Clock`

    _is_the_systems = False

    def _make_engine(self, scheduler: BaseScheduler) -> Engine:
        return self._time.make_engine(scheduler)

    def _make_sweeper(self, scheduler: BaseScheduler, make: object) -> ManualSweeper:
        return ManualSweeper(scheduler, self)

    def _now(self, zone: tzinfo, told_by: object = None) -> datetime:
        return self._at(self._time.wall, zone)

    def _monotonic(self) -> float:
        return self._time.monotonic / 1e6

    def _time_elsewhere(self) -> datetime:
        return self.now()

    def _on_behalf(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function; triggers are told this clock's time, and draw jitter from its seed."""
        return self._time.on_behalf(function, *args)

    def _start_from_now(self, trigger: BaseTrigger) -> None:
        """Have a trigger that counts from when it was made count from now."""
        for member in getattr(trigger, "triggers", ()):
            self._start_from_now(member)
        start = getattr(trigger, "_start_from_now", None)
        if start is not None:
            self._on_behalf(start)

    def _note_events(self, scheduler: BaseScheduler, events: Iterable[JobExecutionEvent]) -> None:
        """Take note of runs that an executor has made without the engine."""
        for event in events:
            if event.exception is not None:
                outcome, value = "error", event.exception
            else:
                outcome = "missed" if event.code == EVENT_JOB_MISSED else "executed"
                value = event.retval
            scheduler._engine.note_run(
                event.job_id, event.scheduled_run_time, self.now(), outcome, value
            )

    def _note_skipped(
        self, scheduler: BaseScheduler, job_id: str, run_times: Iterable[datetime]
    ) -> None:
        for time in run_times:
            scheduler._engine.note_run(job_id, time, self.now(), "skipped", None)

    def _attach(self, scheduler: BaseScheduler) -> None:
        if scheduler not in self._schedulers:
            self._schedulers.append(scheduler)
        if scheduler not in self._known:
            self._known.append(scheduler)
        self._attend()

    def _detach(self, scheduler: BaseScheduler) -> None:
        if scheduler in self._schedulers:
            self._schedulers.remove(scheduler)
        self._attend()

    def _attend(self) -> None:
        """Have the code that moves the clock look at what only Python knows of, before time goes on."""
        self._time.attention = True

    def _noting_waiting(self, future: asyncio.Future[Any]) -> AbstractContextManager[None]:
        """Take note, in a worker thread, that its run waits for a future of a loop meanwhile."""
        return self._ledger.waits_for(future)

    def _follow_in(self, context: Context) -> None:
        """Have what runs in a context follow this clock."""
        context.run(followed.set, self)

    def _follow_on(self, loop: AbstractEventLoop) -> None:
        follow(loop)

    def _leave(self, loop: AbstractEventLoop) -> None:
        leave(loop)

    async def _rest(self) -> None:
        """Wait until what goes on by itself has ended or is at rest; nothing that is due is run."""
        own_time = followed.set(False)
        try:
            await Conductor(self, self._time.wall).come_to_rest()
        finally:
            followed.reset(own_time)

    def _rest_here(self) -> list[str]:
        """Do so, and say of each run that has not ended what it waits for."""
        if any(scheduler._engine.running_jobs for scheduler in self._schedulers):
            self._block(self._rest)
        return self.unfinished()

    def _stands(self) -> bool:
        return not self._turn.locked()

    async def _let_runs_end(self, scheduler: BaseScheduler, deadline: float | None) -> None:
        """Let time pass for the runs of a scheduler that has stopped, for so many seconds at most."""
        limit = None if deadline is None else self._time.monotonic + round(deadline * 1e6)
        own_time = followed.set(False)
        try:
            await Conductor(self, self._time.wall, (scheduler,)).let_sleepers_end(limit)
        finally:
            followed.reset(own_time)

    def _equip(self, scheduler: BaseScheduler) -> None:
        """Give a scheduler the methods by which a test looks at its runs, and waits for them."""
        on_loop = isinstance(scheduler, AsyncIOScheduler)
        own = {
            "runs": partial(self.runs, scheduler=scheduler),
            "drain": self.adrain if on_loop else self.drain,
        }
        for name, method in own.items():
            if not hasattr(type(scheduler), name):
                vars(scheduler)[name] = method

    # Inside

    def _at(self, micros: int, zone: tzinfo | None = None) -> datetime:
        return (EPOCH + micros * MICROSECOND).astimezone(zone or self._zone)

    def _after(self, duration: float | timedelta | str) -> int:
        micros = microseconds(duration)
        if micros < 0:
            raise ValueError(
                f"time does not go back: {duration!r}; clock.step() sets the clock back"
            )
        return self._time.wall + micros

    def _until(self, time: date | str) -> int:
        at = as_time(time, self._zone)
        micros = (at - EPOCH) // MICROSECOND
        if micros < self._time.wall:
            raise ValueError(
                f"{at} is past, the clock shows {self.now()}; clock.step() sets it back"
            )
        return micros

    def _step(self, micros: int) -> None:
        self._time.step(micros)
        if self._turn.locked() or self._is_on_loop_of_scheduler():
            return
        self._block(partial(self._conduct, self._time.wall, self._counts()))

    def _counts(self) -> list[int]:
        """Return how many runs each scheduler has had."""
        return [scheduler._engine.run_count for scheduler in self._known]

    async def _conduct(self, until: int, first: list[int]) -> Advance:
        if running_loop() is None:
            raise RuntimeError(
                "The clock is moved on an asyncio event loop, not on one of another kind; with anyio's "
                "pytest plugin, a fixture anyio_backend that returns 'asyncio' chooses it"
            )
        if not self._turn.acquire(blocking=False):
            raise RuntimeError(
                "the clock is being advanced; a job, or another thread, cannot do that"
            )
        own_time = None
        try:
            own_time = followed.set(False)
            for scheduler in tuple(self._schedulers):
                scheduler._note_running_loop()
            conductor = Conductor(self, until)
            await conductor.run()
            runs = conductor.unfinished()
            return Advance(
                self.now(),
                tuple(run for run in runs if run.until is None),
                tuple(run for run in runs if run.until is not None),
                partial(self._runs_since, first),
                sum(self._counts()) - sum(first),
            )
        finally:
            if own_time is not None:
                followed.reset(own_time)
            self._turn.release()

    def _unfinished_runs(self) -> list[Any]:
        return Conductor(self, self._time.wall).unfinished()

    def _runs_since(self, first: list[int]) -> list[Run]:
        runs: list[Run] = []
        for index in range(len(self._known)):
            runs += self._read(index, None, first[index] if index < len(first) else 0)
        return runs

    def _read(self, index: int, job_id: str | None, first: int) -> list[Run]:
        scheduler = self._known[index]
        zone = scheduler.timezone
        return [
            Run(
                id_,
                self._at(at, zone),
                self._at(start, zone),
                outcome,
                value,
                (index, n),
                self._seen,
            )
            for n, id_, at, start, outcome, value in scheduler._engine.runs(job_id, first)
        ]

    def _loops(self) -> list[AbstractEventLoop]:
        """Return the asyncio loops of the schedulers, those of coroutine jobs first."""
        loops = []
        for scheduler in self._schedulers:
            engine = scheduler._engine
            for loop in (engine.coro and engine.coro.loop, engine.control.loop):
                if loop is not None and isinstance(loop, AbstractEventLoop) and loop not in loops:
                    loops.append(loop)
        return loops

    def _is_on_loop_of_scheduler(self) -> bool:
        here = running_loop()
        return here is not None and here in self._loops()

    def _block(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine of the kit on an event loop of the schedulers, and wait for it in this thread."""
        if self._is_on_loop_of_scheduler():
            raise RuntimeError(
                "This would block the event loop of the scheduler: write `await clock.aadvance(...)` "
                "(or aadvance_to, adrain) in a coroutine"
            )
        for scheduler in self._schedulers:
            host = scheduler._engine.control.loop
            if isinstance(host, HostLoop) and host.runs_jobs and host._mainspring_is_here():
                raise RuntimeError(
                    f"This would block {host!r}, which the jobs need: move the clock in another thread"
                )
        while True:
            loops = self._loops()
            home = next(filter(self._runs, loops), None)
            if home is None:
                break
            try:
                return self._wait_here(asyncio.run_coroutine_threadsafe(make(), home))
            except CancelledError:
                # A run has shut its scheduler down, and with it the loop: go on on another one.
                if home in self._loops():
                    raise
        if running_loop() is not None:  # a loop that no scheduler uses: let it be
            return _in_new_thread(make)
        loop = next((loop for loop in loops if not loop.is_closed()), None)
        if loop is None:
            return asyncio.run(make())
        return loop.run_until_complete(make())

    def _runs(self, loop: AbstractEventLoop) -> bool:
        """Tell whether a loop is running, or is about to, since a thread has been started for that."""
        return loop.is_running() or any(s._has_thread_for(loop) for s in self._schedulers)

    def _wait_here(self, future: Future[T]) -> T:
        hosts = [
            scheduler._engine.control
            for scheduler in self._schedulers
            if isinstance(host := scheduler._engine.control.loop, HostLoop)
            and (host._mainspring_is_here() or not host.is_running())
        ]
        try:
            while hosts and not wait((future,), HOST_INTERVAL).done:
                # This is the host's thread, or there is none yet; it would do that but for this test.
                for inbox in hosts:
                    inbox._drain_all()
            for scheduler in self._schedulers:
                scheduler._wait_beside(future)
            return future.result()
        except BaseException:
            future.cancel()
            raise


def _in_new_thread(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(make())).result()


_UTC = timezone.utc
