"""The job store that keeps its jobs in a Redis database, or in one of its kin."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mainspring._pickles import WriteFormat
from mainspring.jobstores.base import ConflictingIdError, JobLookupError
from mainspring.jobstores.persistent import PersistentJobStore

try:
    from redis import Redis
except ImportError as exc:
    raise ImportError(
        "RedisJobStore requires redis installed: pip install mainspring[redis]"
    ) from exc

if TYPE_CHECKING:
    from mainspring.job import Job

__all__ = ("RedisJobStore",)

#: Sorts behind all jobs that will run.
NEVER = datetime.max.replace(tzinfo=timezone.utc)


class RedisJobStore(PersistentJobStore):
    """Keeps jobs in two keys of a Redis database. Plugin alias: ``redis``.

    The keys are APScheduler 3.x's, and so are the jobs in them: existing ones are used as they are. The
    first is a hash of the jobs by id, the second a sorted set of the ids of those that will run, by
    their run times. Both change in one transaction, and it is made anew when another client has changed
    the jobs meanwhile. A job that cannot be loaded is parked, see :meth:`get_parked_jobs`.

    :param db: the database's number
    :param jobs_key: the key of the jobs
    :param run_times_key: the key of the run times
    :param pickle_protocol: the pickle protocol to write jobs with
    :param write_format: ``"mainspring"``, or ``"apscheduler"`` to write jobs that APScheduler 3.11 can
        read; either is read
    :param connect_args: further arguments of :class:`redis.Redis`: ``host``, ``port`` and so on
    :raises ValueError: if one of the first three is empty, or there is no such format

    >>> RedisJobStore(host="localhost", port=6379)
    <RedisJobStore>
    """

    def __init__(
        self,
        db: int = 0,
        jobs_key: str = "apscheduler.jobs",
        run_times_key: str = "apscheduler.run_times",
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        write_format: WriteFormat = "mainspring",
        **connect_args: Any,
    ) -> None:
        super().__init__(pickle_protocol, write_format)
        if db is None:
            raise ValueError('The "db" parameter must not be empty')
        for name, key in (("jobs_key", jobs_key), ("run_times_key", run_times_key)):
            if not key:
                raise ValueError(f'The "{name}" parameter must not be empty')
        self.jobs_key = jobs_key
        self.run_times_key = run_times_key
        # Its types promise that it may be an asynchronous one.
        self.redis: Any = Redis(db=int(db), **connect_args)

    def shutdown(self) -> None:
        self.redis.connection_pool.disconnect()

    def lookup_job(self, job_id: str) -> Job | None:
        state = self.redis.hget(self.jobs_key, job_id)
        jobs = [] if state is None else self._load_all([(job_id, state)])
        return jobs[0] if jobs else None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        due = self.redis.zrangebyscore(self.run_times_key, "-inf", now.timestamp())
        states = self.redis.hmget(self.jobs_key, due) if due else []
        rows = list(zip(map(self._decode, due), states, strict=True))
        strays = [job_id for job_id, state in rows if state is None]
        if strays:
            self._remove_run_times(strays)
        return self._load_all((row for row in rows if row[1] is not None), when_due=True)

    def get_next_run_time(self) -> datetime | None:
        rows = self.redis.zrange(self.run_times_key, 0, len(self._parked), withscores=True)
        return self._earliest_not_parked(
            (self._decode(job_id), datetime.fromtimestamp(at, timezone.utc)) for job_id, at in rows
        )

    def get_all_jobs(self) -> list[Job]:
        states = {self._decode(k): v for k, v in self.redis.hgetall(self.jobs_key).items()}
        self._forget_parked(self._parked.keys() - states.keys())
        jobs = self._load_all(states.items())
        return sorted(jobs, key=lambda job: (job.next_run_time or NEVER, job.id))

    def add_job(self, job: Job) -> None:
        state = self._dump(job)

        def add(pipe: Any) -> bool:
            is_new = bool(self._missing(pipe, [job.id]))
            pipe.multi()
            if is_new:
                self._put(pipe, job, state)
            return is_new

        if not self._in_transaction(add):
            raise ConflictingIdError(job.id)

    def update_job(self, job: Job) -> None:
        if self._save([(job, self._dump(job))], []):
            raise JobLookupError(job.id)
        self._forget_parked([job.id])

    def remove_job(self, job_id: str) -> None:
        if self._save([], [job_id]):
            raise JobLookupError(job_id)
        self._forget_parked([job_id])

    def remove_all_jobs(self) -> None:
        self.redis.delete(self.jobs_key, self.run_times_key)
        self._parked.clear()

    def _save_due_jobs(
        self, updated: Sequence[Job], removed: Sequence[str]
    ) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        missing = self._save(self._dump_all(updated, failures), removed)
        failures.update((job_id, JobLookupError(job_id)) for job_id in missing)
        return failures

    def _save(self, updated: Sequence[tuple[Job, bytes]], removed: Sequence[str]) -> set[str]:
        """Update and remove jobs; return the ids of those that were not there."""
        job_ids = [*(job.id for job, _ in updated), *removed]
        if not job_ids:
            return set()

        def save(pipe: Any) -> set[str]:
            missing = self._missing(pipe, job_ids)
            pipe.multi()
            for job, state in updated:
                if job.id not in missing:
                    self._put(pipe, job, state)
            present = [job_id for job_id in removed if job_id not in missing]
            if present:
                pipe.hdel(self.jobs_key, *present)
                pipe.zrem(self.run_times_key, *present)
            return missing

        missing: set[str] = self._in_transaction(save)
        return missing

    def _put(self, pipe: Any, job: Job, state: bytes) -> None:
        pipe.hset(self.jobs_key, job.id, state)
        if job.next_run_time is None:
            pipe.zrem(self.run_times_key, job.id)
        else:
            pipe.zadd(self.run_times_key, {job.id: job.next_run_time.timestamp()})

    def _remove_run_times(self, job_ids: Iterable[str]) -> None:
        """Remove run times that have no job: they would be the earliest for ever."""
        job_ids = list(job_ids)

        def remove(pipe: Any) -> None:
            missing = self._missing(pipe, job_ids)
            pipe.multi()
            if missing:
                pipe.zrem(self.run_times_key, *missing)

        self._in_transaction(remove)

    def _missing(self, pipe: Any, job_ids: Sequence[str]) -> set[str]:
        states = pipe.hmget(self.jobs_key, job_ids)
        return {job_id for job_id, state in zip(job_ids, states, strict=True) if state is None}

    def _in_transaction(self, change: Any) -> Any:
        """Call a function with a pipeline, again whenever the jobs have changed under it.

        It reads, calls ``multi()`` and writes.
        """
        return self.redis.transaction(change, self.jobs_key, value_from_callable=True)

    def _decode(self, job_id: bytes) -> str:
        text: str = self.redis.connection_pool.get_encoder().decode(job_id, force=True)
        return text
