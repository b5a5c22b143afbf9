"""A handler that keeps the scheduler's warnings, for tests to wait for."""

from __future__ import annotations

import logging
import threading

from tests.support import PATIENCE


class Heard(logging.Handler):
    """Keeps the scheduler's warnings, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self._heard = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._heard:
            self.records.append(record)
            self._heard.notify_all()

    def wait_for(self, text: str) -> logging.LogRecord:
        def found() -> logging.LogRecord | None:
            return next((r for r in self.records if text in r.getMessage()), None)

        with self._heard:
            record = self._heard.wait_for(found, PATIENCE)
        assert record is not None, self.records
        return record
