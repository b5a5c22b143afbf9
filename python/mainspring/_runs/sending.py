"""Sending the events of runs out of a child process, each by itself.

What a job returns or raises may be impossible to pickle, or to unpickle: an exception whose ``__init__``
takes other arguments than those in its ``args`` is the common one. In the hands of a process pool the first
costs the events of all run times of a submission, the second the pool and whatever else is running in it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from mainspring._mainspring import error_event
from mainspring.events import EVENT_JOB_ERROR, JobExecutionEvent

#: A pickled event, and whether it tells how the run ended, not that this could not be sent.
Sent: TypeAlias = "tuple[bytes, bool]"


def run_and_send(run: Callable[..., Sequence[JobExecutionEvent]], *args: Any) -> list[Sent]:
    """Run a submission in a child process.

    :param run: runs it, and returns its events
    :param args: the arguments of that
    :return: the events, for :func:`received`
    """
    return [_send(event) for event in run(*args)]


def received(
    job_id: str, jobstore_alias: str | None, run_times: Sequence[datetime], sent: Sequence[Sent]
) -> Iterator[tuple[JobExecutionEvent, bool]]:
    """Give the events of a submission, and whether each tells how the run ended."""
    for run_time, (data, is_outcome) in zip(run_times, sent, strict=False):
        try:
            event = pickle.loads(data)
        except Exception as exc:
            event, is_outcome = error_event(job_id, jobstore_alias, run_time, exc, None), False
        yield event, is_outcome


def _send(event: JobExecutionEvent) -> Sent:
    try:
        return _dumps(event, is_read=event.exception is not None), True
    except Exception as exc:
        raised, event.retval = event.exception, None
        event.code, event.traceback = EVENT_JOB_ERROR, event.traceback or ""
        event.exception = _sendable(exc) if raised is None else _named(raised)
        return _dumps(event), False


def _dumps(value: object, is_read: bool = False) -> bytes:
    """Pickle as a process pool does, and see whether it can be read where that is not certain."""
    from multiprocessing.reduction import ForkingPickler  # in a child process it is there

    data = bytes(ForkingPickler.dumps(value))
    if is_read:
        pickle.loads(data)
    return data


def _sendable(exc: Exception) -> Exception:
    try:
        _dumps(exc, is_read=True)
    except Exception:
        return _named(exc)
    return exc


def _named(exc: BaseException) -> pickle.PicklingError:
    """Return an exception in the place of one that cannot leave the process."""
    return pickle.PicklingError(f"{type(exc).__module__}.{type(exc).__qualname__}: {exc}")
