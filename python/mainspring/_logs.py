"""The names of mainspring's loggers, in one place."""

from __future__ import annotations

from logging import Logger, getLogger

#: What the name of every logger starts with.
prefix = "mainspring"


def get_logger(*parts: str) -> Logger:
    """Return the logger whose name is the prefix and the given parts, joined by dots.

    >>> get_logger("executors", "default").name
    'mainspring.executors.default'
    """
    return getLogger(".".join((prefix, *parts)))
