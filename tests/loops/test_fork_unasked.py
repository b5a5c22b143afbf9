"""What a fork must not do by itself: log, wait for others' locks, or go unnoticed where C code has forked."""

from __future__ import annotations

import os
import sys

import pytest

from tests.loops.forks import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")

# In the way of loguru's documentation, "Entirely compatible with standard logging".
LOGURU = """
from loguru import logger

class InterceptHandler(logging.Handler):
    def emit(self, record):
        logger.opt(depth=6, exception=record.exc_info).log(record.levelname, record.getMessage())

logger.remove()
logger.add(lambda message: told.append(message.record["message"]), level="WARNING")
told = []
logging.basicConfig(handlers=[InterceptHandler()], level=0, force=True)
scheduler = BackgroundScheduler(timezone="UTC")
add_jobs(scheduler)
scheduler.start()
assert both_came()
child = os.fork()
if child == 0:
    assert not told
    assert not scheduler.running
    (message,) = told
    assert "does not run in this forked process" in message
    sys.exit(3)
assert status_of(child) == 3
scheduler.shutdown()
"""


def test_a_log_handler_that_holds_its_lock_while_the_process_forks() -> None:
    pytest.importorskip("loguru")
    run(LOGURU)


HOOKED = """
class Watched(logging.Handler):
    '''Says so if it is called while the process forks.'''
    def emit(self, record):
        assert not forking, record.getMessage()

forking = []
os.register_at_fork(
    before=lambda: forking.append(1), after_in_parent=forking.clear, after_in_child=forking.clear
)
logging.getLogger().addHandler(Watched())
logging.getLogger().setLevel(0)

class Listening(BackgroundScheduler):
    def _dispatch_event(self, event):
        assert not forking
        super()._dispatch_event(event)

scheduler = Listening(timezone="UTC", jobstores={"default": ListJobStore()})
add_jobs(scheduler)
scheduler.start()
assert both_came()
for _ in range(5):
    child = os.fork()
    if child == 0:
        assert is_stopped_and_says_so(scheduler)
        sys.exit(3)
    assert status_of(child) == 3
scheduler.shutdown()
"""


def test_nobody_is_called_while_the_process_forks() -> None:
    run(HOOKED)


POOLS = """
logging.lastResort.setLevel(logging.WARNING)
logging.getLogger("mainspring.scheduler").handlers.clear()  # so that a record is seen on stderr

def forking_job():
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(abs, range(-9, 0)) == list(range(9, 0, -1))
        pool.close()
        pool.join()
    done.release()

done = threading.Semaphore(0)
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_job(forking_job, "interval", seconds=0.01, misfire_grace_time=None, max_instances=2)
logging.getLogger("mainspring.scheduler").setLevel(logging.ERROR)  # of skipped runs
scheduler.start()
logging.getLogger("mainspring.scheduler").setLevel(logging.NOTSET)
logging.getLogger("mainspring.scheduler").addFilter(lambda record: "skipped" not in record.msg)
for _ in range(3):
    assert done.acquire(timeout=WAIT)
scheduler.shutdown()
"""


def test_children_that_never_touch_the_scheduler_say_nothing() -> None:
    run(POOLS)


# In the way of servers that embed Python and fork in C. With PyDLL the GIL is held meanwhile.
IN_C = """
import ctypes, select, signal

def fork():
    # A child whose CPython knows nothing of the fork cannot pass the GIL around where a thread of the parent
    # was waiting for it. That is between the program and CPython, so such a child does not count.
    while True:
        ours, theirs = os.pipe()
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            for _ in range(8):
                threads = [threading.Thread(target=sum, args=(range(9999),)) for _ in range(3)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            os.write(theirs, b"passes the GIL around")
            return child
        if select.select([ours], [], [], 5)[0]:
            return child
        os.kill(child, signal.SIGKILL)
        status_of(child)

scheduler = globals()[sys.argv[1]](timezone="UTC")
scheduler.add_job(plain.plain, "interval", hours=1, id="kept")

def run_once():
    scheduler.add_job(plain.plain)
    scheduler.add_job(coroutine.coroutine)
    assert plain.event.wait(WAIT) and coroutine.event.wait(WAIT)
    assert scheduler._engine.wait_idle(WAIT)

def first_use():
    use = sys.argv[2]
    if use == "running":
        assert not scheduler.running
    elif use == "state":
        assert scheduler.state == 0
    elif use == "jobs":
        scheduler.add_job(plain.plain, "interval", hours=1, id="added")
        assert {"kept", "added"} == {job.id for job in scheduler.get_jobs()}
    if use in ("start", "exit"):
        assert not records
    else:
        assert "does not run in this forked process" in records.pop().getMessage()

async def main():
    async with scheduler:
        await asyncio.to_thread(run_once)

async def fork_in_coroutine():
    async with scheduler:
        await asyncio.to_thread(run_once)
        child = fork()
        if child == 0:
            renew_signals()
            first_use()
            # Which CPython does after a fork that it knows of; since 3.14 a thread has one current task.
            if sys.version_info >= (3, 14):
                loop = asyncio.get_running_loop()
                asyncio.tasks._leave_task(loop, asyncio.current_task(loop))
            asyncio._set_running_loop(None)
            asyncio.run(main())
            os._exit(3)  # or concurrent.futures waits for threads that only the parent has
        assert status_of(child) == 3
        assert scheduler.running
        renew_signals()
        await asyncio.to_thread(run_once)

if sys.argv[1] == "AsyncIOScheduler":
    asyncio.run(fork_in_coroutine())
else:
    scheduler.start()
    run_once()
    child = fork()
    if child == 0:
        renew_signals()
        first_use()
        if sys.argv[2] != "exit":
            scheduler.start()
            run_once()
        sys.exit(3)
    assert status_of(child) == 3
    assert scheduler.running
    renew_signals()
    run_once()
    scheduler.shutdown()
assert not records
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork in C")
@pytest.mark.parametrize(
    ("scheduler", "use"),
    [
        *(("BackgroundScheduler", use) for use in ("running", "state", "jobs", "start", "exit")),
        *(("AsyncIOScheduler", use) for use in ("running", "jobs", "start")),
    ],
)
def test_a_fork_that_python_is_not_told_of(scheduler: str, use: str) -> None:
    run(IN_C, scheduler, use)
