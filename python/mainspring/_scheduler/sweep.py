"""The sweep of the job stores that are written in Python, and the thread that makes it.

Ground rules:

- One thread sweeps all of a scheduler's Python stores; it is started when there is such a store,
  and neither the timer thread nor an event loop ever waits for it.
- A store's lock is held while that store is swept. Within it the executors' own locks are waited for, and,
  where a job is removed, the scheduler's lock of its job stores. A start takes these the other way round, for
  the jobs that have been pending: it waits for the end of a thread that has swept before.
- ``_lock`` guards ``_thread`` and ``_context`` and is never held during a sweep. A thread goes on for
  as long as it is the ``_thread``. Each has a flag of its own that wakes it.
- What a thread waits for is made with it: eventlet, which may patch the library of a scheduler that there
  is already, as in a server's worker, puts greenlets' locks in the place of others, but not in a
  :class:`threading.Condition`.
"""

from __future__ import annotations

import threading
from contextvars import Context
from datetime import datetime
from typing import TYPE_CHECKING

from mainspring._logs import names_caller
from mainspring._loops.flag import Flag
from mainspring._mainspring import (
    Job,
    coalesced_run,
    log_removed,
    plain_datetime,
    removed_event,
)
from mainspring._process.threads import OwnThread
from mainspring._scheduler.plans import HandedOver
from mainspring._scheduler.replaced import batches_updates, parks_jobs
from mainspring._scheduler.state import STATE_RUNNING
from mainspring.events import (
    EVENT_JOB_ERROR,
    JobExecutionEvent,
    JobSubmissionEvent,
    SchedulerEvent,
)
from mainspring.jobstores.base import JobLookupError

if TYPE_CHECKING:
    from mainspring._contract import SweptScheduler
    from mainspring.jobstores.base import BaseJobStore
    from mainspring.jobstores.persistent import PersistentJobStore

#: How soon a step of the wall clock is noticed, in seconds.
CLOCK_CHECK_INTERVAL = 1.0


