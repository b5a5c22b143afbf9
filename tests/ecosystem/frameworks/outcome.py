"""What the programs of this directory check."""

from __future__ import annotations

from typing import Any


def check(event: Any, expected: Any) -> None:
    """Check the event of a job's end against the result, or the type of the exception, to be expected."""
    if isinstance(expected, type):
        assert isinstance(event.exception, expected), event.exception
    else:
        assert event.exception is None, event.traceback
        assert event.retval == expected, event.retval
