"""Which loop a scheduler uses that was started before any loop runs, or away from it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
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
# Another thread cannot tell whether a function has asked for the current loop of this one.
assert asyncio.get_event_loop() is guess and not guess.is_closed()
print("ended")
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_of_another_thread_that_calls_the_scheduler_is_taken(
    tmp_path: Path, loop: str
) -> None:
    ended = run_program(tmp_path, CALLED_FROM_ANOTHER_THREAD, loop)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "ended\n", "")


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
