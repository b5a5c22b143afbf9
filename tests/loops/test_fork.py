"""A fork under a live scheduler: stopped in the child and to be started there, the parent untouched."""

from __future__ import annotations

import os
import sys

import pytest

from tests.loops.forks import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")

BACKGROUND = """
scheduler = BackgroundScheduler(timezone="UTC")
if sys.argv[1] == "python":
    scheduler.add_jobstore(ListJobStore())
seen = add_jobs(scheduler)
scheduler.start()
assert both_came()
child = os.fork()
if child == 0:
    assert is_stopped_and_says_so(scheduler)
    assert runs_when_started(scheduler)
    scheduler.start()
    sys.exit(3)
assert scheduler.running and not records
assert both_came()
assert status_of(child) == 3
assert both_came()
scheduler.shutdown()
assert nothing_twice(seen)
sys.exit(7)
"""


@pytest.mark.parametrize("store", ["native", "python"])
def test_background(store: str) -> None:
    run(BACKGROUND, store, status=7)


ASYNCIO = """
def fork():
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert is_stopped_and_says_so(scheduler)
            asyncio.run(in_child())
            status = 3
        finally:
            os._exit(status)
    return child

async def in_child():
    scheduler.start()
    assert await asyncio.to_thread(both_came)
    await scheduler.aclose()
    if sys.argv[1] == "native":
        add_jobs(scheduler)  # a memory store is emptied by a shutdown
    async with scheduler:
        assert await asyncio.to_thread(both_came)
    assert await asyncio.wait_for(scheduler._engine.idle(), WAIT) is None

async def main():
    scheduler.start()
    assert await asyncio.to_thread(both_came)
    for _ in range(3):
        child = fork() if sys.argv[2] == "loop" else await asyncio.to_thread(fork)
        assert scheduler.running
        assert await asyncio.to_thread(both_came)
        assert await asyncio.to_thread(status_of, child) == 3
        assert await asyncio.to_thread(both_came)
    await scheduler.aclose()
    assert nothing_twice(seen) and not records

scheduler = AsyncIOScheduler(timezone="UTC")
if sys.argv[1] == "python":
    scheduler.add_jobstore(ListJobStore())
seen = add_jobs(scheduler)
if sys.argv[3] == "uvloop":
    import uvloop
    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
finally:
    loop.close()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("thread", ["loop", "worker"])
@pytest.mark.parametrize("store", ["native", "python"])
def test_asyncio(store: str, thread: str, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    run(ASYNCIO, store, thread, loop)


BLOCKING = """
def fork():
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert is_stopped_and_says_so(scheduler)
            threading.Thread(target=end).start()
            scheduler.start()
            status = 3
        finally:
            os._exit(status)
    assert both_came()
    assert status_of(child) == 3
    assert both_came()
    scheduler.shutdown(wait=False)

def end():
    both_came()
    scheduler.shutdown()

scheduler = BlockingScheduler(timezone="UTC")
seen = add_jobs(scheduler)
thread = threading.Thread(target=fork)
scheduler.add_listener(lambda event: thread.start(), events.EVENT_SCHEDULER_STARTED)
scheduler.start()
thread.join()
assert nothing_twice(seen) and not records
sys.exit(7)
"""


def test_blocking() -> None:
    run(BLOCKING.replace("thread.start()", "None if thread.ident else thread.start()"), status=7)


# The child finds itself in the midst of a run, on the loop that start() runs or in a worker thread.
BLOCKING_JOB = """
children = []

async def job():
    await asyncio.sleep(0)
    children.append(os.fork())
    if children[0] == 0 and sys.argv[1] == "exits":
        sys.exit(3)
    threading.Thread(target=end).start()

def end():
    both_came()
    scheduler.shutdown()

scheduler = BlockingScheduler(timezone="UTC")
seen = add_jobs(scheduler)
scheduler.add_job(job, id="forks")
scheduler.start()
if children[0] == 0:
    assert is_stopped_and_says_so(scheduler)
    sys.exit(3)
assert status_of(children[0]) == 3
assert nothing_twice(seen)
assert len([job for job, _ in seen if job == "forks"]) == 1
"""


@pytest.mark.parametrize("child", ["exits", "returns"])
def test_a_coroutine_job_that_forks(child: str) -> None:
    program = BLOCKING_JOB.replace("    threading.Thread", "    if children[0]: threading.Thread")
    if sys.version_info >= (3, 14):
        # A task that forks is none of a running loop's in the child any more, which asyncio says there.
        program = 'logging.getLogger("asyncio").setLevel(logging.CRITICAL)\n' + program
    run(program, child)


MULTIPROCESSING = """
def in_child(connection):
    assert is_stopped_and_says_so(scheduler)
    assert runs_when_started(scheduler)
    connection.send(os.getpid())
    sys.exit(3)

def work(number):
    assert not scheduler.running
    return number * number

context = multiprocessing.get_context("fork")
scheduler = BackgroundScheduler(timezone="UTC")
seen = add_jobs(scheduler)
scheduler.start()
assert both_came()

ours, theirs = context.Pipe()
process = context.Process(target=in_child, args=(theirs,))
process.start()
assert ours.poll(WAIT) and ours.recv() == process.pid
process.join()
assert process.exitcode == 3

with context.Pool(3) as pool:
    assert pool.map(work, range(50)) == [number * number for number in range(50)]
    assert both_came()
    pool.close()
    pool.join()

# A job that uses them itself.
def forking_job():
    with context.Pool(2) as pool:
        result.append(pool.map(work, range(10)))
        pool.close()
        pool.join()
    done.set()

