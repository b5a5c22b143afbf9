"""The functions that log records of a scheduler name, as APScheduler's do, whoever logs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mainspring._logs import names_caller


class Tells:
    """As :class:`mainspring.executors.base.Tells`, for what a scheduler logs."""

    @staticmethod
    def _process_jobs(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def remove_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def add_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)

    @staticmethod
    def _real_add_job(log: Callable[..., object], *args: Any, **options: Any) -> None:
        log(*args, **options)


names_caller(globals(), "schedulers.base")
