"""Jobs in memory, in two stores: written to a file by one scheduler, read from it by another.

python examples/store_memory.py
"""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers.background import BackgroundScheduler


def greet(name: str) -> None:
    print(f"Hello, {name}!")


def start_scheduler() -> BackgroundScheduler:
    stores = {"default": MemoryJobStore(), "guests": MemoryJobStore()}
    scheduler = BackgroundScheduler(jobstores=stores)
    scheduler.start()
    return scheduler


if __name__ == "__main__":
    tomorrow = datetime.now() + timedelta(days=1)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "jobs.json"

        first = start_scheduler()
        first.add_job(greet, "cron", hour=7, args=["world"], id="daily")
        first.add_job(greet, "date", run_date=tomorrow, args=["Ada"], id="once", jobstore="guests")
        first.export_jobs(str(file), "guests")
        first.shutdown()

        second = start_scheduler()
        second.import_jobs(str(file), "guests")
        second.print_jobs()
        second.shutdown()
