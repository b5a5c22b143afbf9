"""Which loop a scheduler uses: started before any loop runs, moved, closed under it, waited for."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mainspring import AsyncIOScheduler, BackgroundScheduler, from_thread
from mainspring._loops import watch
from mainspring.events import EVENT_JOB_MAX_INSTANCES
from mainspring.schedulers import SchedulerNotRunningError
from mainspring.schedulers.base import STATE_STOPPED
from tests.loops.programs import LOOPS, interrupt_at_line, run_program
from tests.support import PATIENCE

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send on Windows")
@pytest.mark.parametrize("debug", [False, True])
def test_the_classic_program_stopped_by_ctrl_c(debug: bool) -> None:
    ended = interrupt_at_line(EXAMPLES / "classic_run_forever.py", after="Tick!", debug=debug)
    assert (ended.status, ended.stderr) == (0, ""), ended


CLASSIC_ELSEWHERE = """
from mainspring import AsyncIOScheduler

def main():
    loop = None
    async def job():
        assert asyncio.get_running_loop() is loop
        print("ran")
        loop.stop()
    times = dict(max_instances=1_000_000, misfire_grace_time=None)
    scheduler = AsyncIOScheduler(timezone="UTC", job_defaults=times)
    scheduler.add_job(job, "interval", seconds=0.05)
    scheduler.start()
    loop = asyncio.get_event_loop()
    loop.run_forever()
    scheduler.shutdown()
    loop.close()

thread = threading.Thread(target=main)
thread.start()
thread.join()
"""


def test_the_classic_program_in_a_thread_without_a_loop(tmp_path: Path) -> None:
    ended = run_program(tmp_path, CLASSIC_ELSEWHERE)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ran\n", "")


AT_IMPORT = """
import gc
from mainspring import AsyncIOScheduler

ran = None
async def job():
    await asyncio.sleep(0)
    ran.set_result(asyncio.get_running_loop()) if not ran.done() else None

times = dict(max_instances=1_000_000, misfire_grace_time=None)
scheduler = AsyncIOScheduler(timezone="UTC", job_defaults=times)
scheduler.add_job(job, "interval", seconds=0.05)
scheduler.add_job(lambda: job(), "interval", seconds=0.05)
scheduler.start()
guess = scheduler._eventloop

async def main():
    global ran
    ran = asyncio.get_running_loop().create_future()
    {call}
    assert await asyncio.wait_for(ran, 30) is asyncio.get_running_loop()
    assert scheduler._eventloop is asyncio.get_running_loop()
    assert guess.is_closed()
    await scheduler.aclose()

run(main())
del guess
gc.collect()
print("ended")
"""

CALLS = [
    "scheduler.add_job(job, id='x')",
    "scheduler.get_jobs()",
    "scheduler.running",
    "scheduler.pause(); scheduler.resume()",
    "scheduler.remove_all_jobs(); scheduler.add_job(job)",
    "pass",
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("loop", LOOPS)
def test_started_at_import_and_then_another_loop_runs(tmp_path: Path, loop: str, call: str) -> None:
    ended = run_program(tmp_path, AT_IMPORT.format(call=call), loop)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended\n", "")


WITHOUT_TASKS = """
from mainspring import AsyncIOScheduler

async def job():
    assert asyncio.get_running_loop() is loop
    loop.stop()

times = dict(max_instances=1_000_000, misfire_grace_time=None)
scheduler = AsyncIOScheduler(timezone="UTC", job_defaults=times)
scheduler.add_job(job, "interval", seconds=0.05)
scheduler.start()
loop = new_event_loop()
loop.run_forever()
scheduler.shutdown()
assert asyncio.get_event_loop() is loop
loop.close()
print("ended")
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_running_loop_without_a_task_is_found(tmp_path: Path, loop: str) -> None:
    ended = run_program(tmp_path, WITHOUT_TASKS, loop)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended\n", "")


