"""A job that outlives the program: it is in a database, and goes on there each time this is started.

pip install mainspring[sqlalchemy] && python examples/store_sqlalchemy.py [URL]

URL is the database, as SQLAlchemy writes it; by default a file in the current directory.
"""

import sys
import threading
from datetime import datetime

from mainspring.schedulers.background import BackgroundScheduler


def tick(since: str) -> None:
    print(f"Tick! The time is: {datetime.now():%H:%M:%S}, scheduled at {since}", flush=True)


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "sqlite:///example-jobs.sqlite"
    scheduler = BackgroundScheduler(jobstores={"default": {"type": "sqlalchemy", "url": url}})
    scheduler.start(paused=True)
    if scheduler.get_job("tick") is None:
        now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        scheduler.add_job(tick, "interval", seconds=1, args=[now], id="tick")
        print(f"A new job in {url}", flush=True)
    else:
        print(f"The job of {url} goes on", flush=True)
    print("Press Ctrl-C to exit, and start this again", flush=True)
    scheduler.resume()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        scheduler.shutdown()
