"""A program that is frozen: it names all it can in strings, as one that reads its configuration does."""

import asyncio
import multiprocessing
import os
import sys
import threading
from datetime import datetime, timezone

import mainspring
from mainspring import events

ended = threading.Event()
told = {}


def square(number):
    return number * number


async def square_async(number):
    await asyncio.sleep(0)
    return number * number


def through_the_loop(number):
    return asyncio.get_event_loop().run_until_complete(square_async(number))


def note(event):
    told[event.job_id] = event.exception or event.retval
    if len(told) == 8:
        ended.set()


def main(directory):
    scheduler = mainspring.BackgroundScheduler(
        {
            "apscheduler.jobstores.sql": {
                "type": "sqlalchemy",
                "url": "sqlite:///" + os.path.join(directory, "jobs.sqlite"),
            },
            "apscheduler.executors.processes": {"type": "processpool", "max_workers": "1"},
            "apscheduler.executors.here": {"type": "debug"},
            "apscheduler.timezone": "Europe/Berlin",
        }
    )
    scheduler.add_listener(note, events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
    scheduler.start()
    late = {"misfire_grace_time": None}
    now = {**late, "next_run_time": datetime.now(timezone.utc)}
    scheduler.add_job(square, "interval", hours=1, args=[2], id="thread", **now)
    scheduler.add_job(square_async, "cron", hour=1, args=[3], id="loop", **now)
    scheduler.add_job(through_the_loop, "date", run_date="2020-01-01", args=[4], id="proxy", **late)
    scheduler.add_job(square, "calendarinterval", days=1, args=[5], id="sql", jobstore="sql", **now)
    scheduler.add_job(square, args=[6], id="process", executor="processes", **late)
    scheduler.add_job(square_async, args=[7], id="process-loop", executor="processes", **late)
    scheduler.add_job(square, args=[8], id="here", executor="here", **late)
    both = mainspring.OrTrigger(
        [mainspring.CronTrigger(hour=3), mainspring.IntervalTrigger(days=1)]
    )
    scheduler.add_job(square, both, args=[9], id="sql-or", jobstore="sql", **now)
    assert ended.wait(60), told
    scheduler.shutdown()
    for job_id in sorted(told):
        print(job_id, told[job_id])


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main(sys.argv[1])
