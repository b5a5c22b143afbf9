"""Writes rows of the real APScheduler, and reads them; run in an environment that has it.

    python tests/stores/rows/reference.py make STORE ARGUMENTS     add jobs to a new store
    python tests/stores/rows/reference.py read STORE ARGUMENTS     print what is in one

STORE is the alias of a job store, ARGUMENTS are what it is called with, as JSON. Either prints one JSON
object: a job's id to what APScheduler says of the job. It is plain Python 3.8, and mainspring cannot be
imported in it. The files in this folder were made by it:

- apscheduler-3.6.3: CPython 3.8.18, apscheduler 3.6.3, tzlocal 2.1, pytz 2026.6, SQLAlchemy 1.4.54
- apscheduler-3.11.3: CPython 3.12.1, apscheduler 3.11.3, pytz 2026.6, SQLAlchemy 2.1.9
"""

import json
import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

sys.modules["mainspring"] = None
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import pytz  # noqa: E402
from apscheduler import version as VERSION  # noqa: E402, N812
from apscheduler.schedulers.background import BackgroundScheduler  # noqa: E402
from apscheduler.triggers.combining import AndTrigger, OrTrigger  # noqa: E402
from apscheduler.triggers.cron import CronTrigger  # noqa: E402
from apscheduler.triggers.date import DateTrigger  # noqa: E402
from apscheduler.triggers.interval import IntervalTrigger  # noqa: E402

from tests.stores import jobs  # noqa: E402

BERLIN = pytz.timezone("Europe/Berlin")
START = pytz.utc.localize(datetime(2030, 10, 26, 1, 2, 3, 456789))
#: 02:30 in Berlin, for the second time in that night.
FOLD = BERLIN.localize(datetime(2030, 10, 27, 2, 30, 0, 654321), is_dst=False)


def add_jobs(scheduler):
    add = scheduler.add_job
    add(jobs.record, "cron", id="cron default", args=[1])
    add(jobs.record, CronTrigger.from_crontab("*/15 0 1,15 * 1-5", BERLIN), id="crontab")
    add(
        jobs.record,
        "cron",
        id="cron expressions",
        year="2020-2040",
        month="jan-mar,5,10-12",
        week="1-52/2",
        day="last,2nd fri,last sun,*/4",
        day_of_week="mon-wed,sun",
        hour="*/2",
        minute="5-55/10",
        second="7",
        start_date="2030-01-01 00:00:00",
        end_date=BERLIN.localize(datetime(2035, 1, 1)),
        timezone=BERLIN,
    )
    add(jobs.record, "cron", id="cron jitter", hour=3, jitter=30, timezone=BERLIN)
    add(
        jobs.record,
        "interval",
        id="interval",
        hours=1,
        seconds=0.5,
        start_date="2030-10-27 00:00:00.25",
        end_date="2031-01-01 00:00:00",
        timezone=BERLIN,
        misfire_grace_time=None,
        coalesce=False,
        max_instances=7,
    )
    add(jobs.record, "interval", id="interval jitter", days=1, jitter=5)
    add(jobs.record, "date", run_date=FOLD, id="date in a fold")
    add(jobs.record, "date", run_date="2040-02-29 12:00:00", id="date", timezone=BERLIN)
    add(
        jobs.record,
        OrTrigger(
            [
                CronTrigger(hour=3, timezone=BERLIN),
                AndTrigger(
                    [
                        CronTrigger(day_of_week="sat,sun", timezone=BERLIN),
                        CronTrigger(hour=0, minute="*/30", timezone=BERLIN),
                    ]
                ),
                DateTrigger(FOLD),
                IntervalTrigger(hours=5, start_date=START),
            ]
        ),
        id="combined",
    )
    add(
        jobs.Counter(40).add, "interval", hours=1, id="bound method", args=[2], kwargs={"factor": 3}
    )
    add(jobs.Counter.of_class, "interval", hours=1, id="class method", args=[1])
    add(jobs.Counter.static, "interval", hours=1, id="static method", args=[1])
    add("tests.stores.jobs:prefilled", "interval", hours=1, id="partial by reference", args=[1])
    add(jobs.record, "interval", hours=1, id="partial as an argument", args=[partial(int, base=2)])
    add(jobs.record_later, "interval", hours=1, id="coroutine", args=[{"a": (1, 2.5)}, {3}])
    add(jobs.record, "cron", hour=1, id="paused", next_run_time=None)
    add(jobs.record, "cron", hour=1, id="a naïve id \N{SNOWMAN}", name="Schneemann \N{SNOWMAN}")
    if int(VERSION.split(".")[1]) >= 11:
        add_jobs_of_311(scheduler)


def add_jobs_of_311(scheduler):
    from zoneinfo import ZoneInfo

    from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger

    add = scheduler.add_job
    tokyo = ZoneInfo("Asia/Tokyo")
    add(jobs.record, "cron", hour="3-5", timezone=tokyo, id="cron in a zoneinfo zone")
    add(jobs.record, "interval", hours=3, timezone=tokyo, id="interval in a zoneinfo zone")
    add(
        jobs.record,
        CalendarIntervalTrigger(
            months=1, days=3, hour=4, minute=5, start_date="2030-01-31", timezone=tokyo
        ),
        id="calendar interval",
    )
    add(
        jobs.record,
        AndTrigger(
            [CalendarIntervalTrigger(days=2, hour=4, start_date="2030-01-31", timezone=tokyo)]
        ),
        id="calendar interval combined",
    )


def main(command, alias, arguments):
    store = {"type": alias, **json.loads(arguments)}
    scheduler = BackgroundScheduler(timezone=pytz.utc, jobstores={"default": store})
    scheduler.start(paused=True)
    if command == "make":
        add_jobs(scheduler)
        for job in scheduler.get_jobs():
            # Rows as they will be: at a time that does not depend on when this is run.
            next_run_time = job.trigger.get_next_fire_time(None, jobs.NOW)
            if job.next_run_time and "jitter" not in job.id:
                job.modify(next_run_time=next_run_time)
            elif job.next_run_time:
                job.modify(next_run_time=jobs.NOW + timedelta(days=1))
    facts = {job.id: jobs.facts_of(job) for job in scheduler.get_jobs()}
    scheduler.shutdown()
    print(json.dumps(facts, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
