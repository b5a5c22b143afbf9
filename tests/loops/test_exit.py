"""The end of a program that never shut its scheduler down: its own exit status, no output, no hang."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import without_slow

WAIT = 300

#: How many programs of each kind end, each at its own moment; the kinds make it 200 and a few more.
MOMENTS = 23
SIDE_BY_SIDE = 3

BUSY = """
import asyncio, logging, random, signal, sys, threading, _thread
logging.getLogger("asyncio").setLevel(logging.ERROR)  # of slow callbacks, where the machine is busy
random.seed(int(sys.argv[1]))
from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler

delay = random.random() * 0.1
OFTEN = dict(max_instances=10_000, misfire_grace_time=None)

def plain():
    sum(range(200))

async def coroutine():
    await asyncio.sleep(random.random() * 0.01)

async def waits_for_ever():
    try:
        await asyncio.Event().wait()
    finally:
        plain()

def busy(scheduler):
    for _ in range(10):
        for func in (plain, coroutine, lambda: coroutine(), lambda: waits_for_ever()):
            scheduler.add_job(func, "interval", seconds=0.003, **OFTEN)
    scheduler.add_job(waits_for_ever, "interval", seconds=0.003, **OFTEN)
    return scheduler

# Most of the work is in worker threads: where an exception strikes asyncio's own Python code in the
# midst of making or dropping a task, CPython loses it.
def busy_elsewhere(scheduler):
    for _ in range(30):
        scheduler.add_job(plain, "interval", seconds=0.003, **OFTEN)
    for func in (coroutine, lambda: coroutine(), lambda: waits_for_ever()):
        scheduler.add_job(func, "interval", seconds=0.02, **OFTEN)
    scheduler.add_job(interrupt)
    return scheduler

def interrupt():
    threading.Event().wait(delay)
    _thread.interrupt_main()

"""

ENDS = {
    "background": """
scheduler = busy(BackgroundScheduler(timezone="UTC"))
scheduler.start()
threading.Event().wait(delay)
sys.exit(7)
""",
    "background on a loop in another thread": """
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
scheduler = busy(BackgroundScheduler(timezone="UTC", event_loop=loop))
scheduler.start()
threading.Event().wait(delay)
sys.exit(7)
""",
    "asyncio.run": """
async def main():
    busy(AsyncIOScheduler(timezone="UTC")).start()
    await asyncio.sleep(delay)

asyncio.run(main())
sys.exit(7)
""",
    "sys.exit in asyncio.run": """
async def main():
    busy(AsyncIOScheduler(timezone="UTC")).start()
    await asyncio.sleep(delay)
    sys.exit(7)

asyncio.run(main())
""",
    "uvloop.run": """
import uvloop

async def main():
    busy(AsyncIOScheduler(timezone="UTC")).start()
    await asyncio.sleep(delay)

uvloop.run(main())
sys.exit(7)
""",
    "a loop that is left open": """
scheduler = busy(AsyncIOScheduler(timezone="UTC"))
scheduler.start()
loop = scheduler._eventloop
loop.call_later(delay, sys.exit, 7)
loop.run_forever()
""",
    "a loop that is closed before the exit": """
loop = asyncio.new_event_loop()
scheduler = busy(AsyncIOScheduler(timezone="UTC", event_loop=loop))
scheduler.start()
loop.call_later(delay, loop.stop)
loop.run_forever()
scheduler.shutdown(wait=False)
loop.run_until_complete(asyncio.sleep(0.01))
loop.close()
sys.exit(7)
""",
    "blocking, a signal": """
def handler(number, frame):
    sys.exit(7)

signal.signal(signal.SIGINT, handler)
busy_elsewhere(BlockingScheduler(timezone="UTC")).start()
""",
    "blocking, an interrupt": """
try:
    busy_elsewhere(BlockingScheduler(timezone="UTC")).start()
