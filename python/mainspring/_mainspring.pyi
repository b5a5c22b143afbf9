from abc import ABCMeta, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context
from datetime import date, datetime, time, timedelta, tzinfo
from logging import Logger
from typing import Any, ClassVar, final

from typing_extensions import Self

from mainspring.schedulers.base import BaseScheduler
from mainspring.triggers.cron.fields import BaseField

__all__ = [
    "AndTrigger",
    "BaseCombiningTrigger",
    "BaseTrigger",
    "CalendarIntervalTrigger",
    "CronTrigger",
    "DateTrigger",
    "Engine",
    "IntervalTrigger",
    "Job",
    "LoopInbox",
    "NativeStore",
    "OrTrigger",
    "WorkerPool",
    "__version__",
    "join_pools",
    "leave_awaitables",
]

__version__: str

@final
class Job:
    __slots__: ClassVar[tuple[str, ...]]
    id: str
    name: str
    func: Callable[..., Any]
    func_ref: str | None
    args: Iterable[Any]
    kwargs: Mapping[str, Any]
    trigger: BaseTrigger
    executor: str
    misfire_grace_time: int | None
    coalesce: bool
    max_instances: int
    next_run_time: datetime | None
    _scheduler: BaseScheduler | None
    _jobstore_alias: str | None
    def __init__(
        self,
        scheduler: BaseScheduler,
        id: str | None = None,
        **kwargs: Any,
    ) -> None: ...
    @property
    def pending(self) -> bool: ...
    def modify(self, **changes: Any) -> Job: ...
    def reschedule(self, trigger: BaseTrigger | str, **trigger_args: Any) -> Job: ...
    def pause(self) -> Job: ...
    def resume(self) -> Job: ...
    def remove(self) -> None: ...
    def _modify(self, **changes: Any) -> None: ...
    def _get_run_times(self, now: datetime) -> list[datetime]: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: Mapping[str, Any]) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class NativeStore:
    def __new__(cls) -> Self: ...
    def set_owner(self, scheduler: BaseScheduler | None, alias: str | None) -> None: ...
    def add(
        self, job: Job, scheduler: BaseScheduler | None = None, alias: str | None = None
    ) -> None: ...
    def update(self, job: Job) -> None: ...
    def remove(self, job_id: str) -> None: ...
    def remove_all(self) -> None: ...
    def lookup(self, job_id: str) -> Job | None: ...
    def all_jobs(self) -> list[Job]: ...
    def due_jobs(self, now: datetime) -> list[Job]: ...
    def next_run_time(self) -> datetime | None: ...
    def __len__(self) -> int: ...

@final
class WorkerPool:
    def __new__(
        cls,
        max_workers: int,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] | None = None,
    ) -> Self: ...
    @property
    def max_workers(self) -> int: ...
    def submit(self, fn: Callable[..., object], *args: Any) -> None: ...
    def shutdown(self, wait: bool) -> None: ...

def join_pools() -> None: ...
def leave_awaitables() -> None: ...

@final
class LoopInbox:
    def __new__(cls, engine: Engine) -> Self: ...
    @property
    def loop(self) -> AbstractEventLoop | None: ...
    def bind(self, event_loop: AbstractEventLoop, context: Context) -> None: ...
    def unbind(self) -> None: ...
    def cancel_running(self) -> None: ...
    def abandon_running(self) -> None: ...
    def abandon_queued(self) -> None: ...

@final
class Engine:
    coro: LoopInbox | None
    events_on_loop: bool
    def __new__(cls, scheduler: BaseScheduler) -> Self: ...
    @property
    def control(self) -> LoopInbox: ...
    @property
    def running(self) -> bool: ...
    @property
    def running_jobs(self) -> int: ...
    def attach_store(self, alias: str, store: NativeStore) -> None: ...
    def detach_store(self, alias: str) -> None: ...
    def set_executor(self, alias: str, pool: WorkerPool | None, logger: Logger) -> None: ...
    def remove_executor(self, alias: str) -> None: ...
    def start(self, paused: bool) -> None: ...
    def set_paused(self, paused: bool) -> None: ...
    def stop(self) -> None: ...
    def wake(self) -> None: ...
    def process(self) -> float | None: ...
    def set_listener_mask(self, mask: int) -> None: ...
    def wait_idle(self, timeout: float | None = None) -> bool: ...
    def idle(self) -> Awaitable[None]: ...

class BaseTrigger(metaclass=ABCMeta):
    __slots__: ClassVar[tuple[str, ...]]
    @abstractmethod
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...
    def _apply_jitter(
        self, next_fire_time: datetime | None, jitter: float | None, now: datetime
    ) -> datetime | None: ...

class DateTrigger(BaseTrigger):
    run_date: datetime
    def __init__(
        self,
        run_date: datetime | date | str | None = None,
        timezone: tzinfo | str | None = None,
    ) -> None: ...
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: Mapping[str, Any]) -> None: ...

class IntervalTrigger(BaseTrigger):
    interval: timedelta
    timezone: tzinfo
    start_date: datetime
    end_date: datetime | None
    jitter: float | None
    @property
    def interval_length(self) -> float: ...
    def __init__(
        self,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        start_date: datetime | date | str | None = None,
        end_date: datetime | date | str | None = None,
        timezone: tzinfo | str | None = None,
        jitter: float | None = None,
    ) -> None: ...
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: Mapping[str, Any]) -> None: ...

class CalendarIntervalTrigger(BaseTrigger):
    years: int
    months: int
    weeks: int
    days: int
    start_date: date
    end_date: date | None
    timezone: tzinfo
    jitter: float | None
    @property
    def _time(self) -> time: ...
    def __init__(
        self,
        *,
        years: int = 0,
        months: int = 0,
        weeks: int = 0,
        days: int = 0,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        timezone: str | tzinfo | None = None,
        jitter: float | None = None,
    ) -> None: ...
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: Mapping[str, Any]) -> None: ...

class CronTrigger(BaseTrigger):
    FIELD_NAMES: ClassVar[tuple[str, ...]]
    FIELDS_MAP: ClassVar[dict[str, type[BaseField]]]
    fields: list[BaseField]
    timezone: tzinfo
    start_date: datetime | None
    end_date: datetime | None
    jitter: float | None
    def __init__(
        self,
        year: int | str | None = None,
        month: int | str | None = None,
        day: int | str | None = None,
        week: int | str | None = None,
        day_of_week: int | str | None = None,
        hour: int | str | None = None,
        minute: int | str | None = None,
        second: int | str | None = None,
        start_date: datetime | date | str | None = None,
        end_date: datetime | date | str | None = None,
        timezone: tzinfo | str | None = None,
        jitter: float | None = None,
    ) -> None: ...
    @classmethod
    def from_crontab(cls, expr: str, timezone: tzinfo | str | None = None) -> Self: ...
    @classmethod
    def from_quartz(cls, expr: str, timezone: tzinfo | str | None = None) -> Self: ...
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: Mapping[str, Any]) -> None: ...

class BaseCombiningTrigger(BaseTrigger, metaclass=ABCMeta):
    triggers: list[BaseTrigger]
    jitter: float | None
    def __init__(self, triggers: Iterable[BaseTrigger], jitter: float | None = None) -> None: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: Mapping[str, Any]) -> None: ...

class AndTrigger(BaseCombiningTrigger):
    def __new__(cls, triggers: Iterable[BaseTrigger], jitter: float | None = None) -> Self: ...
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...

class OrTrigger(BaseCombiningTrigger):
    def __new__(cls, triggers: Iterable[BaseTrigger], jitter: float | None = None) -> Self: ...
    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None: ...
