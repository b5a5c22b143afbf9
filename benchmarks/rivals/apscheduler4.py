"""APScheduler 4.0.0a6: schedules in the memory data store make jobs, which a worker takes up.

As it comes, a task has one running instance and a scheduler a hundred jobs; tuned, neither is limited
and the clean-up is off.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from apscheduler import AsyncScheduler
from apscheduler.executors.async_ import AsyncJobExecutor
from apscheduler.executors.thread import ThreadPoolJobExecutor
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from benchmarks.rivals import Rival

TASK = "work"
ALL_AT_ONCE = 1_000_000


class APScheduler4(Rival):
    """One AsyncScheduler."""

    def __init__(self, *, tuned: bool) -> None:
        self.tuned = tuned

    async def open(self, work: Callable[..., Any], threads: int = 0) -> None:
        executor = ThreadPoolJobExecutor(max_workers=threads) if threads else AsyncJobExecutor()
        tuning: dict[str, Any] = {}
        if self.tuned:
            tuning = {"max_concurrent_jobs": ALL_AT_ONCE, "cleanup_interval": None}
        self.scheduler = AsyncScheduler(job_executors={"only": executor}, **tuning)
        await self.scheduler.__aenter__()
        limit = {"max_running_jobs": None} if self.tuned else {}
        await self.scheduler.configure_task(TASK, func=work, job_executor="only", **limit)

    async def add_at(self, due: datetime, index: int) -> None:
        await self.scheduler.add_schedule(TASK, DateTrigger(due), args=[index])

    async def add_every(self, seconds: float, first: datetime, last: datetime, index: int) -> None:
        period = round(seconds * 1e6)
        trigger = IntervalTrigger(microseconds=period, start_time=first, end_time=last)
        await self.scheduler.add_schedule(TASK, trigger, args=[index])

    async def add_hourly(self) -> str:
        start = datetime.now().astimezone() + timedelta(hours=1)
        trigger = IntervalTrigger(hours=1, start_time=start)
        job_id: str = await self.scheduler.add_schedule(TASK, trigger)
        return job_id

    async def add_cron(self, hour: int, minute: str) -> str:
        trigger = CronTrigger(hour=hour, minute=minute, timezone="UTC")
        job_id: str = await self.scheduler.add_schedule(TASK, trigger)
        return job_id

    async def pause(self, job_id: str) -> None:
        await self.scheduler.pause_schedule(job_id)

    async def resume(self, job_id: str) -> None:
        await self.scheduler.unpause_schedule(job_id)

    async def remove(self, job_id: str) -> None:
        await self.scheduler.remove_schedule(job_id)

    async def start(self) -> None:
        await self.scheduler.start_in_background()

    async def close(self) -> None:
        await self.scheduler.__aexit__(None, None, None)
