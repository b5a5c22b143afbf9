"""A program whose daemon threads are inside mainspring when it ends: ``daemon_threads.py LIFE...``.

Each life has a thread of its own and goes on for ever. The program ends when every one of them is in
the midst of it.
"""

from __future__ import annotations

import asyncio
import io
import logging
import pickle
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import cycle
from threading import Event, Thread

from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler, from_thread
from mainspring.testing import ManualClock
from mainspring.triggers.combining import AndTrigger, OrTrigger
from mainspring.triggers.cron import CronTrigger
from mainspring.triggers.interval import IntervalTrigger

Told = Callable[[], None]
Life = Callable[[Told], object]

exiting = Event()
threading._register_atexit(exiting.set)  # type: ignore[attr-defined]

HOURLY = {"trigger": "interval", "hours": 1}


def plain() -> None:
    sum(range(50))


def listener(event: object) -> None:
    plain()


async def coroutine() -> None:
    await asyncio.sleep(0)


async def until_stopped(told: Told) -> None:
    scheduler = AsyncIOScheduler()
    for func in (plain, coroutine):
        scheduler.add_job(func, "interval", seconds=0.001)
    scheduler.add_job(told)
    await scheduler.run_until_stopped()


async def short() -> None:
    done = asyncio.Event()

    async def job() -> None:
        done.set()

    async with AsyncIOScheduler() as scheduler:
        scheduler.add_job(job)
        await done.wait()


def blocking(told: Told) -> None:
    scheduler = BlockingScheduler()
    scheduler.add_listener(listener)
    for func in (plain, coroutine):
        scheduler.add_job(func, "interval", seconds=0.001)
    scheduler.add_job(told)
    scheduler.start()


async def background_on_this_loop(told: Told) -> None:
    scheduler = BackgroundScheduler(event_loop=asyncio.get_running_loop())
    scheduler.start()
    scheduler.add_job(coroutine, "interval", seconds=0.001)
    scheduler.add_job(told)
    await asyncio.Event().wait()


def start_and_shut_down() -> None:
    scheduler = BackgroundScheduler()
    scheduler.start()
    scheduler.add_job(plain)
    scheduler.shutdown()


def use_the_loop_and_shut_down() -> None:
    scheduler = BackgroundScheduler()
    scheduler.start()
    for job in (plain, coroutine, lambda: from_thread.run(coroutine)):
        scheduler.add_job(job)
    scheduler.shutdown(wait=next(_choices))


def block_and_shut_down() -> None:
    scheduler = BlockingScheduler()
    scheduler.add_job(plain)
    scheduler.add_job(lambda: scheduler.shutdown(wait=False))
    scheduler.start()


def restart(told: Told) -> None:
    scheduler = BackgroundScheduler()
    while True:
        scheduler.start()
        told()
        scheduler.shutdown(wait=next(_choices))


_choices = cycle((True, False))


def clock(told: Told) -> None:
    clock = ManualClock()
    scheduler = BackgroundScheduler(clock=clock)
    scheduler.add_job(plain, "interval", seconds=5)
    scheduler.start()
    while True:
        clock.advance(100)
        told()


def again(call: Callable[[], object]) -> Life:
    def life(told: Told) -> None:
        while True:
            call()
            told()

    return life


