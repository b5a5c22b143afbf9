"""What APScheduler's guide to extending names: hooks that are overridden, names that are replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from importlib import import_module
from threading import Event, RLock, Thread
from time import monotonic
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest

from mainspring.events import EVENT_JOB_EXECUTED
from mainspring.executors.base import BaseExecutor
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.job import Job
from mainspring.jobstores.base import BaseJobStore
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.base import BaseScheduler
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.cron import CronTrigger
from tests.support import PATIENCE, ListJobStore, ManualScheduler, listen, nothing

PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)
HOOKS = [
    "_create_default_executor",
    "_create_default_jobstore",
    "_create_lock",
    "_create_plugin_instance",
    "_create_trigger",
    "_dispatch_event",
    "_lookup_executor",
    "_lookup_job",
    "_lookup_jobstore",
    "_process_jobs",
    "_real_add_job",
    "wakeup",
]


def noting(base: type[BaseScheduler]) -> Any:
    """Return a subclass that overrides every hook, to note the call before it makes it."""

    def override(name: str) -> Callable[..., Any]:
        def hook(self: Any, *args: Any, **kwargs: Any) -> Any:
            vars(self).setdefault("noted", []).append(name)
            return getattr(base, name)(self, *args, **kwargs)

        return hook

    return type(f"Noting{base.__name__}", (base,), {name: override(name) for name in HOOKS})


@pytest.fixture
def scheduler() -> Iterator[Any]:
    scheduler = noting(ManualScheduler)(timezone="UTC")
    yield scheduler
    if scheduler.running:
        scheduler.shutdown()


def notes(scheduler: Any, act: Callable[..., Any], *args: Any, **kwargs: Any) -> list[str]:
    """Return the hooks that are called meanwhile, each once."""
    scheduler.noted.clear()
    act(*args, **kwargs)
    return sorted(set(scheduler.noted))


# Where 3.x calls them. It makes locks when it is made and one for each executor.
def test_when_each_hook_is_called(scheduler: Any) -> None:
    assert scheduler.noted == ["_create_lock"] * 3
    pending = ["_create_plugin_instance", "_create_trigger"]
    assert notes(scheduler, scheduler.add_job, nothing, "interval", hours=1, id="a") == pending
    started = [
        "_create_default_executor",
        "_create_default_jobstore",
        "_create_lock",
        "_dispatch_event",
        "_lookup_jobstore",
        "_real_add_job",
        "wakeup",
    ]
    assert notes(scheduler, scheduler.start) == started
    added = [*pending, "_dispatch_event", "_lookup_jobstore", "_real_add_job", "wakeup"]
    assert notes(scheduler, scheduler.add_job, nothing, "interval", hours=1, id="b") == added
    changed = ["_dispatch_event", "_lookup_job", "_lookup_jobstore", "wakeup"]
    assert notes(scheduler, scheduler.modify_job, "a", name="x") == changed
    assert notes(scheduler, scheduler.pause_job, "a") == changed
    assert notes(scheduler, scheduler.resume_job, "a") == changed
    assert notes(scheduler, scheduler.reschedule_job, "a", trigger="date") == sorted(
        [*pending, *changed]
    )
    assert notes(scheduler, scheduler.get_job, "a") == ["_lookup_job"]
    assert notes(scheduler, scheduler.remove_job, "a") == ["_dispatch_event"]
    plugin = ["_create_plugin_instance", "_dispatch_event"]
    assert notes(scheduler, scheduler.add_jobstore, "memory", "m") == [*plugin, "wakeup"]
    removed = notes(scheduler, scheduler.remove_jobstore, "m")
    assert {"_dispatch_event", "_lookup_jobstore"} <= set(removed)
    assert notes(scheduler, scheduler.add_executor, "debug", "d") == sorted(
        [*plugin, "_create_lock"]
    )
    assert notes(scheduler, scheduler.remove_executor, "d") == [
        "_dispatch_event",
        "_lookup_executor",
    ]
    assert notes(scheduler, scheduler.resume) == []
    scheduler.pause()
    assert notes(scheduler, scheduler.resume) == ["_dispatch_event", "wakeup"]


@pytest.mark.parametrize("store", [MemoryJobStore, ListJobStore])
def test_processing_looks_up_executors_and_dispatches(
    scheduler: Any, store: type[BaseJobStore]
) -> None:
    scheduler.add_executor(DebugExecutor())
    scheduler.add_jobstore(store())
    scheduler.start()
    scheduler.add_job(nothing, "date", run_date=PAST, misfire_grace_time=None)
    called = notes(scheduler, scheduler._process_jobs)
    assert called == ["_dispatch_event", "_lookup_executor", "_process_jobs"]


def test_plugins_of_the_configuration(scheduler: Any) -> None:
    configuration = {
        "executors": {"default": {"type": "debug"}},
        "jobstores": {"m": {"type": "memory"}},
    }
    called = notes(scheduler, scheduler.configure, **configuration)
    assert called == ["_create_plugin_instance", "_dispatch_event"]


# What an override returns is what is used.


class OwnParts(ManualScheduler):
    """Overrides each hook with something of its own."""

    def _create_lock(self) -> AbstractContextManager[Any]:
        self.locks = [*getattr(self, "locks", []), RLock()]
        return self.locks[-1]

    def _create_default_executor(self) -> BaseExecutor:
        return DebugExecutor()

    def _create_default_jobstore(self) -> BaseJobStore:
        return ListJobStore()

    def _create_trigger(
        self, trigger: BaseTrigger | str | None, trigger_args: dict[str, Any]
    ) -> BaseTrigger:
        if trigger == "nightly":
            return CronTrigger(hour=3, timezone=self.timezone)
        return super()._create_trigger(trigger, trigger_args)

    def _create_plugin_instance(self, type_: str, alias: str, constructor_kwargs: Any) -> Any:
        if alias == "own":
            return ListJobStore()
        return super()._create_plugin_instance(type_, alias, constructor_kwargs)

    def _lookup_executor(self, alias: str) -> BaseExecutor:
        return super()._lookup_executor("default")

    def _lookup_jobstore(self, alias: str) -> BaseJobStore:
        return super()._lookup_jobstore("default")

    def _lookup_job(self, job_id: str, jobstore_alias: str | None) -> tuple[Job, str | None]:
        return super()._lookup_job(job_id.lower(), jobstore_alias)

    def _real_add_job(self, job: Job, jobstore_alias: str, replace_existing: bool) -> None:
        job.name = f"real {job.name}"
        super()._real_add_job(job, jobstore_alias, True)


def test_overrides_have_effect() -> None:
    scheduler = OwnParts(timezone="UTC", job_defaults={"misfire_grace_time": None})
    scheduler.start()
    assert type(scheduler._executors["default"]) is DebugExecutor
    assert type(scheduler._jobstores["default"]) is ListJobStore
    assert scheduler._executors_lock is scheduler.locks[0]
    job = scheduler.add_job(nothing, "nightly", id="a", jobstore="nosuch", executor="nosuch")
    assert str(job.trigger) == "cron[hour='3']"
    assert job.name == "real nothing"
    found = scheduler.get_job("A")
    assert found is not None
    assert found.id == "a"
    executed = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.modify_job("A", next_run_time=PAST)
    scheduler._process_jobs()
    assert len(executed.events) == 1
    scheduler.add_jobstore("own", "more")
    assert type(scheduler._jobstores["more"]) is ListJobStore
    scheduler.add_job(nothing, "nightly", id="a")  # replaces it
    assert len(scheduler.get_jobs("default")) == 1
    scheduler.shutdown()


class OwnLookup(BackgroundScheduler):
    """Looks executors up elsewhere, in a scheduler that has a timer thread."""

    def _lookup_executor(self, alias: str) -> BaseExecutor:
        return super()._lookup_executor("other")


def test_own_lookup_with_a_timer_thread() -> None:
    other = ThreadPoolExecutor(1)
    scheduler = OwnLookup(timezone="UTC", executors={"default": {"type": "debug"}, "other": other})
    ran = Event()
    with patch.object(other, "submit_job", wraps=other.submit_job) as submit_job:
        scheduler.add_job(ran.set, misfire_grace_time=None)
        scheduler.start()
        assert ran.wait(PATIENCE)
        scheduler.shutdown()
    submit_job.assert_called_once()


class OwnThread(BaseScheduler):
    """A scheduler as the guide has it: a thread that processes jobs when it is woken up or it is time."""

    def start(self, paused: bool = False) -> None:
        self._woken = Event()
        super().start(paused)
        self._thread = Thread(target=self._run)
        self._thread.start()

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)
        self.wakeup()
        self._thread.join(PATIENCE)

    def wakeup(self) -> None:
        self._woken.set()

    def _run(self) -> None:
        while self.running:
            self._woken.wait(self._process_jobs())
            self._woken.clear()


@pytest.mark.parametrize("method", ["_do_submit_job", "_run_job_success", "submit_job"])
def test_methods_that_are_put_into_an_executor_that_runs(method: str) -> None:
    # As packages do that wrap what runs a job: apscheduler-dishka, for one.
    executor = ThreadPoolExecutor()
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": executor})
    scheduler.start()
    executed = Event()
    scheduler.add_listener(lambda event: executed.set(), EVENT_JOB_EXECUTED)

    def run() -> None:
        executed.clear()
        scheduler.add_job(nothing, misfire_grace_time=None)
        assert executed.wait(PATIENCE)

    run()
    with patch.object(executor, method, wraps=getattr(executor, method)) as put:
        run()
        assert put.call_count == 1
    run()
    assert put.call_count == 1
    scheduler.shutdown()


@pytest.mark.parametrize("make", [BackgroundScheduler, ManualScheduler])
@pytest.mark.parametrize("method", ["get_due_jobs", "get_next_run_time", "update_job"])
def test_methods_that_are_put_into_a_memory_store_that_runs(
    make: type[BaseScheduler], method: str
) -> None:
    # As apscheduler-di does, when it is told that the scheduler has started.
    store = MemoryJobStore()
    scheduler = make(timezone="UTC", jobstores={"default": store})
    scheduler.start()
    ran = Event()
    job: dict[str, Any] = {"misfire_grace_time": None, "max_instances": 9}
    scheduler.add_job(ran.set, "interval", hours=1, id="job", **job)

    def run() -> None:
        ran.clear()
        scheduler.modify_job("job", next_run_time=PAST)
        scheduler._process_jobs()
        assert ran.wait(PATIENCE)
        deadline = monotonic() + PATIENCE  # it is saved when it has been submitted
        while scheduler.get_jobs()[0].next_run_time == PAST:
            assert monotonic() < deadline

    run()
    with patch.object(store, method, wraps=getattr(store, method)) as put:
        run()
        assert put.called
    count = put.call_count
    run()
    assert put.call_count == count
    scheduler.shutdown()


@pytest.mark.parametrize(
    ("cls", "method"),
    [
        (BaseScheduler, "_lookup_job"),
        (BaseScheduler, "_real_add_job"),
        (BaseScheduler, "_dispatch_event"),
        (MemoryJobStore, "get_due_jobs"),
        (MemoryJobStore, "lookup_job"),
        (ThreadPoolExecutor, "_do_submit_job"),
    ],
)
def test_methods_that_are_put_into_a_class_before_the_start(cls: type, method: str) -> None:
    ran = Event()
    with patch.object(cls, method, autospec=True, side_effect=getattr(cls, method)) as put:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.start()
        put.reset_mock()
        scheduler.add_job(ran.set, "interval", hours=1, id="job", misfire_grace_time=None)
        scheduler.modify_job("job", next_run_time=PAST)
        assert ran.wait(PATIENCE)
        scheduler.shutdown()
    assert put.called


@pytest.mark.parametrize("method", ["add_job", "modify_job", "remove_job", "get_job"])
def test_methods_that_are_put_into_a_class_take_effect_where_the_program_calls_them(
    method: str,
) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job(nothing, "interval", hours=1, id="job")
    original = getattr(BaseScheduler, method)
    with patch.object(BaseScheduler, method, autospec=True, side_effect=original) as put:
        scheduler.add_job(nothing, "interval", hours=1, id="another")
        scheduler.modify_job("job", name="name")
        assert scheduler.get_job("job") is not None
        scheduler.remove_job("job")
    assert put.call_count == 1
    scheduler.shutdown()


@pytest.mark.parametrize("method", ["_create_trigger", "_lookup_jobstore", "_real_add_job"])
def test_methods_that_are_put_into_a_class_take_effect_at_the_next_start(method: str) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job(nothing, "interval", hours=1)
    original = getattr(BaseScheduler, method)
    with patch.object(BaseScheduler, method, autospec=True, side_effect=original) as put:
        scheduler.add_job(nothing, "interval", hours=1)
        # DIFFERENCE: in APScheduler it takes effect at once.
        assert not put.called
        scheduler.shutdown()
        scheduler.start(paused=True)
        scheduler.add_job(nothing, "interval", hours=1)
        assert put.called
    scheduler.shutdown()


@pytest.mark.parametrize("hook", ["_dispatch_event", "_lookup_executor"])
def test_hooks_that_are_put_into_a_scheduler_that_runs(hook: str) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    called = Event()
    original = getattr(scheduler, hook)

    def own(what: Any) -> Any:
        if what == "default" or getattr(what, "code", 0) == EVENT_JOB_EXECUTED:
            called.set()
        return original(what)

    with patch.object(scheduler, hook, own):
        scheduler.add_job(nothing, misfire_grace_time=None)
        assert called.wait(PATIENCE)
    scheduler.shutdown()


def test_a_scheduler_written_by_the_guide() -> None:
    scheduler = OwnThread(timezone="UTC")
    executed = listen(scheduler, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(nothing, "interval", seconds=0.01, misfire_grace_time=None)
    executed.wait_for(EVENT_JOB_EXECUTED, 3)
    scheduler.shutdown()


# Names that test suites replace.


class FrozenDatetime(datetime):
    """A clock that stands at the first moment of 2020."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return PAST.astimezone(tz)


