"""What is done with jobs in Rust is what the methods of a scheduler do in Python, step by step."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from inspect import signature
from typing import Any
from unittest.mock import MagicMock
from uuid import RFC_4122, UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.events import EVENT_ALL, EVENT_JOB_ADDED, EVENT_JOB_MODIFIED, EVENT_JOB_REMOVED
from mainspring.job import Job
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.testing import ManualClock
from mainspring.triggers.combining import OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from mainspring.util import undefined
from tests.support import ListJobStore, listen

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


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def ordinary() -> Iterator[BackgroundScheduler]:
    """A scheduler on which all steps are done in Python."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    scheduler._native_jobs.close()
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def short(scheduler: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch) -> BackgroundScheduler:
    """A scheduler on which no step can be done in Python."""
    for hook in ("_real_add_job", "_lookup_job", "_create_trigger", "_remove_from_store"):
        monkeypatch.setattr(scheduler, hook, MagicMock(side_effect=AssertionError(hook)))
    scheduler._native_jobs.open(scheduler, (), pends=False, guesses=False)  # which those had closed
    return scheduler


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
    "tests.unit.test_schedulers_native_jobs:one",
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


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(func=st.sampled_from(CALLABLES), trigger=TRIGGERS, arguments=ARGUMENTS, audience=AUDIENCES)
def test_add_job_does_the_same(
    scheduler: BackgroundScheduler,
    ordinary: BackgroundScheduler,
    func: Any,
    trigger: tuple[Any, dict[str, Any]],
    arguments: dict[str, Any],
    audience: Audience,
) -> None:
    results = []
    for each in (scheduler, ordinary):
        each.remove_all_jobs()
        if "python" not in each._jobstores:
            each.add_jobstore(ListJobStore(), "python")
        alias, trigger_args = trigger
        with audience.of(each) as told:
            results.append(
                [
                    outcome(lambda: each.add_job(func, alias, **arguments, **trigger_args)),  # noqa: B023
                    # A second one of the same id.
                    outcome(lambda: each.add_job(func, alias, **arguments, **trigger_args)),  # noqa: B023
                    [facts(job) for job in each.get_jobs()],
                    told,
                ]
            )
    assert results[0] == results[1]


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    specs=st.lists(
        st.one_of(
            # Few of what is drawn from all there is can be added.
            st.builds(
                lambda func, trigger, given: {"func": func, **trigger, **given},
                st.sampled_from([nothing, coroutine, some, print]),
                st.sampled_from(
                    [
                        {},
                        {"trigger": "interval", "seconds": 5},
                        {"trigger": "interval", "seconds": 7, "timezone": BERLIN},
                        {"trigger": "cron", "hour": 4},
                        {"trigger": "cron", "hour": "4", "minute": 5},
                        {"trigger": DateTrigger(DAY)},
                    ]
                ),
                optional(
                    jobstore=["default", "other", "python"],
                    executor=["default", "other"],
                    id=["an id", "another id"],
                    args=[(), []],
                ),
            ),
            st.builds(
                lambda func, trigger, given: {
                    **given,
                    "func": func,
                    "trigger": trigger[0],
                    **trigger[1],
                },
                st.sampled_from(CALLABLES),
                TRIGGERS,
                ARGUMENTS,
            ),
        ),
        max_size=8,
    ),
    audience=AUDIENCES,
)
def test_add_jobs_does_the_same(
    scheduler: BackgroundScheduler,
    ordinary: BackgroundScheduler,
    specs: list[dict[str, Any]],
    audience: Audience,
) -> None:
    results = []
    for each in (scheduler, ordinary):
        if "python" not in each._jobstores:
            each.add_jobstore(ListJobStore(), "python")
            each.add_jobstore("memory", "other")
        each.remove_all_jobs()
        with audience.of(each) as told:
            try:
                added: Any = [facts(job) for job in each.add_jobs(specs)]
            except Exception as exc:
                added = type(exc), str(exc)
        in_stores = {
            # Sorted anew: by random ids, where they are due at the same time.
            alias: sorted(repr(facts(job)) for job in each.get_jobs(alias))
            for alias in ("default", "other", "python")
        }
        results.append([added, in_stores, told])
    assert results[0] == results[1]


