"""A program for test_twisted.py: runs one case on one reactor, which a process can have only one of.

python reactor_program.py REACTOR CASE
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

if sys.argv[1] == "asyncio":
    from twisted.internet import asyncioreactor

    asyncioreactor.install()
elif sys.argv[1] == "select":
    from twisted.internet import selectreactor

    selectreactor.install()

from outcome import check

from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_SCHEDULER_SHUTDOWN
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.executors.twisted import TwistedExecutor
from mainspring.schedulers.twisted import TwistedScheduler
from mainspring.testing import ManualClock

assert "twisted.internet.reactor" not in sys.modules or sys.argv[1] in ("asyncio", "select")
from twisted.internet import defer, reactor, task, threads  # noqa: E402

reactor_: Any = reactor


def on_reactor() -> bool:
    from twisted.python.threadable import isInIOThread

    return bool(isInIOThread())


async def await_deferred() -> Any:
    before = on_reactor()
    value = await task.deferLater(reactor_, 0, lambda: 5)
    return before, value, on_reactor()


async def await_both() -> Any:
    await asyncio.sleep(0)
    first = await await_deferred()
    assert asyncio.current_task() is not None
    return first


async def await_failure() -> Any:
    try:
        await task.deferLater(reactor_, 0, lambda: 1 / 0)
    except ZeroDivisionError as exc:
        return str(exc)


@defer.inlineCallbacks
def inline() -> Any:
    value = yield threads.deferToThread(lambda: 6)
    return value


def in_pool() -> Any:
    return on_reactor(), threading.current_thread().name.startswith("PoolThread")


async def fail() -> None:
    await task.deferLater(reactor_, 0, lambda: None)
    raise ValueError("no good")


def from_thread_pool() -> Any:
    return threading.current_thread().name.startswith("own")


async def on_a_loop() -> Any:
    await asyncio.sleep(0)
    return "slept"


CASES: dict[str, Any] = {
    "await_deferred": (await_deferred, (True, 5, True)),
    "await_failure": (await_failure, "division by zero"),
    "await_both": (await_both, (True, 5, True)),
    "lambda": (lambda: await_deferred(), (True, 5, True)),
    "deferred": (lambda: inline(), 6),
    "in_pool": (in_pool, (False, True)),
    "fail": (fail, ValueError),
    "own_threads": (from_thread_pool, True),
    "own_threads_coroutine": (on_a_loop, "slept"),
}


def main() -> None:
    func, expected = CASES[sys.argv[2]]
    scheduler = TwistedScheduler(timezone="UTC")
    if sys.argv[2].startswith("own_threads"):
        scheduler.add_executor(ThreadPoolExecutor(2, {"thread_name_prefix": "own"}))
    events: list[Any] = []

    def take(event: Any) -> None:
        events.append((event, on_reactor()))
        scheduler.shutdown()

    def end(event: Any) -> None:
        reactor_.callLater(0, reactor_.stop)

    scheduler.add_listener(take, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_listener(end, EVENT_SCHEDULER_SHUTDOWN)
    scheduler.add_job(func)
    scheduler.start()
    assert scheduler._reactor is reactor
    if len(scheduler._executors) == 1 and not sys.argv[2].startswith("own_threads"):
        assert isinstance(scheduler._lookup_executor("default"), TwistedExecutor)
    reactor_.run()
    ((event, here),) = events
    assert here, "the listener was called elsewhere"
    check(event, expected)
    assert not scheduler.running


def shut_down(wait: bool) -> None:
    """Shut down from a thread of the reactor's pool while a coroutine is going on."""
    scheduler = TwistedScheduler(timezone="UTC")
    go_on: Any = defer.Deferred()
    ended: list[str] = []

    async def job() -> None:
        reactor_.callInThread(shut_down_here)
        try:
            await go_on
            await task.deferLater(reactor_, 0, lambda: None)
            ended.append("ended")
        except BaseException as exc:
            ended.append(type(exc).__name__)
            raise

    def shut_down_here() -> None:
        if wait:
            reactor_.callFromThread(go_on.callback, None)
        scheduler.shutdown(wait)
        assert not scheduler.running
        reactor_.callFromThread(reactor_.callLater, 0.05, reactor_.stop)

    scheduler.add_job(job)
    scheduler.start()
    reactor_.run()
    assert ended == (["ended"] if wait else ["CancelledError"]), ended


def start_again() -> None:
    """Start and shut down on the reactor three times; the last time runs a job."""
    scheduler = TwistedScheduler(timezone="UTC")

    def again(left: int) -> None:
        scheduler.start()
        if left:
            scheduler.shutdown()
            reactor_.callLater(0, again, left - 1)
        else:
            scheduler.add_listener(lambda event: reactor_.stop(), EVENT_JOB_EXECUTED)
            scheduler.add_job(in_pool)

    reactor_.callWhenRunning(again, 2)
    reactor_.run()
    # The reactor has stopped under a scheduler that goes on: the exit takes care of it.
    assert scheduler.running


def manual_clock() -> None:
    """Time is moved in a thread while the reactor runs, and not on the reactor, which it would block."""
    clock = ManualClock("2026-01-01T00:00", patience=30)
    scheduler = TwistedScheduler(clock=clock, timezone="UTC")
    scheduler.add_job(in_pool, "interval", hours=1)
    scheduler.add_job(await_deferred, "interval", hours=1)
    moved: list[Any] = []

    def move() -> None:
        moved.append(clock.advance("3h"))
        scheduler.shutdown()
        reactor_.callFromThread(reactor_.stop)

    def begin() -> None:
        scheduler.start()
        try:
            clock.advance("1h")
        except RuntimeError as exc:
            moved.append(str(exc))
        reactor_.callInThread(move)

    reactor_.callLater(0, begin)
    reactor_.run()
    assert "block" in moved[0], moved
    assert [run.outcome for run in moved[1].runs] == ["executed"] * 6, moved


if __name__ == "__main__":
    match sys.argv[2]:
        case "shut_down_and_wait":
            shut_down(wait=True)
        case "shut_down_and_cancel":
            shut_down(wait=False)
        case "start_again":
            start_again()
        case "manual_clock":
            manual_clock()
        case _:
            main()
    print(type(reactor).__name__)
