"""The submissions of an executor: the jobs it has been given to run and has not told the end of.

3.x's executors count the runs of a job; what is told of a run that fails as a whole, its store and run times,
has to be known besides.

Ground rules: an executor's :class:`Submissions` are touched under its lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from mainspring._lazy import asyncio
from mainspring._mainspring import error_event

if TYPE_CHECKING:
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job

#: The first run time of the submission whose failure is being told, where it is known which that is.
_failing: ContextVar[datetime | None] = ContextVar("mainspring failing submission", default=None)


class Submission(NamedTuple):
    """One submission of a job."""

    job_id: str
    jobstore_alias: str | None
    run_times: Sequence[datetime]

    def errors(
        self, exc: BaseException, traceback: TracebackType | None
    ) -> list[JobExecutionEvent]:
        """Return the events of its run times, all of which have ended with an exception."""
        return [
            error_event(self.job_id, self.jobstore_alias, run_time, exc, traceback)
            for run_time in self.run_times
        ]


class Submissions:
    """The submissions of one executor, those of each job in their order."""

    def __init__(self) -> None:
        self._of_jobs: dict[str, list[Submission]] = {}

    def add(self, job: Job, run_times: Sequence[datetime]) -> Submission:
        """Take note of a submission."""
        submission = Submission(job.id, getattr(job, "_jobstore_alias", None), run_times)
        self._of_jobs.setdefault(job.id, []).append(submission)
        return submission

    def take(self, job_id: str, events: Sequence[JobExecutionEvent] = ()) -> Submission | None:
        """Forget a submission that has come to its end.

        :param job_id: the job's id
        :param events: what is told of its end
        :return: the job's submission with the run time of the events, or whose failure is being told; else
            its oldest, if it has any
        """
        waiting = self._of_jobs.get(job_id)
        if not waiting:
            return None
        first = events[0].scheduled_run_time if events else _failing.get()
        matching = (n for n, one in enumerate(waiting) if first in one.run_times[:1])
        submission = waiting.pop(next(matching, 0))
        if not waiting:
            del self._of_jobs[job_id]
        return submission


@contextmanager
def failing(run_times: Sequence[datetime]) -> Iterator[None]:
    """Say which submission fails, to the executor that is told of a failure by the job's id alone."""
    token = _failing.set(run_times[0] if run_times else None)
    try:
        yield
    finally:
        _failing.reset(token)


def exception_of(ended: Future[Any]) -> BaseException | None:
    """Return how a future has failed, if it has; one that was cancelled has, too."""
    if ended.cancelled():
        return asyncio.CancelledError("The pool was shut down before the job could run")
    return ended.exception()