def pending_facts(job: Job) -> dict[str, Any]:
    """What a job is that has only what it was given."""
    fields = {name: getattr(job, name, undefined) for name in Job.__slots__ if name[0] != "_"}
    state = getattr(job.trigger, "__getstate__", dict)()
    if isinstance(state, dict):
        state.pop("start_date", None)
        state.pop("run_date", None)
    return {
        **fields,
        "id": len(job.id),
        "trigger": (type(job.trigger), state if isinstance(state, dict) else None),
        "str": str(job).partition("[")[0],
        "pending": job.pending,
        "context": job.context is None,
    }


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    func=st.sampled_from(CALLABLES),
    trigger=TRIGGERS,
    arguments=ARGUMENTS,
    audience=AUDIENCES,
    many=st.booleans(),
)
def test_pending_jobs_are_the_same(
    func: Any,
    trigger: tuple[Any, dict[str, Any]],
    arguments: dict[str, Any],
    audience: Audience,
    many: bool,
) -> None:
    alias, trigger_args = trigger
    results = []
    for is_open in (True, False):
        scheduler = BackgroundScheduler(
            timezone="UTC", jobstores={"python": ListJobStore()}, job_defaults={"coalesce": False}
        )
        if not is_open:
            scheduler._native_jobs.close()
        # Without a job of the same function before it, and with one.
        arguments_of_all = [
            {"func": func, "trigger": alias, **arguments, **trigger_args},
            {"func": func, "trigger": alias, **arguments, **trigger_args, "replace_existing": True},
            {"func": nothing, "trigger": alias, **arguments, **trigger_args, "id": "another"},
        ]
        with audience.of(scheduler) as told:
            added: list[Any] = []
            for each in arguments_of_all:
                try:
                    jobs = scheduler.add_jobs([each]) if many else [scheduler.add_job(**each)]
                except Exception as exc:
                    added.append((type(exc), str(exc)))
                else:
                    added += jobs
            found = [pending_facts(each) if isinstance(each, Job) else each for each in added]
            waiting = [(job in added, *others) for job, *others in scheduler._pending_jobs]
            try:
                scheduler.start(paused=True)
            except Exception as exc:
                began: Any = type(exc), str(exc)
            else:
                began = sorted(repr(facts(job)) for job in scheduler.get_jobs())
                began += [facts(each) for each in added if isinstance(each, Job)]
        results.append([found, waiting, began, told])
        if scheduler.running:
            scheduler.shutdown()
    assert results[0] == results[1]


CHANGES = optional(
    name=["new", "", 3],
    args=[(), (1,), "text"],
    func=[nothing, one, 3],
    misfire_grace_time=[7, None, 0],
    coalesce=[False],
    max_instances=[4, 0],
    trigger=[IntervalTrigger(days=1, timezone="UTC"), 3],
    executor=["other", 3],
    next_run_time=[DAY, None, "x"],
    id=["another"],
    odd=[1],
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("modify_job"), st.tuples(), CHANGES),
            st.tuples(
                st.sampled_from(["pause_job", "resume_job", "get_job"]), st.tuples(), st.just({})
            ),
            st.tuples(
                st.just("reschedule_job"),
                st.tuples(),
                TRIGGERS.map(lambda trigger: {"trigger": trigger[0], **trigger[1]}),
            ),
            st.tuples(st.just("remove_job"), st.tuples(), st.just({})),
        ),
        max_size=6,
    ),
    jobstore=st.sampled_from([None, "default", "none", 3]),
    job_id=st.sampled_from(["job", "job", "job", "none", 3]),
    audience=AUDIENCES,
)
def test_changes_do_the_same(
    scheduler: BackgroundScheduler,
    ordinary: BackgroundScheduler,
    steps: list[tuple[str, tuple[Any, ...], dict[str, Any]]],
    jobstore: Any,
    job_id: Any,
    audience: Audience,
) -> None:
    results = []
    for each in (scheduler, ordinary):
        each.remove_all_jobs()
        each.add_job(nothing, "interval", hours=1, id="job")
        with audience.of(each) as told:
            did = [
                outcome(lambda: getattr(each, name)(job_id, jobstore, **arguments))  # noqa: B023
                for name, _, arguments in steps
            ]
        results.append([did, [facts(job) for job in each.get_jobs()], told])
    assert results[0] == results[1]