except KeyboardInterrupt:
    sys.exit(7)
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_an_exit_in_the_midst_of_work(end: str) -> None:
    if "uvloop" in end:
        pytest.importorskip("uvloop", reason="uvloop has no wheel for this platform")
    program = BUSY + ENDS[end]
    # Debug mode reads source files for every task, which an interrupt would leave open.
    debug = [] if "blocking" in end else ["-X", "dev"]

    def run(seed: int) -> tuple[int, int, str, str]:
        command = [sys.executable, *debug, "-W", "error", "-c", program, str(seed)]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
            env={**os.environ, "PYTHONASYNCIODEBUG": ""},  # -X dev says so where it is wanted
        )
        return seed, ended.returncode, ended.stdout, without_slow(ended.stderr)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ended = list(pool.map(run, range(MOMENTS)))
    assert ended == [(seed, 7, "", "") for seed in range(MOMENTS)]


FAILING_STEP = """
import asyncio, threading
from mainspring import BackgroundScheduler
from mainspring._process.exit import do_last

class Failing(BackgroundScheduler):
    def _stop_at_exit(self):
        super()._stop_at_exit()
        raise RuntimeError("no good")

def job():
    begun.set()
    stopping.wait()
    print("the job has ended", flush=True)

begun, stopping = threading.Event(), threading.Event()
schedulers = [Failing(timezone="UTC"), BackgroundScheduler(timezone="UTC"), Failing(timezone="UTC")]
for scheduler in schedulers:
    scheduler.start()
schedulers[1].add_job(job)
begun.wait()
do_last(lambda: print("and the last step was taken", flush=True))
threading.Thread(target=lambda: (threading.main_thread().join(), stopping.set())).start()
"""


def test_a_step_that_fails_leaves_none_undone() -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", FAILING_STEP]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert (done.returncode, done.stdout) == (
        0,
        "the job has ended\nand the last step was taken\n",
    ), done
    assert done.stderr.count("RuntimeError: no good") == 2, done
    assert "ResourceWarning" not in done.stderr


INTERRUPTED_STEP = """
import atexit, sys
atexit.register(lambda: print(sys.modules["__main__"].scheduler._engine.running))  # after mainspring's
from mainspring import BackgroundScheduler
from mainspring._process import exit as _exit

class Interrupted(BackgroundScheduler):
    def _stop_at_exit(self):
        raise {interrupt}  # as a signal's handler that is called in the midst of that

def wait_for_loops(wait, close=_exit.wait_for_loops):
    print("nobody comes inside;", "waits" if wait else "does not wait", flush=True)
    close(wait)

_exit.wait_for_loops = wait_for_loops
scheduler = Interrupted(timezone="UTC")
scheduler.start()
"""


@pytest.mark.parametrize("interrupt", ["KeyboardInterrupt", "SystemExit"])
def test_an_interrupted_exit_leaves_no_thread_that_comes_to_python(interrupt: str) -> None:
    program = INTERRUPTED_STEP.format(interrupt=interrupt)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=WAIT
    )
    said = "nobody comes inside; does not wait\nFalse\n"
    assert (done.returncode, done.stdout, without_slow(done.stderr)) == (0, said, "")


ORDER = """
import asyncio, atexit, concurrent.futures.thread, os, signal, sys, threading
from {library}.schedulers.asyncio import AsyncIOScheduler
from {library}.schedulers.background import BackgroundScheduler
from {library}.schedulers.blocking import BlockingScheduler

exiting, closed, begun = threading.Event(), threading.Event(), threading.Event()
threading._register_atexit(exiting.set)

def close():
    closed.set()
    print("closed")

def ends(name):
    # If what a run uses is to be closed under it, this gives it the time.
    print(name, "after it was closed" if closed.wait(0.2) else "in time", flush=True)

def child():
    exiting.wait()
    ends("thread")

def job():
    thread = threading.Thread(target=child)
    print("daemon" if thread.daemon else "no daemon", flush=True)
    if not thread.daemon:
        thread.start()
    begun.set()
    exiting.wait()
    if not thread.daemon:
        thread.join()
    ends("run")

def interrupt():
    begun.wait()
    os.kill(os.getpid(), signal.SIGINT)

scheduler = {kind}Scheduler(timezone="UTC")
atexit.register(close)
scheduler.add_job(job)
"""

