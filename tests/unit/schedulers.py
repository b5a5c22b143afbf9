"""What the tests of schedulers share: a time that is past, one that is far away, and what was logged."""

from __future__ import annotations

import logging
from datetime import datetime, timezone

import pytest

PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)
FAR = datetime(2999, 1, 1, tzinfo=timezone.utc)


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]