def lives(scheduler: BackgroundScheduler, emptied: BackgroundScheduler) -> dict[str, Life]:
    """Return what a daemon thread may do for ever; it calls its argument in the midst of it."""
    kept = scheduler.add_job(plain, **HOURLY)
    spare = scheduler.add_job(plain, **HOURLY)
    for _ in range(20):
        scheduler.add_job(plain, **HOURLY)

    def remove_all() -> None:
        emptied.add_job(plain, **HOURLY)
        emptied.remove_all_jobs()

    def replace() -> None:
        scheduler.add_job(plain, **HOURLY, id="replaced", replace_existing=True)

    def parts() -> None:
        scheduler.add_jobstore("memory", "another")
        scheduler.remove_jobstore("another")
        scheduler.add_executor("debug", "another")
        scheduler.remove_executor("another")

    def listeners() -> None:
        scheduler.add_listener(listener)
        scheduler.remove_listener(listener)

    def wait_in_thread(told: Told) -> None:
        def job() -> None:
            while not exiting.is_set():  # which waits for the run
                from_thread.run(coroutine)
                told()

        scheduler.add_job(job)

    now = datetime.now(timezone.utc)
    either = OrTrigger(
        [CronTrigger.from_crontab("*/5 * * * *", "Europe/Berlin"), IntervalTrigger(seconds=5)]
    )
    calls: dict[str, Callable[[], object]] = {
        "add_job": lambda: scheduler.add_job(plain, **HOURLY),
        "add_job cron": lambda: scheduler.add_job(plain, "cron", minute="*/5"),
        "add_job now": lambda: scheduler.add_job(plain),
        "add_job coroutine": lambda: scheduler.add_job(coroutine),
        "add_job replace": replace,
        "add_jobs": lambda: scheduler.add_jobs([{"func": plain, **HOURLY}] * 600),
        "scheduled_job": lambda: scheduler.scheduled_job(**HOURLY)(plain),
        "modify_job": lambda: scheduler.modify_job(kept.id, name="another"),
        "Job.modify": lambda: kept.modify(args=()),
        "reschedule_job": lambda: scheduler.reschedule_job(kept.id, **HOURLY),
        "pause_job": lambda: (spare.pause(), spare.resume()),
        "get_jobs": lambda: scheduler.get_jobs(),
        "get_job": lambda: scheduler.get_job(kept.id),
        "print_jobs": lambda: scheduler.print_jobs(out=io.StringIO()),
        "export_jobs": lambda: scheduler.export_jobs(io.StringIO()),
        "remove": lambda: scheduler.add_job(plain, **HOURLY, id="removed").remove(),
        "remove_all_jobs": remove_all,
        "listeners": listeners,
        "pause": lambda: (emptied.pause(), emptied.resume()),
        "wakeup": lambda: scheduler.wakeup(),
        "running": lambda: (scheduler.running, scheduler.state),
        "executors and stores": parts,
        "the attributes of a job": lambda: (repr(kept), kept.next_run_time, kept.trigger),
        "get_next_fire_time": lambda: (either.get_next_fire_time(None, now), repr(either)),
        "triggers": lambda: AndTrigger([CronTrigger(minute=5), IntervalTrigger(minutes=5)]),
        "pickles": lambda: pickle.loads(pickle.dumps(either)),
        "schedulers": lambda: BackgroundScheduler(),
        "start and shutdown": start_and_shut_down,
        "use of the loop and shutdown": use_the_loop_and_shut_down,
        "BlockingScheduler again and again": block_and_shut_down,
        "asyncio.run again and again": lambda: asyncio.run(short()),
    }
    return {
        **{name: again(call) for name, call in calls.items()},
        "from_thread.run": wait_in_thread,
        "run_until_stopped": lambda told: asyncio.run(until_stopped(told)),
        "a scheduler on this thread's loop": lambda told: asyncio.run(
            background_on_this_loop(told)
        ),
        "BlockingScheduler": blocking,
        "shutdown and start": restart,
        "a manual clock": clock,
    }


NAMES = tuple(lives(BackgroundScheduler(), BackgroundScheduler()))


def main(names: list[str]) -> None:
    logging.getLogger("mainspring").setLevel(logging.ERROR)  # of runs that are skipped
    schedulers = (BackgroundScheduler(), BackgroundScheduler())
    known = lives(*schedulers)
    for scheduler in schedulers:
        scheduler.start()
    told = []
    for name in names:
        told.append(Event())
        Thread(target=known[name], args=(told[-1].set,), daemon=True).start()
    for event in told:
        event.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
