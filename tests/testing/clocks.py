"""What the tests of the clock share: when it starts, and how the times of runs are written."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def times(runs: list[Any]) -> list[str]:
    return [f"{run.scheduled_run_time:%d %H:%M:%S}" for run in runs]