class TestWhatIsUsualIsShort:
    @pytest.mark.parametrize(
        "func",
        [
            nothing,
            coroutine,
            two,
            print,
            partial(some, 1),
            Callables(),
            Callables().method,
            keyword,
        ],
    )
    @pytest.mark.parametrize(
        "trigger",
        [
            {"trigger": "interval", "seconds": 5, "minutes": 1},
            {"trigger": "cron", "hour": 4, "minute": "*/5"},
            {"trigger": "cron", "hour": 4, "timezone": "Europe/Berlin"},
            {"trigger": "date", "run_date": DAY},
            {"trigger": DateTrigger(DAY)},
            {},
        ],
    )
    def test_adding(self, short: BackgroundScheduler, func: Any, trigger: dict[str, Any]) -> None:
        args = [1] if func is two else None
        kwargs = {"value": 1} if func is keyword else None
        job = short.add_job(func, args=args, kwargs=kwargs, misfire_grace_time=None, **trigger)
        assert short.get_job(job.id) == job
        assert [job.id] == [found.id for found in short.get_jobs()]

    def test_many(self, short: BackgroundScheduler) -> None:
        specs = [{"func": nothing, "trigger": "interval", "hours": n + 1} for n in range(1000)]
        jobs = short.add_jobs(specs)
        assert len({job.id for job in jobs}) == 1000
        assert [job.trigger.interval for job in jobs] == [
            timedelta(hours=n + 1) for n in range(1000)
        ]
        assert all(job._scheduler is short and not job.pending for job in jobs)

    def test_changing(self, short: BackgroundScheduler) -> None:
        short.add_job(nothing, "interval", hours=1, id="job")
        assert short.pause_job("job").next_run_time is None
        resumed = short.resume_job("job")
        assert resumed is not None
        assert resumed.next_run_time is not None
        assert short.modify_job("job", max_instances=3).max_instances == 3
        trigger = short.reschedule_job("job", trigger="cron", hour=3).trigger
        assert str(trigger) == "cron[hour='3']"
        short.remove_job("job")
        assert short.get_jobs() == []

    async def test_on_a_running_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.start(paused=True)
        monkeypatch.setattr(scheduler, "_real_add_job", MagicMock(side_effect=AssertionError))
        scheduler._native_jobs.open(scheduler, (), pends=False, guesses=False)
        scheduler.add_job(coroutine, "interval", hours=1)
        scheduler.shutdown()


