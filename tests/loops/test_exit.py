"""The end of a program that never shut its scheduler down: its own exit status, no output, no hang."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

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
        return seed, ended.returncode, ended.stdout, ended.stderr

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ended = list(pool.map(run, range(MOMENTS)))
    assert ended == [(seed, 7, "", "") for seed in range(MOMENTS)]


FAILING_STEP = """
import asyncio, threading
from mainspring import BackgroundScheduler
from mainspring._exit import do_last

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
