"""The schedulers that the fixtures and the test case give a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler

if TYPE_CHECKING:
    from mainspring.job import Job
    from mainspring.schedulers.base import BaseScheduler
    from mainspring.testing._clock import ManualClock
    from mainspring.testing._runs import Advance, Run


def clock_of(scheduler: BaseScheduler) -> ManualClock:
    """Return the clock that a scheduler was given.

    :raises RuntimeError: if it goes by the system's
    """
    if scheduler._clock._is_the_systems:
        raise RuntimeError(
            f"{scheduler!r} goes by the system's clock; give it a ManualClock as clock="
        )
    return cast("ManualClock", scheduler._clock)


class BackgroundTestScheduler(BackgroundScheduler):
    """A :class:`~mainspring.schedulers.background.BackgroundScheduler` on a manual clock."""

    def runs(self, job: Job | str | None = None) -> list[Run]:
        """Return the runs so far, see :meth:`~mainspring.testing.ManualClock.runs`."""
        return clock_of(self).runs(job, self)

    def drain(self) -> Advance:
        """Run what is due and wait for the runs, see :meth:`~mainspring.testing.ManualClock.drain`."""
        return clock_of(self).drain()


class AsyncIOTestScheduler(AsyncIOScheduler):
    """An :class:`~mainspring.schedulers.asyncio.AsyncIOScheduler` on a manual clock."""

    def runs(self, job: Job | str | None = None) -> list[Run]:
        """Return the runs so far, see :meth:`~mainspring.testing.ManualClock.runs`."""
        return clock_of(self).runs(job, self)

    async def drain(self) -> Advance:
        """Run what is due and await the runs, see :meth:`~mainspring.testing.ManualClock.adrain`."""
        return await clock_of(self).adrain()


def make_scheduler(
    clock: ManualClock, in_coroutine: bool
) -> AsyncIOTestScheduler | BackgroundTestScheduler:
    """Return a scheduler for a test, not started yet."""
    cls = AsyncIOTestScheduler if in_coroutine else BackgroundTestScheduler
    return cls(clock=clock, timezone=clock.timezone)