class TestWhatIsSharedBetweenJobs:
    def test_first_fire_time_of_equal_cron_triggers(self) -> None:
        clock = ManualClock("2026-10-25T02:58", timezone="Europe/Berlin")
        scheduler = BackgroundScheduler(clock=clock, timezone="Europe/Berlin")
        scheduler.start(paused=True)
        for hook in ("_real_add_job", "_create_trigger"):
            setattr(scheduler, hook, MagicMock(side_effect=AssertionError(hook)))
        scheduler._native_jobs.open(scheduler, (), pends=False, guesses=False)

        def first() -> str:
            jobs = [
                scheduler.add_job(nothing, "cron", minute=59),
                *scheduler.add_jobs([{"func": nothing, "trigger": "cron", "minute": 59}] * 2),
            ]
            (found,) = {job.next_run_time for job in jobs}
            assert found is not None
            return found.isoformat()

        found = [first()]
        for seconds in (30, 30, 1, 3599, 3600, -7200):
            clock.step(seconds)
            found.append(first())
        assert [time[11:19] + time[-6:] for time in found] == [
            "02:59:00+02:00",
            "02:59:00+02:00",
            "02:59:00+02:00",  # that is now
            "02:59:00+01:00",
            "02:59:00+01:00",
            "03:59:00+01:00",
            "02:59:00+02:00",  # stepped back
        ]
        scheduler.shutdown()

    def test_equal_cron_triggers_are_objects_of_their_own(self, short: BackgroundScheduler) -> None:
        first, second = (short.add_job(nothing, "cron", hour=4) for _ in range(2))
        assert first.trigger is first.trigger
        assert first.trigger is not second.trigger
        assert repr(first.trigger) == repr(second.trigger)

    def test_keyword_arguments_are_a_dictionary_of_their_own(
        self, scheduler: BackgroundScheduler
    ) -> None:
        first, second = (scheduler.add_job(some, "interval", hours=1) for _ in range(2))
        assert isinstance(first.kwargs, dict)
        first.kwargs["odd"] = 1  # a change in place, as APScheduler's memory store lets one make
        found = scheduler.get_job(first.id)
        assert found is not None
        assert found.kwargs == {"odd": 1}
        assert second.kwargs == {}

    def test_host_of_a_job_that_it_keeps_is_collected(self) -> None:
        class Host:
            def method(self) -> None: ...

        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)
        host = Host()
        host.job = scheduler.add_job(host.method, "interval", hours=1)  # type: ignore[attr-defined]
        reference = weakref.ref(host)
        host.job.remove()  # type: ignore[attr-defined]
        del host
        gc.collect()
        assert reference() is None
        scheduler.shutdown()

    def test_function_goes_with_its_last_job(self, scheduler: BackgroundScheduler) -> None:
        def local() -> None: ...

        reference = weakref.ref(local)
        for _ in range(3):
            job = scheduler.add_job(local, "interval", hours=1)
        del local, job
        gc.collect()
        assert reference() is not None
        scheduler.remove_all_jobs()
        gc.collect()
        assert reference() is None


