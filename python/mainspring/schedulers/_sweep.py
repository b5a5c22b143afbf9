"""The sweep of the job stores that are written in Python, and the thread that makes it.

Ground rules:

- One thread sweeps all of a scheduler's Python stores; it is started when there is such a store,
  and neither the timer thread nor an event loop ever waits for it.
- A store's lock is held while that store is swept, and no other lock is waited for meanwhile
  except the executors' own.
- ``_condition`` guards ``_thread`` and ``_woken`` and is never held during a sweep. A thread goes
  on for as long as it is the ``_thread``.
"""

from __future__ import annotations

import threading
from contextvars import Context
from datetime import datetime
from typing import TYPE_CHECKING

from mainspring.events import JobSubmissionEvent
from mainspring.jobstores.base import JobLookupError

if TYPE_CHECKING:
    from mainspring.job import Job
    from mainspring.jobstores.base import BaseJobStore
    from mainspring.schedulers.base import BaseScheduler

#: How soon a step of the wall clock is noticed, in seconds.
CLOCK_CHECK_INTERVAL = 1.0


class StoreSweeper:
    """Sweeps a scheduler's Python stores.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: BaseScheduler) -> None:
        self._scheduler = scheduler
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._woken = False
        self._context: Context | None = None
        # Last run time handed to an executor, for the jobs whose store could not take that in.
        self._unsaved: dict[tuple[str, str], datetime] = {}

    def start(self, context: Context) -> None:
        """Sweep in a thread of our own from now on, in a copy of this context."""
        with self._condition:
            self._context = context.copy()
        self.wake()

    def wake(self) -> None:
        """Have the thread sweep now; without effect on a sweeper that is not started."""
        with self._condition:
            if self._context is None:
                return
            self._woken = True
            self._condition.notify()
            if self._thread is None and self._scheduler._python_stores():
                self._thread = threading.Thread(
                    target=self._context.run,
                    args=(self._run,),
                    name="APScheduler job stores",
                    daemon=True,
                )
                self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for its end, unless this is that thread."""
        with self._condition:
            thread, self._thread, self._context = self._thread, None, None
            self._condition.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def leave_to_parent(self) -> None:
        """In a forked child: touch nothing; if it is this thread that forked, end it."""
        self._thread = None

    def _run(self) -> None:
        me = threading.current_thread()
        while self._thread is me:
            with self._condition:
                self._woken = False
            next_time = self._sweep_safely()
            with self._condition:
                while self._thread is me and not self._woken:
                    wait = self._seconds_until(next_time)
                    if wait == 0:
                        break
                    self._condition.wait(wait)

    def _sweep_safely(self) -> float | None:
        scheduler = self._scheduler
        if scheduler._is_paused():
            return None
        try:
            return self.sweep()
        except Exception:
            scheduler._logger.exception("Error sweeping the job stores")
            return scheduler._now().timestamp() + scheduler.jobstore_retry_interval

    def _seconds_until(self, time: float | None) -> float | None:
        if time is None:
            return None
        wait = time - self._scheduler._now().timestamp()
        return max(0.0, min(wait, CLOCK_CHECK_INTERVAL))

    def sweep(self) -> float | None:
        """Hand the due jobs of every Python store to their executors.

        :return: when there is something to do again, in POSIX seconds, or ``None``
        """
        scheduler = self._scheduler
        earliest: float | None = None
        events: list[JobSubmissionEvent] = []
        for alias, store in scheduler._python_stores():
            with scheduler._store_lock(alias):
                time = self._sweep_store(alias, store, scheduler._now(), events)
            if time is not None and (earliest is None or time < earliest):
                earliest = time
        for event in events:
            scheduler._tell(event)
        return earliest

    def _sweep_store(
        self, alias: str, store: BaseJobStore, now: datetime, events: list[JobSubmissionEvent]
    ) -> float | None:
        scheduler = self._scheduler
        retry = now.timestamp() + scheduler.jobstore_retry_interval
        try:
            due = store.get_due_jobs(now)
        except Exception as exc:
            scheduler._logger.warning("Error getting due jobs from job store %r: %s", alias, exc)
            return retry

        failed = False
        for job in due:
            try:
                self._fire(job, alias, store, now, events)
            except Exception as exc:
                failed = True
                scheduler._logger.warning(
                    "Error updating job %s in job store %r: %s", job.id, alias, exc
                )
        if failed:
            return retry
        try:
            next_run_time = store.get_next_run_time()
        except Exception as exc:
            scheduler._logger.warning(
                "Error getting the next run time from job store %r: %s", alias, exc
            )
            return retry
        return next_run_time.timestamp() if next_run_time else None

    def _fire(
        self,
        job: Job,
        alias: str,
        store: BaseJobStore,
        now: datetime,
        events: list[JobSubmissionEvent],
    ) -> None:
        """Submit a due job and save its next run time; raises what the store raises."""
        scheduler = self._scheduler
        executor = scheduler._executor_for(job, alias)
        if executor is None:
            return
        key = (alias, job.id)
        last = self._unsaved.get(key)
        try:
            run_times = job._get_run_times(now)
        except Exception:
            self._park(job, store)
            return
        if last is not None:
            run_times = [t for t in run_times if t.timestamp() > last.timestamp()]
        if run_times:
            run_times = run_times[-1:] if job.coalesce else run_times
            event = scheduler._submit(executor, job, alias, run_times)
            if event is not None:
                events.append(event)
            last = self._unsaved[key] = run_times[-1]
        if last is None:
            return
        try:
            next_run_time = job.trigger.get_next_fire_time(last, now)
        except Exception:
            self._park(job, store)
        else:
            if next_run_time:
                job._modify(next_run_time=next_run_time)
                self._save(job, store)
            else:
                scheduler._remove_ended_job(job.id, alias)
        self._unsaved.pop(key, None)

    def _park(self, job: Job, store: BaseJobStore) -> None:
        """Pause a job whose trigger raises; call while handling that exception."""
        self._scheduler._logger.exception(
            'The trigger of job "%s" (id: %s) raised an exception -- pausing the job', job, job.id
        )
        job._modify(next_run_time=None)
        self._save(job, store)

    def _save(self, job: Job, store: BaseJobStore) -> None:
        try:
            store.update_job(job)
        except JobLookupError:  # removed meanwhile, perhaps by its own run
            self._scheduler._logger.debug("Job %s was removed while it was due", job.id)
