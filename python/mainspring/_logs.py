"""The names of mainspring's loggers, and what its log records say beyond APScheduler's, in one place."""

from __future__ import annotations

from logging import Logger, getLogger
from typing import Any

#: What the name of every logger starts with: ``apscheduler`` where mainspring is imported as that.
prefix = "mainspring"


def get_logger(*parts: str) -> Logger:
    """Return the logger whose name is the prefix and the given parts, joined by dots.

    >>> get_logger("executors", "default").name
    'mainspring.executors.default'
    """
    return getLogger(".".join((prefix, *parts)))


def message(text: str, *args: Any, beyond: str, of: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what to log: APScheduler's message, and beyond it what that does not tell.

    Where mainspring is imported as APScheduler the message is that library's to the letter, since
    programs written for it compare it.

    :param text: APScheduler's message
    :param args: its arguments
    :param beyond: how the message goes on
    :param of: the arguments of that
    :return: the arguments for a method of a logger

    >>> message("Skipped %s", "tick", beyond=" (job id: %s)", of=(1,))
    ('Skipped %s (job id: %s)', 'tick', 1)
    """
    return (text, *args) if prefix == "apscheduler" else (text + beyond, *args, *of)
