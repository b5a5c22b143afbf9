"""aiocron: an object for each job, which arms a timer of the loop for its next whole second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import aiocron

from benchmarks.rivals import Rival
from benchmarks.subjects import Cannot


class Aiocron(Rival):
    """Its jobs, which are started together."""

    no_jobs = "has no scheduler and no intervals, only single cron jobs"

    async def open(self, work: Callable[..., Any], threads: int = 0) -> None:
        if threads:
            raise Cannot("runs plain functions on the loop")
        self.work = work
        self.crons: list[Any] = []

    async def add_at(self, due: datetime, index: int) -> None:
        day = f"{due.minute} {due.hour} {due.day} {due.month} *"
        self._add(f"{due.second} {day}", index)

    async def add_cron(self, hour: int, minute: str) -> str:
        self._add(f"{minute} {hour} * * *")
        return ""

    def _add(self, expression: str, *args: int) -> None:
        # Else each job makes a wrapper for its function's arguments that shows them to nobody.
        cron = aiocron.crontab(expression, self.work, args=args, start=False, tz=timezone.utc)
        self.crons.append(cron)

    async def start(self) -> None:
        for number, cron in enumerate(self.crons):
            cron.start()
            if number % 1_000 == 0:
                await asyncio.sleep(0)

    async def close(self) -> None:
        for cron in self.crons:
            cron.stop()
