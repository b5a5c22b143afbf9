"""Jobs of every kind for the tests of adding and changing them in Rust, and what can be seen of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from mainspring import BackgroundScheduler
from mainspring.events import EVENT_JOB_ADDED, EVENT_JOB_MODIFIED, EVENT_JOB_REMOVED
from mainspring.job import Job
from mainspring.triggers.combining import OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from mainspring.util import undefined

JOB_EVENTS = EVENT_JOB_ADDED | EVENT_JOB_MODIFIED | EVENT_JOB_REMOVED


DAY = datetime(2999, 1, 1, tzinfo=timezone.utc)


BERLIN = ZoneInfo("Europe/Berlin")


def nothing() -> None: ...


async def coroutine() -> None: ...


def one(value: Any) -> None: ...


def two(value: Any, other: Any = None) -> None: ...


def some(*values: Any) -> None: ...


def keyword(*, value: Any) -> None: ...


async def generator() -> Any:
    yield


def marked_function() -> None: ...


marked_function.__signature__ = "odd"  # type: ignore[attr-defined]


class Callables:
    def method(self, value: Any = None) -> None: ...

    async def __call__(self) -> None: ...


def facts(job: Job) -> dict[str, Any]:
    """What a job is, without what depends on when it was added."""
    names = ("func", "args", "kwargs", "name", "misfire_grace_time", "coalesce", "max_instances")
    fields = {name: getattr(job, name) for name in (*names, "executor", "_jobstore_alias")}
    trigger = job.trigger
    state = getattr(trigger, "__getstate__", dict)()
    if isinstance(state, dict):
        state.pop("start_date", None)
        state.pop("run_date", None)
    return {
        **fields,
        "id": len(job.id),
        "trigger": (type(trigger), state if isinstance(state, dict) else None),
        "zone": None if job.next_run_time is None else job.next_run_time.tzinfo,
        "paused": job.next_run_time is None,
        "coroutine": job.func_ref if "<" not in job.name else None,
    }


def outcome(call: Callable[[], Job | None]) -> Any:
    try:
        job = call()
    except Exception as exc:
        return type(exc), str(exc)
    return None if job is None else facts(job)


class Audience:
    """What listeners and the log are told of schedulers, one after the other."""

    def __init__(self, listens: bool, logs: bool) -> None:
        self._listens = listens
        self._logger = logging.getLogger("mainspring.scheduler")
        self._level = logging.INFO if logs else logging.WARNING
        self.told: list[Any] = []

    @contextmanager
    def of(self, scheduler: BackgroundScheduler) -> Iterator[list[Any]]:
        """Yield the list of what is told of a scheduler."""
        told: list[Any] = []

        def listener(event: Any) -> None:
            # What there is when it is told, too: the jobs behind this one are added after that.
            jobs = len(scheduler.get_jobs())
            told.append((type(event), event.code, len(event.job_id), event.jobstore, jobs))

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                jobs = len(scheduler.get_jobs())
                told.append((record.levelname, record.getMessage(), record.funcName, jobs))

        handler = Handler()
        before, propagates = self._logger.level, self._logger.propagate
        self._logger.setLevel(self._level)
        self._logger.propagate = False
        self._logger.addHandler(handler)
        if self._listens:
            scheduler.add_listener(listener, JOB_EVENTS)
        try:
            yield told
        finally:
            scheduler.remove_listener(listener)
            self._logger.removeHandler(handler)
            self._logger.setLevel(before)
            self._logger.propagate = propagates


#: Who is there to be told: listeners, the log, both, or neither.
AUDIENCES = st.builds(Audience, st.booleans(), st.booleans())


def optional(**choices: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in choices.items()})


NUMBERS = [1, 2, 30, 0, -1, 1.5, "3", True, None]


TRIGGERS = st.one_of(
    st.tuples(
        st.just("interval"),
        optional(
            weeks=[1],
            hours=NUMBERS,
            minutes=[5, 10**12],
            seconds=NUMBERS,
            start_date=[DAY, "2999-05-01", 3],
            timezone=[BERLIN, "Europe/Berlin", "Nowhere"],
            jitter=[1, -1],
            odd=[1],
        ),
    ),
    st.tuples(
        st.just("cron"),
        optional(
            month=["jan", 3, "x"],
            day=["last", "2nd fri", 32],
            day_of_week=["mon-fri", 8],
            hour=[4, "4", "*/2", "4\0minute=5", True],
            minute=["*/5", 7, 1.5],
            end_date=[DAY, "x"],
            timezone=["Europe/Berlin"],
            jitter=[3],
        ),
    ),
    st.tuples(st.just("date"), optional(run_date=[DAY, "2999-01-01", "x"], timezone=["UTC"])),
    st.tuples(st.just("calendarinterval"), optional(months=[1], days=[-1], hour=[3])),
    st.tuples(
        st.sampled_from(
            [
                None,
                "unknown",
                3,
                IntervalTrigger(hours=1, timezone=BERLIN),
                CronTrigger(hour=4, timezone=timezone.utc),
                OrTrigger([DateTrigger(DAY), IntervalTrigger(days=1, timezone="UTC")]),
            ]
        ),
        st.just({}),
    ),
)


CALLABLES = [
    nothing,
    coroutine,
    one,
    two,
    some,
    keyword,
    generator,
    marked_function,
    Callables,
    Callables(),
    Callables().method,
    partial(one, 1),
    print,
    lambda: None,
    "tests.unit.native_jobs.samples:one",
    "tests.unit.nowhere:one",
    3,
    None,
]


ARGUMENTS = optional(
    args=[(), (1,), [1, 2], None, {1: 2}, "text", 3, iter(())],
    kwargs=[{}, {"value": 1}, None, 3],
    id=["an id", "", None, 3],
    name=["a name", "", None, 3],
    misfire_grace_time=[1, None, 0, "3", 2**32, undefined, True],
    coalesce=[True, False, 1, "x", undefined],
    max_instances=[3, 0, None, 1.5, undefined, True],
    next_run_time=[DAY, datetime(2999, 1, 1), "2999-01-01", None, 3, undefined],
    jobstore=["default", "python", "none", 3],
    executor=["default", "none", 3],
    replace_existing=[True, False],
    context=[None, "capture", 3],
)
