"""The system's clock as an object, with the methods of any clock that a scheduler may be given."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring._mainspring import Engine

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from contextvars import Context
    from datetime import datetime, tzinfo

    from mainspring._contract import Clock, Scheduler

T = TypeVar("T")


class SystemClock:
    """The machine's clock: it passes by itself, and needs to know of nothing."""

    #: What everything else of Python is told of the time is true of the scheduler, too.
    _is_the_systems = True

    def _now(self, zone: tzinfo, told_by: type[datetime]) -> datetime:
        return told_by.now(zone)

    def _monotonic(self) -> float:
        return time.monotonic()

    def _time_elsewhere(self) -> datetime | None:
        return None

    def _equip(self, scheduler: Any) -> None: ...

    def _make_engine(self, scheduler: Any) -> Engine:
        return Engine(scheduler)

    def _make_sweeper(self, scheduler: Any, make: Callable[[Any], T]) -> T:
        return make(scheduler)

    def _attach(self, scheduler: Any) -> None: ...

    def _detach(self, scheduler: Any) -> None: ...

    def _on_behalf(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)

    def _start_from_now(self, trigger: Any) -> None: ...

    def _follow_in(self, context: Context) -> None: ...

    def _follow_on(self, loop: AbstractEventLoop) -> None: ...

    def _leave(self, loop: AbstractEventLoop) -> None: ...

    def _note_events(self, scheduler: Any, events: Iterable[Any]) -> None: ...

    def _note_skipped(self, scheduler: Any, job_id: str, run_times: Iterable[datetime]) -> None: ...

    def _noting_waiting(self, future: Future[Any]) -> AbstractContextManager[None]:
        return nullcontext()

    def _stands(self) -> bool:
        return False

    async def _let_runs_end(self, scheduler: Any, deadline: float | None) -> None: ...


SYSTEM: Clock = SystemClock()


def clock_of(scheduler: Scheduler | None) -> Clock:
    """Return the clock of a scheduler; of none, or of a mock in the place of one, the system's."""
    # Its own, if any: a mock would have whatever it is asked for.
    clock: Clock = getattr(scheduler, "__dict__", {}).get("_clock", SYSTEM)
    return clock
