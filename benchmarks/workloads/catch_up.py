"""A job that was due every second during a long downtime, and coalesces: how long until it runs?

The time counts from `resume`, as after a restart, to the one run in the place of all the missed ones.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from benchmarks.subjects import APSCHEDULER, LIBRARIES, Cannot, background_scheduler, sizes

CASES: dict[str, dict[str, Any]] = {
    "7 days, every second": {"days": 7, "trigger": {"trigger": "interval", "seconds": 1}},
    "10 years, every second": {"days": 3_652, "trigger": {"trigger": "interval", "seconds": 1}},
    "10 years, cron, every second": {
        "days": 3_652,
        "trigger": {"trigger": "cron", "second": "*"},
    },
}
LOOPS = ("",)
#: Times that it is measured in one process.
SIZES = sizes(libraries=5, rivals=5)
METRICS = {"catch_up_ms": "lower"}
QUICK = {("7 days, every second", ""): 1, ("10 years, every second", ""): 1}


def measure(subject: str, size: int, days: int, trigger: dict[str, Any]) -> dict[str, float]:
    """The shortest of `size` catch-ups."""
    if subject not in LIBRARIES:
        raise Cannot("keeps no next fire time over a restart that one could give a job")
    if subject == APSCHEDULER and days > 7:
        raise Cannot("lists every missed fire time in memory first: 316 million of them")
    shortest = float("inf")
    for _ in range(size):
        ran = threading.Event()
        runs: list[float] = []

        def work(runs: list[float] = runs, ran: threading.Event = ran) -> None:
            runs.append(time.perf_counter())
            ran.set()

        scheduler = background_scheduler(subject)
        scheduler.start(paused=True)
        since = datetime.now(timezone.utc) - timedelta(days=days)
        scheduler.add_job(
            work,
            **trigger,
            start_date=since,
            next_run_time=since,
            coalesce=True,
            misfire_grace_time=None,
        )
        begin = time.perf_counter()
        scheduler.resume()
        ran.wait()
        scheduler.pause()
        if len(runs) > 2 + runs[-1] - begin:  # those of the seconds since
            raise RuntimeError("missed fires were not coalesced into one run")
        shortest = min(shortest, runs[0] - begin)
        scheduler.shutdown()
    return {"catch_up_ms": shortest * 1e3}