result, done = [], threading.Event()
scheduler.add_job(forking_job, id="forks")
assert done.wait(WAIT)
assert result == [[number * number for number in range(10)]]
assert both_came()
scheduler.shutdown()
assert nothing_twice(seen) and not records
"""


def test_multiprocessing() -> None:
    run(MULTIPROCESSING)


PROCESS_POOL = """
from mainspring.executors.pool import ProcessPoolExecutor
scheduler = BackgroundScheduler(
    timezone="UTC",
    executors={
        "default": {"type": "threadpool"},
        "processes": ProcessPoolExecutor(2, {"mp_context": multiprocessing.get_context("fork")}),
    },
)
ended = threading.Event()
scheduler.add_listener(
    lambda event: ended.set() if event.job_id == "process" and event.retval == 5 else None,
    events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR,
)

def process_came():
    ended.clear()
    return ended.wait(WAIT)

from tests.support import return_five
scheduler.add_job(
    return_five, "interval", seconds=0.01, id="process", executor="processes", **TIMES
)
scheduler.start()
assert process_came()

def in_child():
    scheduler.remove_executor("default")
    scheduler.start()
    assert process_came()
    scheduler.shutdown()
    sys.exit(3)

# A plain os.fork() would leave multiprocessing in the child with the parent's children to wait for.
child = multiprocessing.get_context("fork").Process(target=in_child)
child.start()
assert process_came()
child.join()
assert child.exitcode == 3
assert process_came()
scheduler.shutdown()
"""


def test_process_pool() -> None:
    run(PROCESS_POOL)


MANY = """
import random
random.seed(int(sys.argv[1]))
scheduler = BackgroundScheduler(timezone="UTC", jobstores={"python": ListJobStore()})
add_jobs(scheduler)
for _ in range(5):
    scheduler.add_job(plain.plain, "interval", seconds=0.01, **TIMES)
    scheduler.add_job(coroutine.coroutine, "interval", seconds=0.01, **TIMES)
scheduler.add_job(plain.plain, "interval", seconds=0.01, jobstore="python", **TIMES)
scheduler.start()

# Other threads that are busy with the scheduler's locks.
end = threading.Event()
def busy():
    while not end.wait(0.005):
        scheduler.get_jobs()
        scheduler.add_job(plain.plain)
        scheduler.wakeup()
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
assert both_came()
for number in range(100):
    threading.Event().wait(random.random() * 0.005)
    child = os.fork()
    if child == 0:
        assert not scheduler.running
        scheduler.add_job(plain.plain, id="new")
        assert scheduler.get_job("new")
        if number % 10 == 0:
            assert runs_when_started(scheduler)
        sys.exit(number)
    assert status_of(child) == number
assert both_came()
end.set()
for thread in threads:
    thread.join()
scheduler.shutdown()
"""


@pytest.mark.parametrize("seed", range(1))
def test_a_hundred_forks_of_a_busy_scheduler(seed: int) -> None:
    run(MANY, str(seed))


NOT_RUNNING = """
stopped = BackgroundScheduler(timezone="UTC")
stopped.start()
stopped.shutdown()
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
scheduler = AsyncIOScheduler(timezone="UTC", event_loop=loop)
seen = add_jobs(scheduler)

async def main():
    scheduler.start()
    assert await asyncio.to_thread(both_came)
    await scheduler.aclose()

child = os.fork()
if child == 0:
    assert not records  # nothing was running
    try:
        scheduler.shutdown()
    except Exception as exc:
        assert "NotRunning" in type(exc).__name__
    stopped.start()
    stopped.shutdown()
    scheduler.configure()  # the loop is the parent's
    asyncio.run(main())
    # As its parent has it: to close the copy of a loop is the program's own affair.
    os._exit(3)
assert status_of(child) == 3
loop.run_until_complete(main())
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
"""


def test_schedulers_that_do_not_run() -> None:
    run(NOT_RUNNING)


GRANDCHILD = """
scheduler = BackgroundScheduler(timezone="UTC")
add_jobs(scheduler)
scheduler.start()
assert both_came()
first = os.getpid()
child = os.fork()
if child == 0:
    grandchild = os.fork()
    if grandchild == 0:
        # Told in the first process that uses it, of the one in which it runs.
        assert is_stopped_and_says_so(scheduler)
        assert str(first) in records[0].getMessage()
        assert runs_when_started(scheduler)
        sys.exit(4)
    assert status_of(grandchild) == 4
    scheduler.start()
    assert not records  # who starts it knows
    grandchild = os.fork()
    if grandchild == 0:
        assert is_stopped_and_says_so(scheduler)
        assert runs_when_started(scheduler)
        sys.exit(5)
    assert status_of(grandchild) == 5
    assert both_came()
    sys.exit(3)
assert status_of(child) == 3
assert both_came()
"""


def test_a_child_of_a_child() -> None:
    run(GRANDCHILD)


SUBPROCESS = """
if sys.argv[1] == "uvloop":
    from uvloop import new_event_loop
else:
    from asyncio import new_event_loop

async def main():
    async with AsyncIOScheduler(timezone="UTC"):
        program = await asyncio.create_subprocess_exec("true")
        assert await program.wait() == 0
        import subprocess
        subprocess.run(["true"], check=True, preexec_fn=os.setsid)

logging.lastResort.setLevel(logging.WARNING)
logging.getLogger("mainspring.scheduler").handlers.clear()  # so that a record is seen on stderr
loop = new_event_loop()
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_child_that_becomes_another_program_says_nothing(loop: str) -> None:
    run(SUBPROCESS, loop)
