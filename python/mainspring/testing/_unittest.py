"""A test case for unittest, with schedulers whose clock the test moves."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import wraps
from typing import Any, ClassVar

from mainspring.testing._clock import ManualClock
from mainspring.testing._guard import Guard, is_coroutine_test
from mainspring.testing._schedulers import (
    AsyncIOTestScheduler,
    BackgroundTestScheduler,
    make_scheduler,
)


class SchedulerTestCase(unittest.IsolatedAsyncioTestCase):
    """A test case with a clock that the test moves, and a started scheduler.

    ``self.clock`` is a :class:`ManualClock`. ``self.scheduler`` goes by it: in a test that is a coroutine
    an ``AsyncIOScheduler`` on the test's event loop, in any other a ``BackgroundScheduler``. A test fails
    if a job has raised an exception that was not expected, a run has not ended, or a coroutine was never
    awaited. Attributes of the class say what the clock shows first.

    >>> class ReportsTest(SchedulerTestCase):
    ...     clock_start = "2026-01-31T12:00"
    ...     def test_on_the_last_of_each_month(self):
    ...         job = self.scheduler.add_job(lambda: "sent", "cron", day="last", hour=18)
    ...         self.clock.advance("60 days")
    ...         self.assertEqual([run.value for run in self.scheduler.runs(job)], ["sent"] * 3)
    >>> result = unittest.TestResult()
    >>> ReportsTest("test_on_the_last_of_each_month").run(result)
    <unittest.result.TestResult run=1 errors=0 failures=0>
    """

    clock_start: ClassVar[datetime | str] = "2026-01-01T00:00"
    clock_timezone: ClassVar[tzinfo | str | None] = None
    clock_seed: ClassVar[int] = 0

    clock: ManualClock
    scheduler: AsyncIOTestScheduler | BackgroundTestScheduler

    def setUp(self) -> None:
        super().setUp()
        self.clock = ManualClock(self.clock_start, self.clock_seed, timezone=self.clock_timezone)
        self._guard = Guard(self.clock)
        self._guard.__enter__()
        self.addCleanup(self._clean_up)
        self._is_coroutine = is_coroutine_test(getattr(self, self._testMethodName))
        self.scheduler = make_scheduler(self.clock, self._is_coroutine)
        self._guard.owns(self.scheduler)
        if not self._is_coroutine:
            self.scheduler.start()

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        if self._is_coroutine:
            self.scheduler.start()

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        # In the test itself, since only there an event loop runs, and a failure counts as the test's.
        name = self._testMethodName
        own = dict(vars(self))  # pytest puts the method there, and takes it away again
        setattr(self, name, self._looked_after(getattr(self, name)))
        try:
            return super().run(result)
        finally:
            delattr(self, name)
            if name in own:
                setattr(self, name, own[name])

    def _looked_after(self, test: Callable[[], Any]) -> Callable[[], Any]:
        if is_coroutine_test(test):

            @wraps(test)
            async def run_coroutine() -> None:
                await self._guard.run(test())
                self._complain(self._guard.complaint())

            return run_coroutine

        @wraps(test)
        def run() -> None:
            test()
            self._complain(self._guard.complaint())

        return run

    def _clean_up(self) -> None:
        try:
            self._complain(self._guard.late_complaint())
        finally:
            self._guard.__exit__()

    def _complain(self, complaint: str | None) -> None:
        if complaint:
            self.fail(complaint)
