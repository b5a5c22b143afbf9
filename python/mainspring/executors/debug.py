"""The executor that runs a job at once, in the thread that submits it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mainspring._loops.find import running_loop
from mainspring.executors.base import BaseExecutor

if TYPE_CHECKING:
    from mainspring.job import Job

__all__ = ("DebugExecutor",)


class DebugExecutor(BaseExecutor, runs_natively=True):
    """Runs each job in the scheduler's own thread, before anything else. Plugin alias: ``debug``.

    Coroutine functions run on the scheduler's loop where it has one. What else can be awaited is
    awaited on the loop that runs in that thread, where one does.
    """

    _calls_here = True

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        if loop := self._loop_for(job):
            self._submit_coroutine_job(job, run_times, loop)
        elif loop := running_loop():
            self._run_on_loop_thread(job, run_times, loop)
        else:
            self._context_for(job).run(self._run_here, job, run_times)
