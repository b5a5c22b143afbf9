"""A fork under a live scheduler: stopped in the child and to be started there, the parent untouched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")

#: Seconds; a hundred forks take a while where the machine is busy.
WAIT = 180
ROOT = Path(__file__).parents[2]

# CPython 3.12 warns of every fork with other threads; that is between the program and CPython.
PRELUDE = """
import asyncio, logging, multiprocessing, os, sys, threading, warnings
warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler, events
from tests.support import ListJobStore

WAIT = 30
TIMES = dict(misfire_grace_time=None, max_instances=100)
records = []

class Keep(logging.Handler):
    def emit(self, record):
        records.append(record)

logging.getLogger("asyncio").setLevel(logging.ERROR)  # of slow callbacks, where the machine is busy
logging.getLogger("mainspring.scheduler").addHandler(Keep(logging.WARNING))

class Signal:
    '''Set by a run; says that one has begun after it was cleared.'''
    def __init__(self):
        self.event = threading.Event()
    def plain(self):
        self.event.set()
    async def coroutine(self):
        await asyncio.sleep(0)
        self.event.set()
    def came(self):
        self.event.clear()
        return self.event.wait(WAIT)

plain, coroutine = Signal(), Signal()

def renew_signals():
    # A worker of the parent may have held the lock of one when the process forked.
    plain.event, coroutine.event = threading.Event(), threading.Event()

os.register_at_fork(after_in_child=renew_signals)

def add_jobs(scheduler, jobstore="default"):
    scheduler.add_job(plain.plain, "interval", seconds=0.005, id="plain", jobstore=jobstore, **TIMES)
    scheduler.add_job(
        coroutine.coroutine, "interval", seconds=0.005, id="coroutine", jobstore=jobstore, **TIMES
    )
    seen = []
    def note(event):
        seen.append((event.job_id, event.scheduled_run_time))
    scheduler.add_listener(note, events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
    return seen

def both_came():
    return plain.came() and coroutine.came()

def is_stopped_and_says_so(scheduler):
    assert not scheduler.running
    (record,) = records
    assert record.levelno == logging.WARNING
    assert str(os.getpid()) in record.getMessage(), record.getMessage()
    scheduler.shutdown()  # registered with atexit, say
    return True

def runs_when_started(scheduler):
    scheduler.start()
    assert scheduler.running
    assert {"plain", "coroutine"} <= {job.id for job in scheduler.get_jobs()}
    assert both_came()
    scheduler.shutdown()
    return True

def status_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def nothing_twice(seen):
    return len(seen) == len(set(seen))
"""


def run(program: str, *arguments: str, status: int = 0, stderr: str = "") -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + program, *arguments]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", stderr)


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
    assert len(records) == 1 and not scheduler.running
    sys.exit(3)
assert status_of(children[0]) == 3
assert nothing_twice(seen)
assert len([job for job, _ in seen if job == "forks"]) == 1
"""


@pytest.mark.parametrize("child", ["exits", "returns"])
def test_a_coroutine_job_that_forks(child: str) -> None:
    run(BLOCKING_JOB.replace("    threading.Thread", "    if children[0]: threading.Thread"), child)


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
child = os.fork()
if child == 0:
    grandchild = os.fork()
    if grandchild == 0:
        # Told once, in the process whose parent ran it.
        assert len(records) == 1 and str(os.getppid()) in records[0].getMessage()
        assert runs_when_started(scheduler)
        sys.exit(4)
    assert status_of(grandchild) == 4
    scheduler.start()
    records.clear()
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


APP = """
import os, sys
from mainspring import BackgroundScheduler

out = os.environ["OUT"]

def tick():
    with open(out, "a") as file:
        file.write(f"{os.getpid()}\\n")

scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_job(tick, "interval", seconds=0.02)
scheduler.start()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/start":
        scheduler.start()
    return [f"{os.getpid()} {scheduler.running}".encode()]
"""


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def wait_for(pid: str, out: Path) -> None:
    """Wait until a process has written another two lines."""
    before = lines(out).count(pid)
    with subprocess.Popen(
        [sys.executable, "-c", TAIL, str(out), pid, str(before + 2)], stdout=subprocess.DEVNULL
    ) as tail:
        assert tail.wait(WAIT) == 0


TAIL = """
import sys, time
path, pid, count = sys.argv[1:]
while True:
    try:
        with open(path) as file:
            if file.read().split().count(pid) >= int(count):
                break
    except FileNotFoundError:
        pass
    time.sleep(0.01)
"""


def test_gunicorn_preload(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn has no release for this platform")
    (tmp_path / "application.py").write_text(APP)
    out = tmp_path / "out"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers=2", "--no-control-socket"]
    command = [*command[:5], f"--bind=127.0.0.1:{port}", "application:app"]
    log = tmp_path / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "OUT": str(out)},
            stderr=stderr,
        ) as master,
    ):
        try:
            pid, running = ask(port, "/")
            assert (pid != str(master.pid), running) == (True, "False")
            wait_for(str(master.pid), out)
            assert set(lines(out)) == {str(master.pid)}
            pid, running = ask(port, "/start")
            assert running == "True"
            wait_for(pid, out)
            wait_for(str(master.pid), out)
        finally:
            master.send_signal(signal.SIGTERM)
            assert master.wait(WAIT) == 0
    assert set(lines(out)) == {str(master.pid), pid}
    assert log.read_text().count("does not run in this forked process") == 2
    assert "Traceback" not in log.read_text()


def ask(port: int, path: str) -> tuple[str, str]:
    """Ask one of the workers, once they listen, who it is and whether its scheduler runs."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=WAIT) as answer:
                pid, running = answer.read().decode().split()
                return pid, running
        except ConnectionError:
            continue
        except urllib.error.URLError as exc:
            if not isinstance(exc.reason, ConnectionError):
                raise


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
