"""What a test is told of the runs: each of them, and what an advance has come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, repr=False)
class Run:
    """One run of a job, or one that should have been.

    An error that the test looks at, as :attr:`outcome` or :attr:`exception`, counts as expected.

    :param job_id: the job's id
    :param scheduled_run_time: the fire time
    :param started: when it started, or was found to be missed or one too many; for an executor
        written in Python, when it ended
    """

    job_id: str
    scheduled_run_time: datetime
    started: datetime
    _outcome: str
    _value: Any
    _key: tuple[int, int] = field(default=(0, 0), compare=False)
    _seen: set[tuple[int, int]] = field(default_factory=set, compare=False)

    @property
    def scheduled_time(self) -> datetime:
        """The fire time, as :attr:`scheduled_run_time`."""
        return self.scheduled_run_time

    @property
    def start(self) -> datetime:
        """When it started, as :attr:`started`."""
        return self.started

    @property
    def outcome(self) -> str:
        """How it ended.

        ``executed``, ``error``, ``missed`` (later than its grace time allows), ``skipped`` (as many runs
        of the job were going on as it may have), or ``running`` if it has not ended yet.
        """
        self._seen.add(self._key)
        return self._outcome

    @property
    def value(self) -> Any:
        """What the job returned; ``None`` if it did not return."""
        return self._value if self._outcome == "executed" else None

    @property
    def exception(self) -> BaseException | None:
        """What the job raised, or ``None``."""
        self._seen.add(self._key)
        return self._value if self._outcome == "error" else None

    def __repr__(self) -> str:
        late = self.started - self.scheduled_run_time
        parts = [self.job_id, f"{self.scheduled_run_time:%Y-%m-%d %H:%M:%S%z}", self._outcome]
        if late:
            parts.append(f"started {late} later")
        if self._value is not None:
            parts.append(repr(self._value))
        return f"<Run {' '.join(parts)}>"


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that has started, or is due, and has not ended.

    :param job_id: the job's id
    :param waiting_for: what it waits for, in words
    :param scheduled_run_time: its fire time, where that is known
    :param until: for a run that waits for the time of the clock, when it goes on; else ``None``
    """

    job_id: str
    waiting_for: str
    scheduled_run_time: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        of = "" if self.scheduled_run_time is None else f" of {self.scheduled_run_time}"
        until = "" if self.until is None else f" until {self.until}"
        return f'the run{of} of job "{self.job_id}" waits for {self.waiting_for}{until}'


@dataclass(frozen=True)
class Advance:
    """What an advance of a clock has come to.

    :param now: the time that the clock shows
    :param runs: the runs that it has caused, in the order in which they started
    :param parked: the runs that wait for something else than the time of the clock
    :param sleeping: the runs that wait for a later time of the clock
    """

    now: datetime
    parked: tuple[UnfinishedRun, ...]
    sleeping: tuple[UnfinishedRun, ...]
    _read: Any = field(repr=False, compare=False)
    _count: int = field(repr=False, compare=False)

    @property
    def runs(self) -> list[Run]:
        read: list[Run] = self._read()
        return read

    @property
    def run_count(self) -> int:
        """How many runs there are in :attr:`runs`, without making the list."""
        return self._count

    def __repr__(self) -> str:
        unfinished = "; ".join(str(run) for run in (*self.parked, *self.sleeping))
        return f"<Advance to {self.now}: {self._count} runs{unfinished and '; '}{unfinished}>"


def unexpected(runs: list[Run], seen: AbstractSet[tuple[int, int]]) -> list[Run]:
    """Return the runs that raised an exception at which the test has not looked."""
    return [run for run in runs if run._outcome == "error" and run._key not in seen]