SYNC_JOB_BEFORE_THE_LOOP = """
from mainspring import AsyncIOScheduler

began = threading.Event()
async def where():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()

def waits():
    began.set()
    return asyncio.get_event_loop().run_until_complete(where())

def forgets():
    asyncio.ensure_future(tells())

told = threading.Event()
async def tells():
    assert await where() is scheduler._eventloop
    told.set()

scheduler = AsyncIOScheduler(timezone="UTC")
results = []
scheduler.add_listener(lambda event: results.append(event.retval), 2**12)
scheduler.add_job(forgets, misfire_grace_time=None)
scheduler.add_job(waits, misfire_grace_time=None)
scheduler.start()
assert began.wait(30)

async def main():
    while asyncio.get_running_loop() not in results or not told.is_set():
        await asyncio.sleep(0.01)
    await scheduler.aclose()

run(main())
print("ended")
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_function_that_is_called_before_the_loop_runs_hands_over_to_the_one_that_does(
    tmp_path: Path, loop: str
) -> None:
    ended = run_program(tmp_path, SYNC_JOB_BEFORE_THE_LOOP, loop)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended\n", "")


IN_ANOTHER_THREAD = """
from mainspring import AsyncIOScheduler

scheduler = AsyncIOScheduler(timezone="UTC")
ran = threading.Event()
async def job():
    assert asyncio.get_running_loop() is scheduler._eventloop is asyncio.get_event_loop()
    ran.set()

async def other(go_on):
    await asyncio.to_thread(go_on.wait, 30)

go_on = threading.Event()
thread = threading.Thread(target=run, args=[other(go_on)])
thread.start()
scheduler.add_job(job, "interval", seconds=0.02, id="a", max_instances=1_000_000, misfire_grace_time=None)
scheduler.start()
# A loop runs in another thread, which does not make it the scheduler's.
guess = scheduler._eventloop
scheduler._guess.search(scheduler._take_running_loop)
if "uvloop" == sys.argv[1] and sys.version_info < (3, 14):  # where it is found by its tasks
    while not scheduler._guess._elsewhere:
        threading.Event().wait(0.01)
assert scheduler._eventloop is guess

async def until_it_ran():
    await asyncio.to_thread(ran.wait, 30)
guess.run_until_complete(until_it_ran())
assert scheduler._eventloop is guess and ran.is_set()
scheduler.shutdown()
go_on.set()
thread.join()
print("ended")
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_of_another_thread_is_not_taken(tmp_path: Path, loop: str) -> None:
    ended = run_program(tmp_path, IN_ANOTHER_THREAD, loop)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended\n", "")


CALLED_FROM_ANOTHER_THREAD = """
from mainspring import AsyncIOScheduler

scheduler = AsyncIOScheduler(timezone="UTC")
scheduler.start()
guess = scheduler._eventloop

async def main():
    ran = asyncio.Event()
    async def job():
        ran.set()
    scheduler.add_job(job)
    await asyncio.wait_for(ran.wait(), 30)
    assert scheduler._eventloop is asyncio.get_running_loop()
    await scheduler.aclose()

thread = threading.Thread(target=run, args=[main()])
thread.start()
thread.join()
# Another thread cannot tell that nobody has asked for the current loop of this one.
assert asyncio.get_event_loop() is guess and not guess.is_closed()
print("ended")
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_of_another_thread_that_calls_the_scheduler_is_taken(
    tmp_path: Path, loop: str
) -> None:
    ended = run_program(tmp_path, CALLED_FROM_ANOTHER_THREAD, loop)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended\n", "")


class Heard(logging.Handler):
    """Keeps the scheduler's warnings, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self._heard = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._heard:
            self.records.append(record)
            self._heard.notify_all()

    def wait_for(self, text: str) -> logging.LogRecord:
        def found() -> logging.LogRecord | None:
            return next((r for r in self.records if text in r.getMessage()), None)

        with self._heard:
            record = self._heard.wait_for(found, PATIENCE)
        assert record is not None, self.records
        return record


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler = Heard()
    logger = logging.getLogger("mainspring.scheduler")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def fresh_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


Make = Callable[[asyncio.AbstractEventLoop], Any]


