"""A program for test_gevent.py: runs one case on gevent, with the standard library patched or not.

python gevent_program.py patched|unpatched CASE
"""

from __future__ import annotations

import sys

import gevent
from gevent import monkey

if sys.argv[1] == "patched":
    monkey.patch_all()

import asyncio
from traceback import format_stack
from typing import Any

from gevent.event import Event
from gevent.lock import RLock
from outcome import check

import mainspring.schedulers.gevent as schedulers_gevent
from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_SUBMITTED,
    EVENT_SCHEDULER_SHUTDOWN,
)
from mainspring.executors.gevent import GeventExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.schedulers.gevent import GeventScheduler
from mainspring.testing import ManualClock

HUB = gevent.get_hub()


def in_greenlet() -> Any:
    gevent.sleep(0)
    return gevent.get_hub() is HUB, isinstance(gevent.getcurrent(), gevent.Greenlet)


async def on_loop() -> Any:
    await asyncio.sleep(0)
    return gevent.get_hub() is HUB, asyncio.get_running_loop().is_running()


async def talk() -> Any:
    """Use the loop's sockets and its default executor."""

    answered = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()
        answered.set()

    server = await asyncio.start_server(answer, "localhost", 0)
    host, port, *_ = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"hello\n")
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    await answered.wait()
    server.close()
    await server.wait_closed()
    return line


def fail() -> None:
    gevent.sleep(0)
    raise ValueError("no good")


def in_thread() -> Any:
    return gevent.get_hub() is HUB


CASES: dict[str, Any] = {
    "greenlet": (in_greenlet, (True, True)),
    "coroutine": (on_loop, (False, True)),
    "lambda": (lambda: on_loop(), (False, True)),
    "sockets": (talk, b"hello\n"),
    "fail": (fail, ValueError),
    "own_threads": (in_thread, False),
    "own_threads_coroutine": (on_loop, (False, True)),
}


def run_job() -> None:
    func, expected = CASES[sys.argv[2]]
    scheduler = GeventScheduler(timezone="UTC")
    if sys.argv[2].startswith("own_threads"):
        scheduler.add_executor(ThreadPoolExecutor(2))
    told = Event()
    events: list[Any] = []

    def take(event: Any) -> None:
        gevent.sleep(0)  # a listener may be a greenlet's
        assert gevent.get_hub() is HUB
        events.append(event)
        told.set()

    scheduler.add_listener(take, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(func)
    greenlet = scheduler.start()
    assert told.wait(30)
    (event,) = events
    check(event, expected)
    scheduler.shutdown()
    assert greenlet.dead
    assert not scheduler.running


def shut_down_with_wait() -> None:
    """A shutdown waits for greenlets and lets others run; nothing is due after it."""
    scheduler = GeventScheduler(timezone="UTC")
    assert isinstance(scheduler.start(), gevent.Greenlet)
    assert isinstance(scheduler._lookup_executor("default"), GeventExecutor)
    begun, go_on, ended = Event(), Event(), Event()

    def job() -> None:
        begun.set()
        go_on.wait()
        ended.set()

    async def coroutine_job() -> None:
        await asyncio.sleep(0.05)

    submitted: list[str] = []
    scheduler.add_listener(lambda event: submitted.append(event.job_id), EVENT_JOB_SUBMITTED)
    scheduler.add_job(job, id="greenlet")
    scheduler.add_job(coroutine_job, id="coroutine")
    assert begun.wait(30)
    gevent.spawn(go_on.set)
    scheduler.shutdown()
    assert ended.is_set()
    assert set(submitted) == {"greenlet", "coroutine"}


def manual_clock() -> None:
    """Time is moved in greenlets, while those of the jobs run."""
    clock = ManualClock("2026-01-01T00:00")
    scheduler = GeventScheduler(clock=clock, timezone="UTC")
    scheduler.start()
    scheduler.add_job(in_greenlet, "interval", hours=1)
    scheduler.add_job(on_loop, "interval", hours=1)
    assert clock.advance("3h").parked == ()
    assert gevent.spawn(clock.advance, "3h").get().parked == ()
    assert [run.outcome for run in scheduler.runs()] == ["executed"] * 12  # type: ignore[attr-defined]
    scheduler.shutdown()


def killed() -> None:
    """A greenlet that is killed, before it has begun or after that, is the end of its run."""
    scheduler = GeventScheduler(timezone="UTC")
    scheduler.start()
    executor: Any = scheduler._lookup_executor("default")
    begun, told = Event(), Event()
    spawn = executor._spawn

    def kill_at_once(*args: Any) -> None:
        spawn(*args)
        gevent.killall(list(executor._greenlets), block=False)

    def job() -> None:
        begun.set()
        gevent.sleep(3600)

    def take(event: Any) -> None:
        assert gevent.get_hub() is HUB
        assert isinstance(gevent.getcurrent(), gevent.Greenlet)
        check(event, gevent.GreenletExit)
        assert not executor._instances
        told.set()

    scheduler.add_listener(take, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(job)
    assert begun.wait(30)
    gevent.killall(list(executor._greenlets), block=False)
    assert told.wait(30)
    told.clear()
    executor._spawn = kill_at_once
    scheduler.add_job(job)
    assert told.wait(30)
    scheduler.shutdown()


def shut_down_in_a_job() -> None:
    scheduler = GeventScheduler(timezone="UTC")
    greenlet = scheduler.start()
    told = Event()
    scheduler.add_listener(lambda event: told.set(), EVENT_SCHEDULER_SHUTDOWN)
    scheduler.add_job(scheduler.shutdown)
    greenlet.join()
    assert told.wait(30)
    # And again.
    scheduler.add_job(told.set)
    told.clear()
    scheduler.start()
    assert told.wait(30)
    scheduler.shutdown(wait=False)


def takes_no_greenlets_lock() -> None:
    """A run takes no lock of greenlets, which a signal at the wrong moment leaves locked for ever."""
    taken: list[str] = []
    watches = False

    class Watched(RLock):
        def acquire(self, *args: Any, **kwargs: Any) -> Any:
            if watches:
                taken.append("".join(format_stack()))
            return super().acquire(*args, **kwargs)

    vars(schedulers_gevent)["RLock"] = Watched
    scheduler = GeventScheduler(timezone="UTC")
    told = Event()

    def job() -> None:
        nonlocal watches
        watches = True

    def take(event: Any) -> None:
        nonlocal watches
        watches = False
        told.set()

    scheduler.add_listener(take, EVENT_JOB_EXECUTED)
    scheduler.add_job(job)
    scheduler.start()
    assert told.wait(30)
    assert taken == []
    scheduler.shutdown()


def end_without_shutdown() -> None:
    scheduler = GeventScheduler(timezone="UTC")
    begun = Event()

    def job() -> None:
        begun.set()
        gevent.sleep(3600)

    scheduler.add_job(job)
    scheduler.add_listener(lambda event: gevent.sleep(3600), EVENT_JOB_SUBMITTED)
    scheduler.start()
    assert begun.wait(30)


if __name__ == "__main__":
    if sys.argv[2] in CASES:
        run_job()
    else:
        globals()[sys.argv[2]]()
    print("done")
