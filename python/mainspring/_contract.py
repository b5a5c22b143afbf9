"""What a scheduler and a clock answer to those below them, and the package to the binding.

Executors, job stores, worker threads, the exit and a fork know a scheduler by these alone. Nothing of the
package is imported here, so that everything in it may import this; what is of its classes is ``Any``.

The second half is what Rust calls: ``src/py/host/`` spells these names, and no others. By
``tests/packaging/held.py`` mypy holds the package to them. What Python calls of Rust is in
``_mainspring.pyi``.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import Context
from datetime import date, datetime, timedelta, tzinfo
from logging import Logger
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """The clock that a scheduler goes by: the system's, or one that is moved by hand."""

    #: Whether it is the one that everything else goes by, and passes by itself.
    _is_the_systems: bool

    def _now(self, zone: tzinfo, told_by: type[datetime]) -> datetime:
        """Return the time in a zone; the system's as a class tells it, which programs may have replaced."""

    def _monotonic(self) -> float:
        """Return how much time has passed, in seconds."""

    def _time_elsewhere(self) -> datetime | None:
        """Return the time that another process is to be told; ``None``: it knows it."""

    # A scheduler's life

    def _equip(self, scheduler: Any) -> None:
        """Give a scheduler the methods by which a test looks at its runs."""

    def _make_engine(self, scheduler: Any) -> Any:
        """Make the engine of a scheduler."""

    def _make_sweeper(self, scheduler: Any, make: Callable[[Any], Any]) -> Any:
        """Make what sweeps the stores of a scheduler that are written in Python, as a rule by ``make``."""

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

    # What a clock must know of to be moved

    def _note_events(self, scheduler: Any, events: Iterable[Any]) -> None:
        """Take note of runs that an executor has made without the engine."""

    def _note_skipped(self, scheduler: Any, job_id: str, run_times: Iterable[datetime]) -> None:
        """Take note of run times that were skipped, since as many runs as allowed were going on."""

    def _noting_waiting(self, future: Future[Any]) -> AbstractContextManager[None]:
        """Take note, in a worker thread, that its run waits for a future of a loop meanwhile."""

    def _stands(self) -> bool:
        """Tell whether runs that sleep would do so for ever, since no test moves the clock just now."""

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

    _clock: Clock
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

    def _note_removal(self, job_id: str) -> None:
        """Log that a due job has been removed meanwhile."""

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


# --- What the binding calls -----------------------------------------------------------------------


class BoundScheduler(Protocol):
    """What a scheduler answers to the binding."""

    timezone: tzinfo

    @property
    def _logger(self) -> Logger:
        """The scheduler's logger."""

    @property
    def _job_defaults(self) -> Mapping[str, Any]:
        """What a job has that is added without."""

    @property
    def _jobstores(self) -> dict[str, Any]:
        """The job stores by alias."""

    @property
    def _trigger_classes(self) -> Any:
        """The trigger classes by alias, as far as they have been looked up; a dictionary."""

    def _coroutine_loop(self) -> AbstractEventLoop | None:
        """Return the loop on which coroutine jobs run."""

    def _thread_loop(self) -> AbstractEventLoop | None:
        """Return what this thread is to have as its event loop while it runs a sync function."""

    def _calling_out(self) -> AbstractContextManager[Any]:
        """Return the context in which code of the program is called on the scheduler's own loop."""

    def _follow_clock(self, context: Context) -> None:
        """Have what runs in a context see the time of the scheduler's clock."""

    def _submit_native(self, job: Any, run_times: list[datetime]) -> Any:
        """Hand a job to an executor that the engine does not serve; return the event of that, if any."""

    def _log_skipped(self, job: Any, times: int = 1) -> None:
        """Log that a due job is not run, so many times."""

    @property
    def _listeners(self) -> list[tuple[Callable[[Any], object], int]]:
        """The listeners, each with the codes of the events it wants."""

    def _tells_directly(self) -> bool | None:
        """Tell whether the listeners may be called without the scheduler; ``None``: where no loop runs."""

    def _note_failed_listener(
        self, callback: Callable[[Any], object], event: Any, exc: BaseException
    ) -> None:
        """Log that a listener has failed."""

    def _open_native_jobs(self) -> None:
        """Say which steps with jobs are to go through the scheduler's own methods."""

    def _note_running_loop(self) -> None:
        """Take note of the process and the loop from which the scheduler is called."""

    def _create_trigger(self, trigger: Any, trigger_args: dict[str, Any]) -> Any:
        """Return the trigger given, or the one that an alias and arguments stand for."""

    @property
    def _pending_jobs(self) -> list[tuple[Any, str, bool]]:
        """The jobs that wait for the start."""

    def _place_job(self, job: Any, jobstore: str, replace_existing: bool) -> bool:
        """Put a new job among the pending ones, or into its store; tell whether it pends."""

    def _real_add_job(self, job: Any, jobstore_alias: str, replace_existing: bool) -> None:
        """Put a job into its store."""

    def _dispatch_event(self, event: Any) -> None:
        """Call the listeners that want this event."""

    # By these a job changes itself

    def modify_job(self, job_id: str, jobstore: str | None, **changes: Any) -> Any: ...
    def reschedule_job(
        self, job_id: str, jobstore: str | None, trigger: Any, **trigger_args: Any
    ) -> Any: ...
    def pause_job(self, job_id: str, jobstore: str | None) -> Any: ...
    def resume_job(self, job_id: str, jobstore: str | None) -> Any: ...
    def remove_job(self, job_id: str, jobstore: str | None) -> None: ...