STARTS = {
    "Background": """
scheduler.start()
begun.wait()
""",
    "Blocking": """
threading.Thread(target=interrupt).start()
try:
    scheduler.start()
except KeyboardInterrupt:
    pass
""",
    "AsyncIO": """
async def main():
    scheduler.start()
    await asyncio.to_thread(begun.wait)

asyncio.new_event_loop().run_until_complete(main())  # asyncio.run would wait for the run itself
""",
}


def run_to_its_end(program: str, *options: str) -> tuple[int, list[str], str]:
    command = [sys.executable, *options, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stdout.splitlines(), without_slow(ended.stderr)


# APScheduler's blocking scheduler may lose the interrupt, and asyncio.run waits for what it runs on the loop.
@pytest.mark.parametrize(
    ("library", "kind"),
    [*(("mainspring", kind) for kind in STARTS), ("apscheduler", "Background")],
)
def test_runs_and_their_threads_end_before_the_programs_atexit_functions(
    library: str, kind: str
) -> None:
    program = ORDER.replace("{library}", library).replace("{kind}", kind) + STARTS[kind]
    status, lines, stderr = run_to_its_end(program)
    daemon = ["daemon"] if kind == "Background" else ["no daemon", "thread in time"]
    assert (status, lines) == (0, [*daemon, "run in time", "closed"]), stderr
    if library == "mainspring":
        assert stderr == ""


SHUT_DOWN = """
from {library}.events import EVENT_SCHEDULER_SHUTDOWN

def shut_down():
    print(scheduler.running, [job.id for job in scheduler.get_jobs()])
    scheduler.shutdown()
    print(scheduler.running)

scheduler.add_job(print, "date", run_date="2999-01-01", id="later")
scheduler.add_listener(lambda event: print("shut down"), EVENT_SCHEDULER_SHUTDOWN)
atexit.register(shut_down)
"""


@pytest.mark.parametrize("library", ["apscheduler", "mainspring"])
def test_an_atexit_function_may_shut_the_scheduler_down(library: str) -> None:
    program = ORDER + SHUT_DOWN + STARTS["Background"]
    program = program.replace("{library}", library).replace("{kind}", "Background")
    status, lines, stderr = run_to_its_end(program)
    assert (status, stderr) == (0, "")
    left = ["True ['later']", "shut down", "False", "closed"]
    assert lines == ["daemon", "run in time", *left]


GOES_ON = """
import threading
from mainspring import BackgroundScheduler

scheduler = BackgroundScheduler(timezone="UTC")
runs = threading.Semaphore(0)

def go_on():
    threading.main_thread().join()
    for _ in range(3):
        runs.acquire()  # those of before the end of the main thread
    while runs.acquire(blocking=False):
        pass
    for _ in range(3):
        runs.acquire()
    print("still runs")

often = dict(seconds=0.01, max_instances=1_000_000, misfire_grace_time=None)
scheduler.add_job(runs.release, "interval", **often)
scheduler.start()
threading.Thread(target=go_on).start()
"""


def test_a_program_whose_main_thread_has_ended_goes_on() -> None:
    assert run_to_its_end(GOES_ON, "-W", "error") == (0, ["still runs"], "")


CHILD = """
import multiprocessing, threading
from mainspring import BackgroundScheduler

def main():
    exiting, begun = threading.Event(), threading.Event()
    threading._register_atexit(exiting.set)

    def job():
        begun.set()
        exiting.wait()
        print("run ended", flush=True)

    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(job)
    scheduler.start()
    begun.wait()

if __name__ == "__main__":
    child = multiprocessing.get_context("{method}").Process(target=main)
    child.start()
    child.join()
    print(child.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_the_end_of_a_child_process_waits_for_runs() -> None:
    program = CHILD.replace("{method}", "fork")
    assert run_to_its_end(program) == (0, ["run ended", "0"], "")


IMPATIENT = """
import atexit, os, signal, sys, threading
from mainspring import BackgroundScheduler

begun = threading.Event()
main = threading.get_ident()

def job():
    begun.set()
    while sys._current_frames()[main].f_code.co_name != "_take":
        pass
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()

scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_job(job)
scheduler.start()
begun.wait()
atexit.register(print, "atexit")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
def test_an_interrupt_ends_the_waiting_for_a_run_that_does_not_end() -> None:
    assert run_to_its_end(IMPATIENT) == (0, ["atexit"], "")
