"""Rust futures that Python awaits: resolved on the loop, and never in the way of the exit."""

import asyncio
import subprocess
import sys

import pytest

from mainspring import BackgroundScheduler
from tests.support import PATIENCE, without_slow

# Whatever thread has just woken the main thread is not let in again before the interpreter exits.
PROGRAM = """
import sys
from mainspring import BackgroundScheduler
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
for number in range(500):
    scheduler.add_job(int, args=[number])
scheduler.shutdown()
sys.setswitchinterval(10)
"""


@pytest.fixture
def scheduler():
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


async def test_idle_is_an_awaitable_of_the_loop_that_asks(scheduler):
    assert await asyncio.wait_for(scheduler._engine.idle(), PATIENCE) is None


async def test_waiting_for_idleness_can_be_given_up(scheduler):
    asked, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def job():
        loop.call_soon_threadsafe(asked.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENCE)

    scheduler.add_job(job)
    await asyncio.wait_for(asked.wait(), PATIENCE)
    first, second = scheduler._engine.idle(), scheduler._engine.idle()
    first.cancel()
    go_on.set()
    await asyncio.wait_for(second, PATIENCE)
    assert first.cancelled()


@pytest.mark.parametrize("attempt", range(3))
def test_an_exit_right_after_shutdown_is_clean(attempt):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=2 * PATIENCE
    )
    assert (done.returncode, done.stdout, without_slow(done.stderr)) == (0, "", "")