class BoundDrivenScheduler(BoundScheduler, Protocol):
    """What a scheduler with a timer thread answers to it beyond that."""

    def _check_loops(self) -> None:
        """Look after a loop that leaves its work alone."""


class BoundHostLoop(Protocol):
    """What stands for the loop of another framework answers to it."""

    def _mainspring_is_here(self) -> bool:
        """Tell whether this is the thread of that loop."""


class TimeNames(Protocol):
    """A module in which programs replace what it asks for the time."""

    @property
    def datetime(self) -> type[datetime]:
        """The class that is asked for the time now."""


class TimeNamesOfTrigger(TimeNames, Protocol):
    def get_localzone(self) -> tzinfo: ...


class TimeNamesOfDays(TimeNamesOfTrigger, Protocol):
    @property
    def date(self) -> type[date]:
        """The class that is asked for the date today."""


class BaseOfTriggers(Protocol):
    @property
    def BaseTrigger(self) -> type:  # noqa: N802
        """The class of all triggers."""


class CronFields(Protocol):
    @property
    def CLASSES(self) -> Mapping[str, type]:  # noqa: N802
        """The class of each field."""


class TriggerClasses(Protocol):
    @property
    def TriggerClass(self) -> type:  # noqa: N802
        """The class of the trigger classes."""

    def TriggerList(self, triggers: Iterable[Any], /) -> list[Any]: ...  # noqa: N802
    def FieldList(self, fields: Iterable[Any], /) -> list[Any]: ...  # noqa: N802
    def make_functions(self, cls: type, /) -> None: ...
    def check_field(self, field: Any, /) -> None: ...
    def check_classes(self, classes: Iterable[type], /) -> None: ...


class Events(Protocol):
    def JobEvent(  # noqa: N802
        self, code: int, job_id: str, jobstore: str | None, /
    ) -> Any: ...
    def JobSubmissionEvent(  # noqa: N802
        self, code: int, job_id: str, jobstore: str | None, scheduled_run_times: list[datetime], /
    ) -> Any: ...
    def JobExecutionEvent(  # noqa: N802
        self,
        code: int,
        job_id: str,
        jobstore: str | None,
        scheduled_run_time: datetime,
        *,
        retval: Any = None,
        exception: BaseException | None = None,
        traceback: str | None = None,
    ) -> Any: ...


class StoreErrors(Protocol):
    def JobLookupError(self, job_id: str, /) -> BaseException: ...  # noqa: N802
    def ConflictingIdError(self, job_id: str, /) -> BaseException: ...  # noqa: N802


class Util(Protocol):
    @property
    def undefined(self) -> Any:
        """What stands for an argument that was not given."""

    def asdate(self, obj: Any, /) -> Any: ...
    def astimezone(self, obj: Any, /) -> Any: ...
    def check_callable_args(
        self, func: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any], /
    ) -> None: ...
    def convert_to_datetime(self, value: Any, tz: Any, arg_name: str, /) -> Any: ...
    def datetime_repr(self, dateval: datetime | None, /) -> str: ...
    def datetime_utc_add(self, dateval: datetime, tdelta: timedelta, /) -> datetime: ...
    def get_callable_name(self, func: Any, /) -> str: ...
    def isasyncgenfunction_partial(self, f: Any, /) -> bool: ...
    def iscoroutinefunction_partial(self, f: Any, /) -> bool: ...
    def obj_to_ref(self, obj: Any, /) -> str: ...
    def ref_to_obj(self, ref: str, /) -> Any: ...
    def timezone_repr(self, timezone: tzinfo, /) -> str: ...


