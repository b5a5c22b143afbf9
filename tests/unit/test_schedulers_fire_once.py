"""A run time is handed over once, whatever is done to its job at that moment."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mainspring.events import (
    EVENT_ALL,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
    JobExecutionEvent,
)
from mainspring.executors.debug import DebugExecutor
from mainspring.job import Job
from mainspring.jobstores.base import BaseJobStore, JobLookupError
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.jobstores.sqlalchemy import SQLAlchemyJobStore
from mainspring.schedulers.background import BackgroundScheduler
from mainspring.schedulers.base import BaseScheduler
from mainspring.testing import ManualClock
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.calendarinterval import CalendarIntervalTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.interval import IntervalTrigger
from tests.support import NIGHTLY, PATIENCE, ListJobStore, ManualScheduler, listen, nothing

DAY = timedelta(days=1)
TEN = datetime(2031, 5, 5, 10, tzinfo=timezone.utc)
#: Options of the schedulers; runs may still be under way when more are handed over.
OPTIONS: dict[str, Any] = {"timezone": "UTC", "job_defaults": {"max_instances": 1_000}}
#: How many run times the stress is to see.
FIRES = 3_000 if NIGHTLY else 150

Operation = Callable[[BaseScheduler, BaseTrigger], object]


class OwnTrigger(BaseTrigger):
    """A user's trigger for ten o'clock each day."""

    def __init__(self) -> None:
        self.first = TEN

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        days = (
            -((self.first - now) // DAY) if previous is None else (previous - self.first).days + 1
        )
        return self.first + max(days, 0) * DAY


OWN = OwnTrigger()
#: Triggers that give ten o'clock each day.
TRIGGERS: dict[str, Callable[[], BaseTrigger]] = {
    "interval": lambda: IntervalTrigger(days=1, start_date=TEN, timezone="UTC"),
    "cron": lambda: CronTrigger(hour=10, timezone="UTC"),
    "calendar": lambda: CalendarIntervalTrigger(
        days=1, hour=10, start_date=TEN.date(), timezone="UTC"
    ),
    "own": lambda: OWN,
}


def pause_and_resume(scheduler: BaseScheduler, trigger: BaseTrigger) -> None:
    scheduler.pause_job("a")
    scheduler.resume_job("a")


#: What an idempotent set-up does, and others that give a job the next fire time from now on.
OPERATIONS: dict[str, Operation] = {
    "resume": lambda scheduler, _: scheduler.resume_job("a"),
    "pause and resume": pause_and_resume,
    "reschedule": lambda scheduler, trigger: scheduler.reschedule_job("a", trigger=trigger),
    "modify": lambda scheduler, trigger: scheduler.modify_job("a", trigger=trigger),
    "replace": lambda scheduler, trigger: scheduler.add_job(
        nothing, trigger, id="a", replace_existing=True
    ),
}

operations = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
triggers = pytest.mark.parametrize("make_trigger", TRIGGERS.values(), ids=TRIGGERS)


class Scheduler(ManualScheduler):
    """A scheduler whose clock the test sets, and which may do something after it has read that."""

    at = TEN - DAY / 2
    meanwhile: Callable[[], object] | None = None

    def _now(self) -> datetime:
        now, meanwhile, self.meanwhile = self.at, self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return now

    def process_at(self, at: datetime) -> None:
        self.at = at
        self._process_jobs()

    def process_elsewhere(self, at: datetime) -> None:
        """Process jobs in another thread, unless it would have to wait for this one."""

        def process() -> None:
            lock: Any = self._store_lock("default")
            acquire = getattr(lock, "acquire", None)  # native stores have none
            if acquire is None or acquire(blocking=False):
                self.process_at(at)
                if acquire is not None:
                    lock.release()

        thread = threading.Thread(target=process)
        thread.start()
        thread.join(PATIENCE)


class OwnMemoryStore(MemoryJobStore):
    """A memory store that is swept like any other store written in Python."""

    def update_job(self, job: Job) -> None:
        super().update_job(job)


@pytest.fixture(params=["memory", "own memory", "user", "sqlalchemy"])
def scheduler(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scheduler]:
    stores: dict[str, Callable[[], BaseJobStore]] = {
        "memory": MemoryJobStore,
        "own memory": OwnMemoryStore,
        "user": ListJobStore,
        "sqlalchemy": lambda: SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs"),
    }
    scheduler = Scheduler(**OPTIONS, jobstores={"default": stores[request.param]()})
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


def handed_over(scheduler: BaseScheduler) -> Callable[[], list[datetime]]:
    recorder = listen(scheduler, EVENT_JOB_SUBMITTED)
    return lambda: [at for event in recorder.events for at in event.scheduled_run_times]


@triggers
@operations
def test_at_its_very_microsecond(
    scheduler: Scheduler, make_trigger: Callable[[], BaseTrigger], operation: Operation
) -> None:
    # DIFFERENCE: 3.x hands it over once more. So it does with the calendar's at any time, as that
    # trigger begins with its start date.
    times = handed_over(scheduler)
    scheduler.add_job(nothing, make_trigger(), id="a")
    scheduler.process_at(TEN)
    operation(scheduler, make_trigger())
    scheduler.process_at(TEN)
    assert times() == [TEN]
    scheduler.process_at(TEN + DAY)
    assert times() == [TEN, TEN + DAY]


@triggers
@operations
def test_between_a_look_at_the_clock_and_the_change(
    scheduler: Scheduler, make_trigger: Callable[[], BaseTrigger], operation: Operation
) -> None:
    times = handed_over(scheduler)
    scheduler.add_job(nothing, make_trigger(), id="a")
    scheduler.meanwhile = lambda: scheduler.process_elsewhere(TEN)
    operation(scheduler, make_trigger())
    scheduler.meanwhile = None
    scheduler.process_at(TEN)
    assert times() == [TEN]
    scheduler.process_at(TEN + DAY)
    assert times() == [TEN, TEN + DAY]


@operations
def test_under_another_trigger_from_then_on(scheduler: Scheduler, operation: Operation) -> None:
    a_moment_later = TEN + timedelta(microseconds=1)
    times = handed_over(scheduler)
    scheduler.add_job(nothing, TRIGGERS["cron"](), id="a")
    scheduler.meanwhile = lambda: scheduler.process_elsewhere(a_moment_later)
    operation(scheduler, CronTrigger(hour="10,11", timezone="UTC"))
    scheduler.meanwhile = None
    scheduler.process_at(a_moment_later)
    assert times() == [TEN]


@operations
def test_after_the_clock_has_stepped_back(scheduler: Scheduler, operation: Operation) -> None:
    # DIFFERENCE: 3.x hands it over once more.
    times = handed_over(scheduler)
    scheduler.add_job(nothing, TRIGGERS["cron"](), id="a")
    scheduler.process_at(TEN)
    scheduler.at = TEN - DAY / 4
    operation(scheduler, TRIGGERS["cron"]())
    scheduler.process_at(TEN)
    assert times() == [TEN]
    job = scheduler.get_job("a")
    assert job is not None
    assert job.next_run_time == TEN + DAY


def test_again_where_that_is_asked_for(scheduler: Scheduler) -> None:
    times = handed_over(scheduler)
    cron = TRIGGERS["cron"]
    scheduler.add_job(nothing, cron(), id="a")
    scheduler.process_at(TEN)
    scheduler.modify_job("a", next_run_time=TEN)
    scheduler.process_at(TEN)
    scheduler.add_job(nothing, cron(), id="a", next_run_time=TEN, replace_existing=True)
    scheduler.process_at(TEN)
    scheduler.reschedule_job("a", trigger=CronTrigger(hour="10,11", timezone="UTC"))
    scheduler.process_at(TEN)
    scheduler.remove_job("a")
    scheduler.add_job(nothing, cron(), id="a")
    scheduler.process_at(TEN)
    assert times() == 5 * [TEN]


@operations
def test_in_a_store_of_several(operation: Operation) -> None:
    scheduler = Scheduler(**OPTIONS)
    scheduler.add_jobstore("memory", "other")
    scheduler.start()
    times = handed_over(scheduler)
    scheduler.add_job(nothing, TRIGGERS["cron"](), id="a")
    scheduler.process_at(TEN)
    operation(scheduler, TRIGGERS["cron"]())
    scheduler.process_at(TEN)
    assert times() == [TEN]
    scheduler.shutdown()


@triggers
@operations
@pytest.mark.parametrize("listens", [False, True])
def test_on_the_short_way(
    make_trigger: Callable[[], BaseTrigger], operation: Operation, listens: bool
) -> None:
    clock = ManualClock(TEN - DAY / 2)
    scheduler = BackgroundScheduler(clock=clock, **OPTIONS)
    scheduler.start()
    if listens:
        scheduler.add_listener(lambda event: None, EVENT_ALL)
    scheduler.add_job(nothing, make_trigger(), id="a")
    clock.advance_to(TEN)
    operation(scheduler, make_trigger())
    clock.advance(DAY)
    assert [run.scheduled_run_time for run in clock.runs("a")] == [TEN, TEN + DAY]
    scheduler.shutdown()


def test_a_modify_job_of_ones_own_is_called_as_before() -> None:
    class Own(Scheduler):
        changes: Any = None

        def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Any) -> Any:
            self.changes = (job_id, jobstore, changes)
            return super().modify_job(job_id, jobstore, **changes)

    scheduler = Own(**OPTIONS)
    scheduler.start()
    trigger = TRIGGERS["cron"]()
    scheduler.add_job(nothing, trigger, id="a")
    scheduler.process_at(TEN)
    scheduler.resume_job("a")
    assert scheduler.changes == ("a", "default", {"next_run_time": TEN + DAY})
    scheduler.reschedule_job("a", trigger=trigger)
    assert scheduler.changes == ("a", None, {"trigger": trigger, "next_run_time": TEN + DAY})
    scheduler.shutdown()


def test_a_listener_pauses_another_job_while_one_is_rescheduled() -> None:
    scheduler = Scheduler(**OPTIONS)
    scheduler.start()
    for job_id in ("a", "b"):
        scheduler.add_job(nothing, TRIGGERS["cron"](), id=job_id)
    scheduler.process_at(TEN)

    def pause(event: JobEvent) -> None:
        if event.job_id == "a":
            scheduler.pause_job("b")

    scheduler.add_listener(pause, EVENT_JOB_MODIFIED)
    scheduler.reschedule_job("a", trigger=CronTrigger(year=2030, timezone="UTC"))
    for job_id in ("a", "b"):
        job = scheduler.get_job(job_id)
        assert job is not None
        assert job.next_run_time is None
    scheduler.shutdown()


class Noticing:
    """A callable that does something when the scheduler asks whether it is a coroutine function."""

    meanwhile: Callable[[], object] | None = None

    def __call__(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_is_coroutine"):
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                meanwhile()
        raise AttributeError(name)


def test_two_changes_at_once_are_both_made() -> None:
    scheduler = Scheduler(**OPTIONS)
    scheduler.start()
    func = Noticing()
    scheduler.add_job(func, TRIGGERS["cron"](), id="a", name="old")
    func.meanwhile = lambda: scheduler.modify_job("a", name="new", max_instances=7)
    scheduler.modify_job("a", trigger=TRIGGERS["interval"]())
    job = scheduler.get_job("a")
    assert job is not None
    assert func.meanwhile is None
    assert (type(job.trigger), job.name, job.max_instances) == (IntervalTrigger, "new", 7)
    scheduler.shutdown()


def stress(scheduler: BackgroundScheduler, listens: bool) -> None:
    """Have two threads set up jobs again and again, until enough run times have been handed over."""
    seen: Counter[tuple[str, datetime]] = Counter()
    enough = threading.Event()
    errors: list[BaseException] = []

    def listener(event: JobExecutionEvent) -> None:
        seen[event.job_id, event.scheduled_run_time] += 1
        if len(seen) >= FIRES:
            enough.set()

    start = datetime.now(timezone.utc).replace(microsecond=0)

    def trigger() -> IntervalTrigger:
        return IntervalTrigger(seconds=0.02, start_date=start, timezone="UTC")

    def add(job_id: str) -> None:
        scheduler.add_job(nothing, trigger(), id=job_id, replace_existing=True)

    def set_up() -> None:
        try:
            while not enough.is_set():
                scheduler.resume_job("resume")
                scheduler.pause_job("pause")
                scheduler.resume_job("pause")
                scheduler.reschedule_job("reschedule", trigger=trigger())
                add("replace")
                add("gone")
                try:
                    scheduler.remove_job("gone")
                except JobLookupError:
                    pass  # the other thread was quicker
        except BaseException as exc:
            errors.append(exc)
            enough.set()

    scheduler.start()
    scheduler.add_listener(listener, EVENT_JOB_EXECUTED | EVENT_JOB_MISSED)
    if listens:
        scheduler.add_listener(lambda event: None)
    for job_id in ("resume", "pause", "reschedule", "replace"):
        add(job_id)
    threads = [threading.Thread(target=set_up) for _ in range(2)]
    for thread in threads:
        thread.start()
    is_enough = enough.wait(PATIENCE if FIRES < 1_000 else 20 * PATIENCE)
    enough.set()
    for thread in threads:
        thread.join()
    scheduler.shutdown()
    assert errors == []
    assert is_enough, len(seen)
    # The one that is removed between is another job each time.
    assert [key for key, times in seen.items() if times > 1 and key[0] != "gone"] == []


@pytest.mark.parametrize("listens", [False, True], ids=["short way", "listener"])
def test_under_stress_in_memory(listens: bool) -> None:
    stress(BackgroundScheduler(**OPTIONS), listens)


def test_under_stress_in_a_database(tmp_path: Path) -> None:
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path}/jobs")
    stress(BackgroundScheduler(**OPTIONS, jobstores={"default": store}), True)


def test_under_stress_in_a_users_store() -> None:
    stress(BackgroundScheduler(**OPTIONS, jobstores={"default": ListJobStore()}), True)


class StoppingExecutor(DebugExecutor):
    """Runs a job, and shuts the scheduler down before that has removed the job from its store."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        super()._do_submit_job(job, run_times)
        self._scheduler.shutdown(wait=False)
        self.threads.put(threading.current_thread())


def test_a_job_that_has_run_leaves_its_store_in_the_midst_of_a_shutdown() -> None:
    store, executor = ListJobStore(), StoppingExecutor()
    scheduler = BackgroundScheduler(
        timezone="UTC", jobstores={"default": store}, executors={"default": executor}
    )
    heard = listen(scheduler, EVENT_JOB_REMOVED)
    scheduler.start()
    scheduler.add_job(nothing, id="a")
    sweeper = executor.threads.get(timeout=PATIENCE)
    sweeper.join(PATIENCE)
    assert store.is_shut_down
    assert store.states == {}
    assert [event.job_id for event in heard.events] == ["a"]
