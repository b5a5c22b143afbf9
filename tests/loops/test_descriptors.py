"""What a scheduler opens: nothing before it is started, little then, and nothing that outlasts it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from mainspring.executors.pool import ProcessPoolExecutor
from tests.loops.programs import Ended, finish, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are listed in /proc")

PRELUDE = """
import asyncio, gc, logging, os, sys, threading
from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler

WAIT = 30

def owned():
    '''The numbers of the descriptors and threads of this process.'''
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

def more_than(before):
    return tuple(now - then for now, then in zip(owned(), before, strict=True))

plain, coroutine = threading.Event(), threading.Event()

async def set_coroutine():
    coroutine.set()

def both_came():
    return plain.wait(WAIT) and coroutine.wait(WAIT)

def make():
    plain.clear()
    coroutine.clear()
    scheduler = globals()[sys.argv[1]](timezone="UTC")
    scheduler.add_job(plain.set)
    scheduler.add_job(set_coroutine)
    return scheduler

def run(scheduler):
    '''Run a scheduler until both of its jobs have run.'''
    def end():
        came.append(both_came())
        scheduler.shutdown()

    async def main():
        async with scheduler:
            came.append(await asyncio.to_thread(both_came))

    came = []
    if isinstance(scheduler, AsyncIOScheduler):
        asyncio.run(main())
    else:
        ending = threading.Thread(target=end)
        ending.start()
        scheduler.start()
        ending.join()
    assert came == [True]
"""


def run_program(tmp_path: Path, source: str, *args: str) -> Ended:
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + source)
    return finish(start(path, *args))


SCHEDULERS = ["AsyncIOScheduler", "BackgroundScheduler", "BlockingScheduler"]


@pytest.mark.parametrize(
    "name",
    [
        *("asyncio.AsyncIOScheduler", "background.BackgroundScheduler"),
        *("blocking.BlockingScheduler", "gevent.GeventScheduler", "qt.QtScheduler"),
        *("tornado.TornadoScheduler", "twisted.TwistedScheduler"),
    ],
)
def test_a_scheduler_that_was_not_started_owns_nothing(name: str) -> None:
    module, cls = name.split(".")
    try:
        make = getattr(importlib.import_module(f"mainspring.schedulers.{module}"), cls)
    except ImportError as exc:
        pytest.skip(f"{exc}")

    def owned() -> tuple[set[str], set[str]]:
        return set(os.listdir("/proc/self/fd")), set(os.listdir("/proc/self/task"))

    before = owned()
    scheduler = make(timezone="UTC", executors={"processes": ProcessPoolExecutor(2)})
    scheduler.add_job(print, "interval", hours=1)
    opened, started = (now - then for now, then in zip(owned(), before, strict=True))
    # Threads of other tests may be about to end, but none may be new.
    assert (opened, started) == (set(), set())


# As python-daemon does, and programs that do it themselves.
CLOSED_BEFORE_START = """
scheduler = make()
os.closerange(3, 1024)
files = [open(f"{sys.argv[2]}{i}", "w+", buffering=1) for i in range(20)]

def write():
    for file in files:
        print("mine", file=file)

write()
run(scheduler)
write()
run(make())
del scheduler
gc.collect()
write()
for file in files:
    file.seek(0)
    assert file.read() == "mine\\n" * 3
    file.close()
print("done")
"""


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_descriptors_closed_between_constructor_and_start(tmp_path: Path, scheduler: str) -> None:
    ended = run_program(tmp_path, CLOSED_BEFORE_START, scheduler, str(tmp_path / "file"))
    assert (ended.status, ended.stdout, ended.stderr) == (0, "done\n", ""), ended


CLOSED_AND_DROPPED = """
scheduler = make()
os.closerange(3, 1024)
ours, theirs = os.pipe()
del scheduler
gc.collect()
os.write(theirs, b"mine")
assert os.read(ours, 9) == b"mine"
print("done")
"""


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_scheduler_that_is_dropped_closes_no_other_file(tmp_path: Path, scheduler: str) -> None:
    ended = run_program(tmp_path, CLOSED_AND_DROPPED, scheduler)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "done\n", ""), ended


DAEMON = """
import daemon, warnings