@pytest.mark.parametrize(
    "make",
    [
        lambda loop: AsyncIOScheduler(timezone="UTC", event_loop=loop),
        lambda loop: BackgroundScheduler(timezone="UTC", event_loop=loop),
    ],
    ids=["asyncio", "background"],
)
def test_a_loop_that_never_runs_is_told_of_and_its_runs_wait(
    make: Make,
    heard: Heard,
    fresh_loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert watch.NEVER_RAN_AFTER == 5.0
    monkeypatch.setattr(watch, "NEVER_RAN_AFTER", 0.5)
    ran: list[str] = []

    async def job(name: str) -> None:
        ran.append(name)

    scheduler = make(fresh_loop)
    missed: list[Any] = []
    scheduler.add_listener(missed.append, 2**14)
    scheduler.start()
    scheduler.add_job(job, args=["late"], misfire_grace_time=3600)
    scheduler.add_job(job, args=["too late"], id="too late", misfire_grace_time=1)
    record = heard.wait_for("has not run")
    assert record.levelno == logging.WARNING
    assert "never ran" in record.getMessage()
    assert "event_loop=" in record.getMessage()

    async def main() -> None:
        while not (ran and missed):
            await asyncio.sleep(0.01)

    fresh_loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))
    assert ran == ["late"]
    assert [event.job_id for event in missed] == ["too late"]
    scheduler.shutdown()
    assert len(heard.records) == 1, heard.records


def test_skipped_runs_do_not_pile_up_for_a_loop_that_does_not_run(
    heard: Heard, fresh_loop: asyncio.AbstractEventLoop
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=fresh_loop)
    skipped: list[Any] = []
    scheduler.add_listener(skipped.append, 2**16)

    async def job() -> None:
        pass

    scheduler.start()
    for _ in range(40):
        # Each is due ten thousand times a second, and may run once at a time.
        scheduler.add_job(job, "interval", seconds=0.0001, coalesce=False)
    inbox = scheduler._engine.control
    gate = threading.Event()
    # 400,000 skipped runs a second at most: wait until the timer thread has been at it for long enough.
    while inbox.notices_dropped == 0:
        gate.wait(0.01)
    scheduler.remove_all_jobs()

    async def main() -> None:
        while not any("more skipped runs" in r.getMessage() for r in heard.records):
            await asyncio.sleep(0.01)

    fresh_loop.run_until_complete(asyncio.wait_for(main(), PATIENCE))
    # Jobs that are gone when they are told of leave nothing to tell.
    assert sum(len(event.scheduled_run_times) for event in skipped) <= 20_000
    scheduler.shutdown()


