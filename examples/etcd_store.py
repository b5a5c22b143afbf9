"""Alarms that are kept in etcd: those of earlier runs of the program, which it missed or not, ring too.

pip install mainspring[etcd] && python examples/etcd_store.py 127.0.0.1:2379
"""

import sys
from datetime import datetime, timedelta

from mainspring.schedulers.blocking import BlockingScheduler


def alarm(since: datetime) -> None:
    print(f"Alarm! It was set at {since:%H:%M:%S}", flush=True)


if __name__ == "__main__":
    host, _, port = sys.argv[1].partition(":")
    scheduler = BlockingScheduler(job_defaults={"misfire_grace_time": None})
    scheduler.add_jobstore("etcd", path="/examples/alarms", host=host, port=int(port))
    now = datetime.now()
    scheduler.add_job(alarm, "date", run_date=now + timedelta(seconds=2), args=[now])
    print("Press Ctrl-C to exit", flush=True)

    try:
        scheduler.start()
    except KeyboardInterrupt:
        pass