# Between the program and CPython, which has it as an error at the fork itself since 3.15.
warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)

scheduler = make()
is_started_before = len(sys.argv) > 2
if is_started_before:
    asyncio.run(asyncio.sleep(0))
    scheduler.start()
    assert both_came()
ours, theirs = os.pipe()
if os.fork() == 0:
    with daemon.DaemonContext(files_preserve=[theirs], stderr=sys.stderr):
        if is_started_before:
            plain, coroutine = threading.Event(), threading.Event()
            scheduler.add_job(plain.set)
            scheduler.add_job(set_coroutine)
        run(scheduler)
        os.write(theirs, b"done")
        os._exit(0)
os.close(theirs)
print(os.read(ours, 9).decode())
os.close(ours)
os.wait()
"""


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_daemon_of_python_daemon(tmp_path: Path, scheduler: str) -> None:
    pytest.importorskip("daemon")
    ended = run_program(tmp_path, DAEMON, scheduler)
    assert (ended.status, ended.stdout) == (0, "done\n"), ended
    assert "Traceback" not in ended.stderr, ended


def test_a_daemon_of_a_scheduler_that_was_started_before(tmp_path: Path) -> None:
    pytest.importorskip("daemon")
    ended = run_program(tmp_path, DAEMON, "BackgroundScheduler", "started")
    assert (ended.status, ended.stdout) == (0, "done\n"), ended
    assert "Traceback" not in ended.stderr, ended


COSTS = {
    "BackgroundScheduler": """
before = owned()
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
scheduler.add_job(plain.set, "interval", hours=1)
scheduler.add_job(set_coroutine)
assert coroutine.wait(WAIT)
print(*more_than(before))
scheduler.shutdown()
print(more_than(before)[0])
""",
    "AsyncIOScheduler": """
async def main():
    before = owned()
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.start()
    scheduler.add_job(plain.set, "interval", hours=1)
    scheduler.add_job(set_coroutine)
    while not coroutine.is_set():
        await asyncio.sleep(0)
    print(*more_than(before))
    await scheduler.aclose()
    print(more_than(before)[0])

asyncio.run(main())
""",
}


@pytest.mark.parametrize(
    # An eventfd, and the timer; one for the loop of its own, and that loop's thread.
    ("scheduler", "descriptors", "threads"),
    [("AsyncIOScheduler", 1, 1), ("BackgroundScheduler", 2, 2)],
)
def test_what_a_scheduler_costs(
    tmp_path: Path, scheduler: str, descriptors: int, threads: int
) -> None:
    ended = run_program(tmp_path, COSTS[scheduler])
    assert (ended.status, ended.stderr) == (0, ""), ended
    assert ended.lines == [f"{descriptors} {threads}", "0"]


FORGOTTEN = """
logging.getLogger("mainspring").setLevel(logging.ERROR)

async def main():
    scheduler = AsyncIOScheduler(timezone="UTC")
    if sys.argv[1] == "with a job":
        scheduler.add_job(print, "interval", hours=1)
    scheduler.start()
    await asyncio.sleep(0)

before = owned()
for number in range(50):
    asyncio.run(main())
# The last one, and another whose threads may not be quite gone.
descriptors, threads = more_than(before)
assert descriptors <= 1 and threads <= 2, (descriptors, threads)
print("done")
"""


@pytest.mark.parametrize("jobs", ["without jobs", "with a job"])
def test_schedulers_forgotten_one_after_another(tmp_path: Path, jobs: str) -> None:
    ended = run_program(tmp_path, FORGOTTEN, jobs)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "done\n", ""), ended


FORGOTTEN_ALONE = """
from mainspring import EVENT_SCHEDULER_SHUTDOWN
logging.getLogger("mainspring").setLevel(logging.ERROR)
stopped = threading.Event()

async def main():
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_listener(lambda event: stopped.set(), EVENT_SCHEDULER_SHUTDOWN)
    scheduler.start()

before = owned()
asyncio.run(main())
assert stopped.wait(WAIT)
print(more_than(before)[0])
"""


def test_a_forgotten_scheduler_that_has_nothing_to_do_is_stopped(tmp_path: Path) -> None:
    ended = run_program(tmp_path, FORGOTTEN_ALONE)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "0\n", ""), ended
