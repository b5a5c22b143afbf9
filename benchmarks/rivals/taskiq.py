"""taskiq's scheduler loop: looks at every schedule once a second and sends those that are due.

Tasks go to its InMemoryBroker, which runs them in the same process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from taskiq import InMemoryBroker, TaskiqScheduler
from taskiq.cli.scheduler.run import SchedulerLoop
from taskiq.schedule_sources import LabelScheduleSource

from benchmarks.rivals import Rival


class Taskiq(Rival):
    """One task with a schedule for each job."""

    no_jobs = "jobs are labels of a task, read once when the loop starts"

    async def open(self, work: Callable[..., Any], threads: int = 0) -> None:
        logging.getLogger("taskiq").setLevel(logging.WARNING)
        self.broker = InMemoryBroker(sync_tasks_pool_size=threads or 1)
        self.work = work
        self.schedules: list[dict[str, Any]] = []

    async def add_at(self, due: datetime, index: int) -> None:
        self.schedules.append({"time": due, "args": [index]})

    async def add_hourly(self) -> str:
        self.schedules.append({"interval": 3_600})
        return ""

    async def add_cron(self, hour: int, minute: str) -> str:
        self.schedules.append({"cron": f"{minute} {hour} * * *"})
        return ""

    async def start(self) -> None:
        self.broker.register_task(self.work, task_name="work", schedule=self.schedules)
        source = LabelScheduleSource(self.broker)
        scheduler = TaskiqScheduler(self.broker, [source])
        await source.startup()
        await scheduler.startup()
        self.running = asyncio.create_task(SchedulerLoop(scheduler).run())

    async def close(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running
        await self.broker.wait_all()
        await self.broker.shutdown()