class Pickles(Protocol):
    def ours(self, name: str, /) -> str: ...


class Coroutines(Protocol):
    def bridged(self, future: Future[Any], /) -> Future[Any]: ...
    def explain(self, exc: BaseException, traceback: Any, /) -> None: ...
    def awaited(self, awaitable: Any, /) -> Any: ...
    def is_exit_of_program(self, exc: BaseException, traceback: Any, /) -> bool: ...
    def loop_is_ending(self) -> bool: ...
    def tell_unawaited(self, job_id: str, names: list[str], /) -> None: ...


class CurrentLoop(Protocol):
    def keep(self, loop: AbstractEventLoop, /) -> None: ...


class Submitting(Protocol):
    def carry(self, function: Callable[..., Any], /, *args: Any) -> Any: ...
    def submit_is_replaced(self) -> bool: ...


class Threads(Protocol):
    def new_thread(
        self,
        *,
        target: Callable[..., object],
        args: tuple[Any, ...],
        name: str,
        daemon: bool | None,
    ) -> Any: ...


class Logs(Protocol):
    def get_logger(self, *parts: str) -> Logger: ...
    def is_plain(self, logger: Logger, /) -> bool: ...
    def place_of(self, caller: Callable[..., object], /) -> tuple[str, int, str]: ...


class RunTells(Protocol):
    """Calls of loggers, in functions that log records are to name."""

    def run_job(self, log: Callable[..., object], /, *args: Any, exc_info: Any = None) -> None: ...
    def run_coroutine_job(
        self, log: Callable[..., object], /, *args: Any, exc_info: Any = None
    ) -> None: ...


class SchedulerTells(Protocol):
    """The like for what a scheduler logs."""

    def _process_jobs(
        self, log: Callable[..., object], /, *args: Any, exc_info: Any = None
    ) -> None: ...
    def remove_job(self, log: Callable[..., object], /, *args: Any) -> None: ...
    def add_job(self, log: Callable[..., object], /, *args: Any) -> None: ...
    def _real_add_job(self, log: Callable[..., object], /, *args: Any) -> None: ...


#: The modules of the package that the binding imports from, or the class in one, and what each has for it.
MODULES: Final[Mapping[str, type]] = {
    "mainspring._logs": Logs,
    "mainspring._loops.coroutines": Coroutines,
    "mainspring._loops.current": CurrentLoop,
    "mainspring._pickles": Pickles,
    "mainspring._process.threads": Threads,
    "mainspring._runs.submitting": Submitting,
    "mainspring._trigger_class": TriggerClasses,
    "mainspring.events": Events,
    "mainspring.executors.base": TimeNames,
    "mainspring.executors.base.Tells": RunTells,
    "mainspring.jobstores.base": StoreErrors,
    "mainspring.schedulers.base": TimeNames,
    "mainspring.schedulers.base.Tells": SchedulerTells,
    "mainspring.triggers.base": BaseOfTriggers,
    "mainspring.triggers.calendarinterval": TimeNamesOfDays,
    "mainspring.triggers.cron": TimeNamesOfTrigger,
    "mainspring.triggers.cron.fields": CronFields,
    "mainspring.triggers.date": TimeNamesOfTrigger,
    "mainspring.triggers.interval": TimeNamesOfTrigger,
    "mainspring.util": Util,
}

#: What of CPython's the binding reads that has an underscore, and where it is.
OF_CPYTHON: Final[Mapping[str, str]] = {
    "_abc_init": "module abc",
    "_asyncio_future_blocking": "class asyncio.Future",
    "_default_executor": "event loops of asyncio and uvloop",
    "_cache": "class logging.Logger",
    "_event_loop_policy": "module asyncio.events",
    "_get_running_loop": "module asyncio",
    "_local": "event loop policies of asyncio",
    "_log_destroy_pending": "class asyncio.Task",
    "_loop": "in the dictionary of that",
    "_must_cancel": "class asyncio.Task",
    "_nest_patched": "event loops to which nest_asyncio has been applied",
    "_state": "class asyncio.Future",
    "_warn_unawaited_coroutine": "module warnings",
}