def test_skipped_runs_that_wait_for_the_loop_are_told_of_together(
    heard: Heard, fresh_loop: asyncio.AbstractEventLoop
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC", event_loop=fresh_loop)
    told: list[Any] = []

    async def job() -> None:
        pass

    async def main() -> None:
        first = asyncio.Event()
        scheduler.add_listener(
            lambda event: (told.append(event), first.set()), EVENT_JOB_MAX_INSTANCES
        )
        await asyncio.wait_for(first.wait(), PATIENCE)
        scheduler.pause()

    start = datetime.now(timezone.utc)
    times: dict[str, Any] = {"start_date": start, "misfire_grace_time": None, "coalesce": False}
    added = scheduler.add_job(job, "interval", seconds=0.005, id="often", **times)
    scheduler.start()
    gate = threading.Event()
    seen: set[datetime] = set()
    # Each is a pass of the timer thread; the first admits a run, which waits for the loop.
    while len(seen) < 12:
        seen.add(added.next_run_time)
        gate.wait(0.001)
    fresh_loop.run_until_complete(main())
    assert told[0].job_id == "often"
    skipped = told[0].scheduled_run_times
    assert len(skipped) >= 6
    assert {later - earlier for earlier, later in itertools.pairwise(skipped)} == {
        timedelta(seconds=0.005)
    }
    (record,) = [r for r in heard.records if "skipped" in r.getMessage()][:1]
    assert record.getMessage().endswith(f"(job id: often, {len(skipped)} run times)")
    scheduler.shutdown()


request_id: ContextVar[str] = ContextVar("request_id", default="none")


@pytest.mark.parametrize("explicitly", [False, True], ids=["start", "bind_loop"])
@pytest.mark.parametrize("noticed", [False, True], ids=["not noticed", "noticed"])
def test_a_second_run_of_asyncio(heard: Heard, explicitly: bool, noticed: bool) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    ran: list[tuple[asyncio.AbstractEventLoop, str]] = []
    tick: asyncio.Event

    async def job() -> None:
        ran.append((asyncio.get_running_loop(), request_id.get()))
        tick.set()

    async def first() -> None:
        nonlocal tick
        tick = asyncio.Event()
        request_id.set("first")
        scheduler.start()
        scheduler.add_job(job, "interval", seconds=0.02, id="job")
        await asyncio.wait_for(tick.wait(), PATIENCE)

    async def second() -> None:
        nonlocal tick
        tick = asyncio.Event()
        request_id.set("second")
        if explicitly:
            scheduler.bind_loop(asyncio.get_running_loop())
        else:
            scheduler.start()
        await asyncio.wait_for(tick.wait(), PATIENCE)
        assert ran[-1] == (asyncio.get_running_loop(), "second")
        await scheduler.aclose()

    asyncio.run(first())
    if noticed:
        heard.wait_for("closed")
        assert not scheduler.running
        assert scheduler.state == 0
        scheduler.shutdown()
        assert scheduler.get_job("job") is not None
        assert [job.id for job in scheduler.get_jobs()] == ["job"]
    asyncio.run(second())
    warnings = [r.getMessage() for r in heard.records if "closed" in r.getMessage()]
    assert len(warnings) == 1


@pytest.mark.parametrize("first", ["state", "shutdown", "aclose", "pause"])
def test_whatever_is_called_first_notices_the_closed_loop(heard: Heard, first: str) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(print, "interval", hours=1, id="job")

    async def main() -> None:
        scheduler.start()

    asyncio.run(main())
    if first == "state":
        assert scheduler.state == STATE_STOPPED
    elif first == "shutdown":
        scheduler.shutdown()
    elif first == "aclose":
        assert asyncio.run(scheduler.aclose()) == []
    else:
        with pytest.raises(SchedulerNotRunningError):
            scheduler.pause()
    assert (scheduler.state, scheduler.running) == (STATE_STOPPED, False)
    assert [job.id for job in scheduler.get_jobs()] == ["job"]
    (warning,) = heard.records
    assert "closed" in warning.getMessage()


TWO_GUESSES = """
from mainspring import AsyncIOScheduler

one, other = AsyncIOScheduler(timezone="UTC"), AsyncIOScheduler(timezone="UTC")
both = {}
async def job(name):
    both[name] = asyncio.get_running_loop()

for scheduler, name in ((one, "one"), (other, "other")):
    times = dict(max_instances=1_000_000, misfire_grace_time=None)
    scheduler.add_job(job, "interval", seconds=0.05, args=[name], **times)
    scheduler.start()

async def main():
    one.get_jobs()  # and the other is never called
    while len(both) < 2:
        await asyncio.sleep(0.01)
    assert set(both.values()) == {asyncio.get_running_loop()}
    await one.aclose()
    await other.aclose()

run(main())
"""


def test_a_closed_loop_is_refused_and_leaves_nothing_behind() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    scheduler = AsyncIOScheduler(event_loop=loop, timezone="UTC")
    threads = threading.active_count()
    with pytest.raises(RuntimeError, match="is closed"):
        scheduler.start()
    assert not scheduler.running
    assert threading.active_count() == threads


async def test_a_closed_loop_gives_way_to_the_one_that_runs_at_start() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    scheduler = AsyncIOScheduler(event_loop=loop, timezone="UTC")
    scheduler.start()
    assert scheduler._eventloop is asyncio.get_running_loop()
    scheduler.shutdown()


@pytest.mark.parametrize("loop", LOOPS)
def test_two_schedulers_may_share_a_guess(tmp_path: Path, loop: str) -> None:
    ended = run_program(tmp_path, TWO_GUESSES, loop)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("called", ["made", "given a job"])
async def test_start_in_another_thread_takes_the_loop_that_called_before(called: str) -> None:
    ran: asyncio.Queue[Any] = asyncio.Queue()

    async def job() -> None:
        ran.put_nowait(asyncio.get_running_loop())

    if called == "made":
        scheduler = AsyncIOScheduler(timezone="UTC")
        await asyncio.to_thread(scheduler.start)
        await asyncio.to_thread(scheduler.add_job, job)
    else:
        scheduler = await asyncio.to_thread(AsyncIOScheduler, timezone="UTC")
        scheduler.add_job(job, misfire_grace_time=None)
        await asyncio.to_thread(scheduler.start)
    assert await asyncio.wait_for(ran.get(), PATIENCE) is asyncio.get_running_loop()
    await scheduler.aclose()


async def test_a_job_may_start_another_scheduler() -> None:
    ran: asyncio.Queue[Any] = asyncio.Queue()
    other = AsyncIOScheduler(timezone="UTC")

    async def job() -> None:
        ran.put_nowait(asyncio.get_running_loop())

    def starts() -> None:
        started = AsyncIOScheduler(timezone="UTC")
        started.add_job(job, misfire_grace_time=None)
        started.start()
        others.append(started)

    others: list[AsyncIOScheduler] = []
    other.start()
    other.add_job(starts)
    assert await asyncio.wait_for(ran.get(), PATIENCE) is asyncio.get_running_loop()
    await other.aclose()
    await others[0].aclose()


@pytest.mark.parametrize("wrong", [None, "loop", asyncio])
def test_bind_loop_wants_a_loop(wrong: Any) -> None:
    with pytest.raises(TypeError, match="event loop"):
        AsyncIOScheduler(timezone="UTC").bind_loop(wrong)


async def test_bind_loop_moves_a_running_scheduler() -> None:
    other = asyncio.new_event_loop()
    thread = threading.Thread(target=other.run_forever)
    thread.start()
    ran = threading.Event()
    seen: list[Any] = []

    async def job() -> None:
        seen.append((asyncio.get_running_loop(), request_id.get()))
        ran.set()

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    request_id.set("at bind_loop")
    scheduler.bind_loop(other)
    scheduler.add_job(job)
    assert await asyncio.to_thread(ran.wait, PATIENCE)
    assert seen == [(other, "at bind_loop")]
    await asyncio.to_thread(scheduler.shutdown)
    other.call_soon_threadsafe(other.stop)
    await asyncio.to_thread(thread.join)
    other.close()


async def test_bind_loop_is_refused_while_coroutines_run_and_for_a_closed_loop() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        started.set()
        await go_on.wait()

    other = asyncio.new_event_loop()
    async with AsyncIOScheduler(timezone="UTC") as scheduler:
        scheduler.add_job(job)
        await started.wait()
        with pytest.raises(RuntimeError, match="runs are going on"):
            scheduler.bind_loop(other)
        go_on.set()
    other.close()
    with pytest.raises(RuntimeError, match="closed"):
        scheduler.bind_loop(other)


def test_bind_loop_of_a_stopped_scheduler_is_for_its_start(
    fresh_loop: asyncio.AbstractEventLoop,
) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.bind_loop(fresh_loop)
    assert not scheduler.running

    async def main() -> None:
        scheduler.start()
        assert scheduler._eventloop is fresh_loop
        scheduler.shutdown()

    asyncio.run(main())


UNTIL_STOPPED = """
from mainspring import AsyncIOScheduler

async def slow():
    print("started")
    try:
        await asyncio.sleep({seconds})
        print("ended by itself")
    except asyncio.CancelledError:
        print("cancelled")
        raise

async def main():
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(slow, id="slow")
    cancelled = await scheduler.run_until_stopped(deadline={deadline})
    print([run.job_id for run in cancelled], scheduler.running)

run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop", LOOPS)
def test_run_until_stopped_drains_on_a_signal(
    tmp_path: Path, loop: str, number: signal.Signals
) -> None:
    from tests.loops.programs import PRELUDE

    path = tmp_path / "program.py"
    path.write_text(PRELUDE + UNTIL_STOPPED.format(seconds=0.3, deadline=30))
    ended = interrupt_at_line(path, loop, after="started", number=number)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended by itself\n[] False\n", "")

    path.write_text(PRELUDE + UNTIL_STOPPED.format(seconds=3600, deadline=0.05))
    ended = interrupt_at_line(path, loop, after="started", number=number)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "cancelled\n['slow'] False\n", "")


@pytest.mark.parametrize("when", ["before", "in a job", "in a thread", "shutdown"])
async def test_run_until_stopped_returns_after_stop(when: str) -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    before = signal.getsignal(signal.SIGTERM)

    async def job() -> None:
        scheduler.stop()

    if when == "before":
        scheduler.start()
        scheduler.stop()
    elif when == "in a job":
        scheduler.add_job(job)
    elif when == "in a thread":
        scheduler.add_job(scheduler.stop)
    else:
        asyncio.get_running_loop().call_soon(
            lambda: asyncio.get_running_loop().call_soon(scheduler.shutdown)
        )
    assert await asyncio.wait_for(scheduler.run_until_stopped(), PATIENCE) == []
    assert not scheduler.running
    assert signal.getsignal(signal.SIGTERM) is before
    gc.collect()


async def test_aclose_tells_which_runs_it_cancelled() -> None:
    started = asyncio.Semaphore(0)

    async def endless() -> None:
        started.release()
        await asyncio.Event().wait()

    async def stubborn() -> str:
        started.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "stays"
        return "never"

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    job = scheduler.add_job(endless, id="endless")
    when = job.next_run_time
    scheduler.add_job(stubborn, id="stubborn")
    for _ in range(2):
        await started.acquire()
    (run,) = await scheduler.aclose(deadline=0.01)
    assert (run.job_id, run.scheduled_run_time, run.jobstore) == ("endless", when, "default")
    assert await scheduler.aclose() == []


async def test_a_job_may_close_its_own_scheduler() -> None:
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    scheduler = AsyncIOScheduler(timezone="UTC")

    async def job() -> None:
        ended.set_result(await scheduler.aclose(deadline=None))

    scheduler.start()
    scheduler.add_job(job)
    assert await asyncio.wait_for(ended, PATIENCE) == []
    assert not scheduler.running


@pytest.mark.parametrize("how", ["shield", "task", "wait_for", "worker", "from_thread"])
async def test_a_job_may_close_its_scheduler_in_any_way(how: str) -> None:
    closed: asyncio.Queue[Any] = asyncio.Queue()
    ended: list[str] = []
    scheduler = AsyncIOScheduler(timezone="UTC")
    # Without a deadline whoever waits for himself does so for ever.
    close = partial(scheduler.aclose, deadline=None)

    async def coroutine() -> None:
        if how == "shield":
            cancelled = await asyncio.shield(close())
        elif how == "task":
            cancelled = await asyncio.create_task(close())
        else:
            cancelled = await asyncio.wait_for(close(), PATIENCE)
        closed.put_nowait(cancelled)

    def plain() -> None:
        loop = asyncio.get_event_loop()
        in_worker = how == "worker"
        cancelled = loop.run_until_complete(close()) if in_worker else from_thread.run(close)
        loop.call_soon_threadsafe(closed.put_nowait, cancelled)

    async def other() -> None:
        running.set()
        await asyncio.sleep(0.05)
        ended.append("other")

    running = asyncio.Event()
    scheduler.start()
    scheduler.add_job(other)
    await running.wait()
    scheduler.add_job(plain if how in ("worker", "from_thread") else coroutine)
    assert await asyncio.wait_for(closed.get(), PATIENCE) == []
    assert ended == ["other"]
    assert not scheduler.running


async def test_a_function_in_a_worker_does_not_hold_up_aclose_beyond_the_deadline() -> None:
    started, go_on = threading.Event(), threading.Event()

    def job() -> None:
        started.set()
        go_on.wait(PATIENCE)

    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    scheduler.add_job(job)
    assert await asyncio.to_thread(started.wait, PATIENCE)
    assert await scheduler.aclose(deadline=0.01) == []
    go_on.set()
