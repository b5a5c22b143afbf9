"""What a scheduler, and a clock of the testing kit, answer to those below them.

Executors, job stores, worker threads, the exit and a fork know a scheduler by these alone. Nothing of the
package is imported here, so that everything in it may import this; what is of its classes is ``Any``.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from contextvars import Context
from datetime import datetime, tzinfo
from logging import Logger
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """A clock that is moved by hand, in place of the system's."""

    @property
    def _time(self) -> Any:
        """The time that passes, and that of the wall clock."""

    def now(self) -> datetime:
        """Return the time that the clock shows."""

    def _now(self, zone: tzinfo) -> datetime:
        """Return it in a zone."""

    # A scheduler's life

    def _equip(self, scheduler: Any) -> None:
        """Give a scheduler the methods by which a test looks at its runs."""

    def _make_engine(self, scheduler: Any) -> Any:
        """Make the engine of a scheduler."""

    def _make_sweeper(self, scheduler: Any) -> Any:
        """Make what sweeps the stores of a scheduler that are written in Python."""

    def _attach(self, scheduler: Any) -> None:
        """Move the time of a scheduler that is started."""

    def _detach(self, scheduler: Any) -> None:
        """Do so no longer."""

    # The time of triggers and runs

    def _on_behalf(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function whose triggers are told this clock's time."""

    def _start_from_now(self, trigger: Any) -> None:
        """Have a trigger that counts from when it was made count from now."""

    def _follow_in(self, context: Context) -> None:
        """Have what runs in a context follow this clock."""

    def _follow_on(self, loop: AbstractEventLoop) -> None:
        """Have a loop show this clock's time to its jobs."""

    def _leave(self, loop: AbstractEventLoop) -> None:
        """Let a loop have its own time again."""

    # What the clock must know of to be moved

    def _note_events(self, scheduler: Any, events: Iterable[Any]) -> None:
        """Take note of runs that an executor has made without the engine."""

    def _note_skipped(self, scheduler: Any, job_id: str, run_times: Iterable[datetime]) -> None:
        """Take note of run times that were skipped, since as many runs as allowed were going on."""

    def _noting_waiting(self, future: Future[Any]) -> AbstractContextManager[None]:
        """Take note, in a worker thread, that its run waits for a future of a loop meanwhile."""

    def _is_being_advanced(self) -> bool:
        """Tell whether the clock is being moved just now."""

    async def _let_runs_end(self, scheduler: Any, deadline: float | None) -> None:
        """Let time pass for the runs of a scheduler that has stopped."""


class Scheduler(Protocol):
    """What a scheduler answers to its executors and job stores."""

    def _create_lock(self) -> AbstractContextManager[Any]:
        """Make a re-entrant lock of the kind that suits the scheduler."""

    def _dispatch_event(self, event: Any) -> None:
        """Call the listeners that want this event."""

    def _calling_out(self) -> AbstractContextManager[Any]:
        """Return the context in which code of the program is called on the scheduler's own loop."""

    def _coroutine_loop(self) -> AbstractEventLoop | None:
        """Return the loop on which coroutine jobs run."""

    def _thread_loop(self) -> AbstractEventLoop | None:
        """Return what this thread is to have as its event loop while it runs a sync function."""

    def _suspended_tasks(self) -> list[Future[Any]]:
        """Return the coroutine runs that go on without an executor's knowledge, as futures."""


class LoopHolder(Protocol):
    """What a scheduler with a timer thread answers to the proxies of its loop in worker threads."""

    _clock: Clock | None
    #: The worker threads that wait for a loop, and for which.
    _waiting_for_loop: dict[int, object]
    _loop_response_timeout: float

    @property
    def _guess(self) -> object:
        """Set while the loop is one that has not run yet and may turn out to be another."""

    @property
    def _last_loop(self) -> AbstractEventLoop | None:
        """The last loop that coroutine jobs ran on."""

    def _coroutine_loop(self) -> AbstractEventLoop | None:
        """Return the loop on which coroutine jobs run."""

    def _wait_for_running_loop(self) -> None:
        """Wait for the loop to which a worker thread can hand something over; not for ever."""

    def _is_stopped(self) -> bool:
        """Tell whether a loop that does not run will not be run again, unless the package runs it."""

    def _may_run(self, loop: AbstractEventLoop) -> bool:
        """Tell whether a loop runs, or is one that this package runs, and has not come to its end."""


class WatchedScheduler(Protocol):
    """What a scheduler with a timer thread answers to what looks after its loops."""

    _loop_response_timeout: float

    @property
    def _engine(self) -> Any:
        """The engine."""

    @property
    def _guess(self) -> Any:
        """Set while the loop is one that has not run yet and may turn out to be another."""

    @property
    def _logger(self) -> Logger:
        """The scheduler's logger."""

    @property
    def _is_stopping(self) -> Any:
        """Set when the scheduler is halted."""

    def _take_running_loop(self, loop: AbstractEventLoop) -> None:
        """Put the loop that runs in this thread in the place of a guessed one that never ran."""


class ClosingScheduler(LoopHolder, Protocol):
    """What a scheduler with a timer thread answers to what ends its runs."""

    @property
    def _executors(self) -> dict[str, Any]:
        """The executors by alias."""

    @property
    def _engine(self) -> Any:
        """The engine."""

    def _can_end_runs(self, loop: AbstractEventLoop) -> bool:
        """Tell whether the runs can still come to their end, on the loop of the coroutine jobs."""


class SweptScheduler(Protocol):
    """What a scheduler answers to the sweep of its job stores that are written in Python."""

    jobstore_retry_interval: float

    @property
    def _logger(self) -> Logger:
        """The scheduler's logger."""

    @property
    def _state(self) -> int:
        """Whether it is stopped, running or paused."""

    @property
    def _starts_daemons(self) -> bool:
        """Whether threads that jobs start are daemons."""

    def _now(self) -> datetime:
        """Return the current time in the scheduler's zone."""

    def _is_paused(self) -> bool:
        """Tell whether no job is to be started."""

    def _python_stores(self) -> list[tuple[str, Any]]:
        """Return the job stores to sweep, and their aliases."""

    def _store_lock(self, alias: str) -> AbstractContextManager[Any]:
        """Return what keeps two threads from calling one store at once."""

    def _executor_for(self, job: Any, alias: str | None) -> Any:
        """Return a due job's executor; where there is none, log that and remove the job."""

    def _submit(self, executor: Any, job: Any, alias: str | None, run_times: list[datetime]) -> Any:
        """Submit a due job, and return the event that this gives."""

    def _remove_ended_job(self, job_id: str, alias: str | None) -> None:
        """Remove a job whose trigger has ended."""

    def _listener_mask(self) -> int:
        """Return the codes of the events that a listener wants."""

    def _tell(self, event: Any) -> None:
        """Dispatch an event of a sweep in the thread where listeners expect it."""


class PlanningScheduler(Protocol):
    """What a scheduler answers to what works out the next run times of its jobs."""

    @property
    def _jobstores(self) -> dict[str, Any]:
        """The job stores by alias."""

    @property
    def _sweeper(self) -> Any:
        """What sweeps the stores that are written in Python."""

    def _first_fire_time(self, trigger: Any, last: datetime | None = None) -> datetime | None:
        """Return the first fire time of a trigger from now on, and after ``last``, where it is given."""


class ForkedScheduler(Protocol):
    """What a scheduler answers to a fork of the process."""

    def _forget_parent(self) -> None:
        """Become a stopped scheduler, with the jobs that it has in the parent."""


class EndingScheduler(Protocol):
    """What a scheduler with threads of its own answers to the exit of the interpreter."""

    def _stop_if_forgotten(self) -> None:
        """Stop if a loop has been closed."""

    def _stop_at_exit(self) -> None:
        """End the scheduler's threads, but for that of a loop."""

    def _end_loop_at_exit(self) -> None:
        """End the scheduler's own loop, if it has one: the runs in worker threads have ended."""

    def _end_timer_at_exit(self) -> None:
        """End the timer thread, where an interrupt has cut the step before short."""

    def _abandon_runs_at_exit(self) -> None:
        """End the runs that wait for a loop."""


class RunsLoop(Protocol):
    """What a thread that runs a loop answers to the exit of the interpreter."""

    @property
    def loop(self) -> AbstractEventLoop:
        """The loop."""

    def stop(self) -> None:
        """Cancel what is left on the loop, close it, and wait for that."""