class StoreSweeper:
    """Sweeps a scheduler's Python stores.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: SweptScheduler) -> None:
        self._scheduler = scheduler
        self._lock = threading.RLock()
        self._thread: OwnThread | None = None
        #: One that has been told to end by itself, in a listener.
        self._former: OwnThread | None = None
        self._woken = Flag()
        self._context: Context | None = None
        # Last run time handed to an executor, for the jobs whose store could not take that in.
        self._unsaved: dict[tuple[str, str], datetime] = {}
        self._handed_over: dict[str, HandedOver] = {}

    def handed_over(self, alias: str) -> HandedOver:
        """Return what was handed over of the jobs of a store."""
        return self._handed_over.get(alias) or self._handed_over.setdefault(alias, HandedOver())

    def start(self, context: Context) -> None:
        """Sweep in a thread of our own from now on, in a copy of this context."""
        with self._lock:
            self._context = context.copy()
        self.wake()

    def wake(self) -> None:
        """Have the thread sweep now; without effect on a sweeper that is not started."""
        with self._lock:
            if self._context is None:
                return
            self._woken.set()
            if self._thread is None and self._scheduler._python_stores():
                self._woken = Flag()
                self._thread = self._new_thread(self._context, self._woken)
                try:
                    self._thread.start()
                except BaseException:
                    self._thread = None  # so that it is tried again; one that has begun ends
                    raise

    def _new_thread(self, context: Context, woken: Flag) -> OwnThread:
        return OwnThread(
            target=context.run,
            args=(self._run, woken),
            name="APScheduler job stores",
            daemon=self._scheduler._starts_daemons,
        )

    def stop(self) -> None:
        """End the thread and wait for its end, unless this is that thread."""
        with self._lock:
            thread, self._thread, self._context = self._thread, None, None
            self._woken.set()
        if thread is not None and thread.is_current():
            self._former = thread
        elif thread is not None:
            thread.join()

    def wait_for_former(self) -> None:
        """Wait for the end of a thread that has been stopped by itself, unless this is that thread."""
        thread = self._former
        if thread is not None and not thread.is_current():
            thread.join()
            self._former = None

    def leave_to_parent(self) -> None:
        """In a forked child: touch nothing; if it is this thread that forked, end it."""
        self._thread = self._former = None

    def _run(self, woken: Flag) -> None:
        while True:
            woken.clear()
            if not self._goes_on_here():  # it may have been woken for that
                break
            next_time = self._sweep_safely()
            while self._goes_on_here() and not woken.is_set():
                wait = self._seconds_until(next_time)
                if wait == 0:
                    break
                woken.wait(wait)

    def _goes_on_here(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_current()

    def _sweep_safely(self) -> float | None:
        scheduler = self._scheduler
        if scheduler._state != STATE_RUNNING:
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
        events: list[SchedulerEvent] = []
        for alias, store in scheduler._python_stores():
            with scheduler._store_lock(alias):
                time = _StoreSweep(self, alias, store, events).run()
            if time is not None and (earliest is None or time < earliest):
                earliest = time
        mask = scheduler._listener_mask()
        for event in events:
            if event.code & mask:
                scheduler._tell(event)
        return earliest


class _StoreSweep:
    """One sweep of one store, whose lock is held for as long.

    A store that can save many jobs at once is given all of a sweep's changes in the end, but for
    those of jobs that an executor runs in this thread: they may change other jobs, as may the user's
    own executors and stores, which see a job saved before the next one is submitted.

    :param sweeper: whose sweep it is
    :param alias: the store's alias
    :param store: the store
    :param events: gets what is to be told to listeners after the sweep
    """

    def __init__(
        self,
        sweeper: StoreSweeper,
        alias: str,
        store: BaseJobStore,
        events: list[SchedulerEvent],
    ) -> None:
        self._scheduler = sweeper._scheduler
        self._unsaved = sweeper._unsaved
        self._handed_over = sweeper.handed_over(alias)
        self._alias = alias
        self._store = store
        self._batch = store if batches_updates(store) else None
        self._events = events
        self._now = self._scheduler._now()
        self._submitted: list[JobSubmissionEvent] = []
        self._updated: list[Job] = []
        self._ended: list[str] = []
        self._failed = False

    def run(self) -> float | None:
        """Sweep the store; return when there is something to do again, in POSIX seconds."""
        scheduler, alias, now = self._scheduler, self._alias, self._now
        retry = now.timestamp() + scheduler.jobstore_retry_interval
        try:
            if parks_jobs(self._store):
                self._store._retry_parked()
            due = self._store.get_due_jobs(now)
        except Exception as exc:
            scheduler._logger.warning("Error getting due jobs from job store %r: %s", alias, exc)
            return retry

        for job in due:
            try:
                self._fire(job)
            except Exception as exc:
                self._note_failure(job.id, exc)
        self._save_batch()
        self._events += self._submitted
        if parks_jobs(self._store):
            self._tell_of_parked_jobs(self._store)
        if self._failed:
            return retry
        try:
            next_times = [self._store.get_next_run_time()]
        except Exception as exc:
            scheduler._logger.warning(
                "Error getting the next run time from job store %r: %s", alias, exc
            )
            return retry
        if parks_jobs(self._store):
            next_times.append(self._store._next_retry())
        times = (plain_datetime(time).timestamp() for time in next_times if time)
        return min(times, default=None)

    def _fire(self, job: Job) -> None:
        """Submit a due job, and save its next run time at once or have that done later.

        :raises Exception: what the store raises
        """
        scheduler = self._scheduler
        executor = scheduler._executor_for(job, self._alias)
        if executor is None:
            return
        key = (self._alias, job.id)
        last = self._unsaved.get(key)
        try:
            coalesced = coalesced_run(job, self._now) if type(job) is Job else None
            run_times = job._get_run_times(self._now) if coalesced is None else [coalesced[0]]
        except Exception:
            self._park(job)
            return
        if last is not None:
            run_times = [t for t in run_times if t.timestamp() > last.timestamp()]
        if run_times:
            run_times = run_times[-1:] if job.coalesce else run_times
            event = scheduler._submit(executor, job, self._alias, run_times)
            if event is not None:
                self._submitted.append(event)
            last = self._unsaved[key] = run_times[-1]
            self._handed_over.note(job, last)
        if last is None:
            return
        try:
            if coalesced is None:
                next_run_time = job.trigger.get_next_fire_time(last, self._now)
            else:
                next_run_time = coalesced[1]
        except Exception:
            self._park(job)
            self._unsaved.pop(key, None)
            return
        if next_run_time:
            job._modify(next_run_time=next_run_time)
        if self._batch is not None and executor._runs_elsewhere:
            if next_run_time:
                self._updated.append(job)
            else:
                self._ended.append(job.id)
            return
        if next_run_time:
            self._save(job)
        else:
            scheduler._remove_ended_job(job.id, self._alias)
        self._unsaved.pop(key, None)

    def _save_batch(self) -> None:
        """Save the jobs that were not saved at once."""
        changed = [job.id for job in self._updated] + self._ended
        if self._batch is None or not changed:
            return
        scheduler = self._scheduler
        try:
            failures = self._batch._save_due_jobs(self._updated, self._ended)
        except Exception as exc:
            self._failed = True
            scheduler._logger.warning(
                "Error saving %d jobs to job store %r: %s", len(changed), self._alias, exc
            )
            return
        ended = set(self._ended)
        for job_id in changed:
            failure = failures.get(job_id)
            if failure is None and job_id in ended:
                self._handed_over.forget(job_id)
                log_removed(scheduler._logger, job_id)
                self._events.append(removed_event(job_id, self._alias))
            elif isinstance(failure, JobLookupError):
                scheduler._note_removal(job_id)
            elif failure is not None:
                self._note_failure(job_id, failure)
                continue
            self._unsaved.pop((self._alias, job_id), None)

    def _park(self, job: Job) -> None:
        """Pause a job whose trigger raises; call while handling that exception."""
        self._scheduler._logger.exception(
            'The trigger of job "%s" (id: %s) raised an exception -- pausing the job', job, job.id
        )
        job._modify(next_run_time=None)
        self._save(job)

    def _save(self, job: Job) -> None:
        try:
            self._store.update_job(job)
        except JobLookupError:  # removed meanwhile, perhaps by its own run
            self._scheduler._note_removal(job.id)

    def _note_failure(self, job_id: str, exc: Exception) -> None:
        self._failed = True
        self._scheduler._logger.warning(
            "Error updating job %s in job store %r: %s", job_id, self._alias, exc
        )

    def _tell_of_parked_jobs(self, store: PersistentJobStore) -> None:
        self._events += [
            JobExecutionEvent(EVENT_JOB_ERROR, job_id, self._alias, self._now, exception=reason)
            for job_id, reason in store._take_newly_parked()
        ]


names_caller(globals(), "schedulers.base")