class TestWhoWantsToKnow:
    @pytest.mark.parametrize(("listens", "logs"), [(True, False), (False, True), (True, True)])
    def test_is_told_in_the_short_way(
        self, short: BackgroundScheduler, listens: bool, logs: bool
    ) -> None:
        with Audience(listens, logs).of(short) as told:
            short.add_job(nothing, "interval", hours=1, id="a")
            short.add_jobs([{"func": nothing, "trigger": "interval", "hours": 1, "id": "b"}] * 1)
            short.pause_job("a")
            short.resume_job("a")
            short.remove_job("a")
        assert len([each for each in told if each[0] == "INFO"]) == 3 * logs
        assert len([each for each in told if each[0] != "INFO"]) == 5 * listens

    def test_sees_each_job_before_the_next(self, short: BackgroundScheduler) -> None:
        seen: list[int] = []
        short.add_listener(lambda _: seen.append(len(short.get_jobs())), EVENT_JOB_ADDED)
        short.add_jobs([{"func": nothing}] * 600)
        assert seen == list(range(1, 601))

    def test_listener_that_shuts_the_scheduler_down(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)
        scheduler.add_listener(lambda _: scheduler.shutdown(), EVENT_JOB_ADDED)
        jobs = scheduler.add_jobs([{"func": nothing}, {"func": nothing}])
        assert [job.pending for job in jobs] == [False, True]

    def test_listener_that_fails(self, short: BackgroundScheduler) -> None:
        def listener(event: Any) -> None:
            raise ValueError(event)

        short.add_listener(listener, EVENT_JOB_ADDED)
        jobs = short.add_jobs([{"func": nothing}, {"func": nothing}])
        assert len(jobs) == len(short.get_jobs()) == 2

    def test_interrupt_in_a_listener_is_passed_on(self, short: BackgroundScheduler) -> None:
        def listener(event: Any) -> None:
            raise KeyboardInterrupt

        short.add_listener(listener, EVENT_JOB_ADDED)
        with pytest.raises(KeyboardInterrupt):
            short.add_job(nothing, id="a")
        assert [job.id for job in short.get_jobs()] == ["a"]

    @pytest.mark.parametrize("mask", [EVENT_JOB_ADDED, EVENT_ALL])
    def test_listeners_of_added_jobs(self, scheduler: BackgroundScheduler, mask: int) -> None:
        recorder = listen(scheduler, mask)
        scheduler.add_jobs([{"func": nothing, "id": "a"}, {"func": nothing, "id": "b"}])
        scheduler.add_job(nothing, id="c")
        assert [event.job_id for event in recorder.of(EVENT_JOB_ADDED)] == ["a", "b", "c"]

    def test_listeners_of_changes(self, scheduler: BackgroundScheduler) -> None:
        recorder = listen(scheduler, EVENT_JOB_MODIFIED | EVENT_JOB_REMOVED)
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.pause_job("a")
        scheduler.resume_job("a")
        scheduler.modify_job("a", name="b")
        scheduler.reschedule_job("a", trigger="interval", hours=2)
        scheduler.remove_job("a")
        assert recorder.codes() == 4 * [EVENT_JOB_MODIFIED] + [EVENT_JOB_REMOVED]

    def test_log(self, scheduler: BackgroundScheduler, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "mainspring.scheduler")
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.add_jobs([{"func": nothing, "trigger": "interval", "hours": 1, "id": "b"}])
        scheduler.remove_job("a")
        assert caplog.messages == [
            'Added job "nothing" to job store "default"',
            'Added job "nothing" to job store "default"',
            "Removed job a",
        ]

    @pytest.mark.parametrize(
        "hook", ["_real_add_job", "_create_trigger", "_lookup_jobstore", "_now"]
    )
    def test_hooks_of_a_class(self, hook: str) -> None:
        called = []

        def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            called.append(hook)
            return getattr(BackgroundScheduler, hook)(self, *args, **kwargs)

        cls = type("Own", (BackgroundScheduler,), {hook: replacement})
        scheduler = cls(timezone="UTC")
        scheduler.start(paused=True)
        del called[:]
        scheduler.add_job(nothing, "interval", hours=1)
        assert called
        scheduler.shutdown()

    @pytest.mark.parametrize("hook", ["_real_add_job", "_create_trigger", "_lookup_job"])
    def test_hooks_of_a_scheduler_that_runs(
        self, scheduler: BackgroundScheduler, hook: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = getattr(scheduler, hook)
        with monkeypatch.context() as patches:
            replacement = MagicMock(side_effect=original)
            patches.setattr(scheduler, hook, replacement)
            scheduler.add_job(nothing, "interval", hours=1, id="a")
            scheduler.get_job("a")
            replacement.assert_called_once()
        scheduler.add_job(nothing, "interval", hours=1, id="b")
        replacement.assert_called_once()

    def test_time_zone_that_is_changed(self, scheduler: BackgroundScheduler) -> None:
        scheduler.timezone = BERLIN
        job = scheduler.add_job(nothing, "cron", hour=3)
        assert job.next_run_time is not None
        assert job.next_run_time.tzinfo is BERLIN

    @pytest.mark.parametrize(
        "defaults", [{"max_instances": 0}, {"max_instances": -1}, {"misfire_grace_time": -(2**33)}]
    )
    def test_defaults_that_no_job_can_have(self, defaults: dict[str, int]) -> None:
        scheduler = BackgroundScheduler(timezone="UTC", job_defaults=defaults)
        scheduler.start(paused=True)
        with pytest.raises(TypeError, match="positive integer"):
            scheduler.add_job(nothing, "interval", hours=1)
        scheduler.shutdown()

    def test_store_with_its_own_lookup(self) -> None:
        looked_up: list[str] = []

        class Own(MemoryJobStore):
            def lookup_job(self, job_id: str) -> Job | None:
                looked_up.append(job_id)
                return super().lookup_job(job_id)

        scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": Own()})
        scheduler.start(paused=True)
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.pause_job("a")
        assert looked_up
        scheduler.shutdown()

    def test_trigger_of_ones_own_is_made_once(self, scheduler: BackgroundScheduler) -> None:
        made: list[Any] = []

        class Own(IntervalTrigger):
            def __init__(self, **options: Any) -> None:
                made.append(options)
                super().__init__(**options)

        with pytest.MonkeyPatch.context() as patches:
            patches.setitem(scheduler._trigger_classes, "own", Own)
            scheduler.add_job(nothing, "own", hours=1)
        assert len(made) == 1

    def test_function_that_is_changed(self, scheduler: BackgroundScheduler) -> None:
        def changing() -> None: ...

        scheduler.add_job(changing)
        changing.__code__ = one.__code__
        with pytest.raises(ValueError, match="have not been supplied"):
            scheduler.add_job(changing)
        scheduler.remove_all_jobs()

    def test_methods_that_others_call(self) -> None:
        called: list[str] = []

        class Own(BackgroundScheduler):
            def modify_job(self, *args: Any, **kwargs: Any) -> Job:
                called.append("modify")
                return super().modify_job(*args, **kwargs)

            def add_job(self, *args: Any, **kwargs: Any) -> Job:
                called.append("add")
                return super().add_job(*args, **kwargs)

        scheduler = Own(timezone="UTC")
        scheduler.start(paused=True)
        scheduler.add_jobs([{"func": nothing, "trigger": "interval", "hours": 1, "id": "a"}])
        scheduler.pause_job("a")
        scheduler.resume_job("a")
        assert called == ["add", "modify", "modify"]
        scheduler.shutdown()

    def test_replaced_clock(
        self, scheduler: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Frozen(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return DAY.astimezone(tz)

        for module in ("schedulers.base", "triggers.interval"):
            monkeypatch.setattr(f"mainspring.{module}.datetime", Frozen)
        job = scheduler.add_job(nothing, "interval", hours=1)
        assert job.next_run_time == DAY + timedelta(hours=1)
        assert scheduler.add_job(nothing, "cron", hour=3).next_run_time == DAY + timedelta(hours=3)


class TestHooksOfSteps:
    """A step goes through a method that has been replaced, and the others are done all the same."""

    @pytest.mark.parametrize("running", [True, False])
    @pytest.mark.parametrize("step", ["_create_trigger", "_real_add_job", "_now"])
    @pytest.mark.parametrize("where", ["class", "scheduler", "scheduler before the start"])
    def test_each(self, step: str, running: bool, where: str) -> None:
        called: list[str] = []

        def replacement(self: Any, *args: Any) -> Any:
            called.append(step)
            return getattr(BackgroundScheduler, step)(self, *args)

        cls = type("Own", (BackgroundScheduler,), {step: replacement} if where == "class" else {})
        scheduler = cls(timezone="UTC")
        scheduler.add_job(nothing, "interval", hours=1)  # it is known then what it has
        if where == "scheduler before the start":
            setattr(scheduler, step, partial(replacement, scheduler))
        if running:
            scheduler.start(paused=True)
        if where == "scheduler":
            setattr(scheduler, step, partial(replacement, scheduler))
        del called[:]
        job = scheduler.add_job(nothing, "interval", hours=1, id="a")
        if not running:
            scheduler.start(paused=True)
        assert called.count(step) >= 1
        if step == "_create_trigger":
            assert len(called) == 1
        assert job == scheduler.get_job("a")
        assert not job.pending
        scheduler.shutdown()

    def test_trigger_of_a_hook(self) -> None:
        class Own(BackgroundScheduler):
            def _create_trigger(self, trigger: Any, trigger_args: Any) -> Any:
                return CronTrigger(hour=3, timezone=BERLIN)

        scheduler = Own(timezone="UTC")
        pending = scheduler.add_job(nothing, "nightly")
        scheduler.start(paused=True)
        for job in (pending, scheduler.add_job(nothing, "nightly")):
            assert str(job.trigger) == "cron[hour='3']"
            assert job.next_run_time is not None
            assert job.next_run_time.tzinfo is BERLIN
        scheduler.shutdown()

    def test_trigger_of_a_hook_that_is_none(self) -> None:
        class Own(BackgroundScheduler):
            def _create_trigger(self, trigger: Any, trigger_args: Any) -> Any:
                return None

        with pytest.raises(TypeError, match="Expected a trigger instance"):
            Own(timezone="UTC").add_job(nothing, "nightly")


class TestStopped:
    """What is read once of a scheduler is read anew when it has changed."""

    def test_time_zone(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing, "cron", hour=3)
        scheduler.timezone = BERLIN
        assert scheduler.add_job(nothing, "cron", hour=3).trigger.timezone is BERLIN

    def test_options(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing)
        scheduler.configure(timezone="UTC", job_defaults={"max_instances": 7})
        scheduler.add_job(nothing, id="a")
        scheduler.start(paused=True)
        found = scheduler.get_job("a")
        assert found is not None
        assert found.max_instances == 7
        scheduler.shutdown()

    def test_started_and_stopped_again(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        jobs = [scheduler.add_job(nothing)]
        for _ in range(2):
            scheduler.start(paused=True)
            assert [job.pending for job in jobs] == [False] * len(jobs)
            jobs.append(scheduler.add_job(nothing, "interval", hours=1))
            assert not jobs[-1].pending
            scheduler.shutdown()
            jobs.append(scheduler.add_job(nothing, "interval", hours=1))
            assert jobs[-1].pending
            assert scheduler.get_jobs() == [jobs[-1]]

    def test_added_by_a_listener_of_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")

        def listener(event: Any) -> None:
            if event.job_id == "a":
                scheduler.add_job(nothing, "interval", hours=1, id="b")

        scheduler.add_listener(listener, EVENT_JOB_ADDED)
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        scheduler.start(paused=True)
        assert {job.id for job in scheduler.get_jobs()} == {"a", "b"}
        scheduler.shutdown()

    def test_refused_at_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        first, second = (scheduler.add_job(nothing, "interval", hours=1, id="a") for _ in range(2))
        with pytest.raises(ConflictingIdError):
            scheduler.start(paused=True)
        assert scheduler.get_jobs() == [first, second]
        assert scheduler.add_job(nothing, "interval", hours=1).pending

    def test_replaced_at_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing, "interval", hours=1, id="a", name="first")
        scheduler.add_job(
            nothing, "interval", hours=2, id="a", name="second", replace_existing=True
        )
        scheduler.start(paused=True)
        assert [job.name for job in scheduler.get_jobs()] == ["second"]
        scheduler.shutdown()

    def test_list_that_is_replaced(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(nothing, "interval", hours=1)
        scheduler.remove_all_jobs()
        job = scheduler.add_job(nothing, "interval", hours=1, jobstore="other")
        assert scheduler._pending_jobs == [(job, "other", False)]


class TestManyAtOnce:
    @pytest.mark.parametrize("where", [3, 511, 512, 1200])
    def test_one_that_is_refused(self, scheduler: BackgroundScheduler, where: int) -> None:
        ids = [f"job {n}" for n in range(1500)]
        ids[where] = ids[1]
        with pytest.raises(ConflictingIdError, match="job 1"):
            scheduler.add_jobs({"func": nothing, "next_run_time": None, "id": each} for each in ids)
        assert {job.id for job in scheduler.get_jobs()} == set(ids[:where])

    def test_one_that_cannot_be(self, scheduler: BackgroundScheduler) -> None:
        specs = [{"func": nothing, "id": f"job {n}"} for n in range(600)]
        specs[550]["max_instances"] = 0
        with pytest.raises(TypeError, match="max_instances must be a positive integer"):
            scheduler.add_jobs(specs)
        assert len(scheduler.get_jobs()) == 550

    def test_only_those_out_of_the_ordinary_go_the_ordinary_way(
        self, scheduler: BackgroundScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scheduler.add_jobstore(ListJobStore(), "python")
        ordinary = MagicMock(side_effect=scheduler._real_add_job)
        monkeypatch.setattr(scheduler, "_real_add_job", ordinary)
        scheduler._native_jobs.open(
            scheduler, (), pends=False, guesses=False
        )  # which that had closed
        specs = [{"func": nothing, "id": f"job {n}"} for n in range(1500)]
        for n in (0, 700, 701, 1499):
            specs[n]["jobstore"] = "python"
        jobs = scheduler.add_jobs(specs)
        assert [job.id for job in jobs] == [spec["id"] for spec in specs]
        assert ordinary.call_count == 4

    def test_several_memory_stores(self, short: BackgroundScheduler) -> None:
        short.add_jobstore("memory", "other")
        short._native_jobs.open(short, (), pends=False, guesses=False)
        aliases = [alias for alias in ("default", "other") for _ in range(3)] * 2
        jobs = short.add_jobs({"func": nothing, "jobstore": alias} for alias in aliases)
        assert [job._jobstore_alias for job in jobs] == aliases

    def test_several_functions(self, short: BackgroundScheduler) -> None:
        functions = [nothing, coroutine, some, print, Callables().method] * 300
        jobs = short.add_jobs({"func": function, "executor": "x"} for function in functions)
        assert [job.func for job in jobs] == functions
        assert [job.name for job in jobs[:3]] == ["nothing", "coroutine", "some"]
        assert {job.executor for job in jobs} == {"x"}

    def test_function_that_is_changed_between_two_calls(
        self, scheduler: BackgroundScheduler
    ) -> None:
        def changing() -> None: ...

        scheduler.add_jobs([{"func": changing}])
        changing.__qualname__ = "changed"
        assert [job.name for job in scheduler.add_jobs([{"func": changing}] * 2)] == 2 * ["changed"]
        changing.__code__ = one.__code__
        with pytest.raises(ValueError, match="have not been supplied"):
            scheduler.add_jobs([{"func": changing}])
        scheduler.remove_all_jobs()

    def test_ids_are_random_uuids(self, short: BackgroundScheduler) -> None:
        ids = [job.id for job in short.add_jobs({"func": nothing} for _ in range(600))]
        assert len(set(ids)) == 600
        assert {(UUID(each).version, UUID(each).variant) for each in ids} == {(4, RFC_4122)}
        assert all(UUID(each).hex == each for each in ids)

    def test_shut_down_by_what_is_asked_for_its_signature(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)

        class Odd:
            def __call__(self) -> None: ...

            @property
            def __signature__(self) -> Any:
                if scheduler.running:
                    scheduler.shutdown()
                return signature(nothing)

        jobs = scheduler.add_jobs([{"func": nothing}, {"func": Odd()}, {"func": nothing}])
        # The first was added before, and left its store when that was shut down.
        assert [job.pending for job in jobs] == [False, True, True]
        assert [job.id for job in scheduler.get_jobs()] == [job.id for job in jobs[1:]]

    def test_stores_of_all_kinds(self, scheduler: BackgroundScheduler) -> None:
        scheduler.add_jobstore(ListJobStore(), "python")
        jobs = scheduler.add_jobs(
            {"func": nothing, "trigger": "interval", "hours": 1, "jobstore": alias}
            for alias in ("default", "python", "default")
        )
        assert [job._jobstore_alias for job in jobs] == ["default", "python", "default"]

    def test_before_the_start(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        (job,) = scheduler.add_jobs([{"func": nothing, "id": "a"}])
        assert job.pending
        scheduler.start(paused=True)
        assert scheduler.get_job("a") == job
        scheduler.shutdown()
        with pytest.raises(JobLookupError):
            scheduler.pause_job("a")

    def test_none(self, scheduler: BackgroundScheduler) -> None:
        assert scheduler.add_jobs([]) == []

    def test_all_run(self) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        done = threading.Semaphore(0)
        scheduler.add_jobs({"func": done.release, "misfire_grace_time": None} for _ in range(100))
        scheduler.add_jobs({"func": done.release, "args": (2,)} for _ in range(100))
        for _ in range(300):
            assert done.acquire(timeout=30)
        scheduler.shutdown()