@pytest.mark.parametrize("module", ["calendarinterval", "cron", "date", "interval"])
def test_get_localzone_of_a_trigger_module(module: str) -> None:
    arguments = {"calendarinterval": {"days": 1}, "cron": {"hour": 1}, "date": {}}
    name = f"mainspring.triggers.{module}"
    with patch(f"{name}.get_localzone", lambda: ZoneInfo("Asia/Tokyo")):
        trigger = ManualScheduler._trigger_plugins[module].load()(
            **arguments.get(module, {"hours": 1})
        )
    zone = trigger.run_date.tzinfo if module == "date" else trigger.timezone
    assert str(zone) == "Asia/Tokyo"


def test_datetime_of_a_trigger_module() -> None:
    with patch("mainspring.triggers.interval.datetime", FrozenDatetime):
        interval = import_module("mainspring.triggers.interval").IntervalTrigger(
            hours=1, timezone="UTC"
        )
    assert interval.start_date == PAST + timedelta(hours=1)
    with patch("mainspring.triggers.date.datetime", FrozenDatetime):
        date = import_module("mainspring.triggers.date").DateTrigger(timezone="UTC")
    assert date.run_date == PAST
    # These two do not ask for the time, in 3.x neither; but who replaces it everywhere must not fail.
    for module in ("calendarinterval", "cron"):
        with patch(f"mainspring.triggers.{module}.datetime", FrozenDatetime):
            pass


def test_get_localzone_of_the_scheduler_module() -> None:
    with patch("mainspring.schedulers.base.get_localzone", lambda: ZoneInfo("Asia/Tokyo")):
        assert str(ManualScheduler().timezone) == "Asia/Tokyo"


@pytest.mark.parametrize("store", [MemoryJobStore, ListJobStore])
def test_datetime_of_the_scheduler_module(store: type[BaseJobStore]) -> None:
    scheduler = ManualScheduler(
        timezone="UTC", executors={"default": DebugExecutor()}, jobstores={"default": store()}
    )
    scheduler.start()
    executed = listen(scheduler, EVENT_JOB_EXECUTED)
    with patch("mainspring.schedulers.base.datetime", FrozenDatetime):
        job = scheduler.add_job(
            nothing, "interval", minutes=1, start_date=PAST, misfire_grace_time=None
        )
        assert job.next_run_time == PAST
        assert scheduler._process_jobs() == 60
        assert len(executed.events) == 1
        assert scheduler._process_jobs() == 60
        assert len(executed.events) == 1
        scheduler.reschedule_job(job.id, trigger="cron", hour=3)
        assert scheduler.get_jobs()[0].next_run_time == PAST + timedelta(hours=3)
    scheduler.shutdown()
