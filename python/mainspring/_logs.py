"""The names of mainspring's loggers, and what its log records say beyond APScheduler's, in one place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging import Logger, getLogger
from types import FunctionType
from typing import Any, Final

#: What the name of every logger starts with: ``apscheduler`` where mainspring is imported as that.
prefix = "mainspring"

#: The globals of the modules that log, and what their records name as the caller's module after the prefix.
_callers: list[tuple[dict[str, Any], str]] = []


def get_logger(*parts: str) -> Logger:
    """Return the logger whose name is the prefix and the given parts, joined by dots.

    >>> get_logger("executors", "default").name
    'mainspring.executors.default'
    """
    return getLogger(".".join((prefix, *parts)))


#: The methods of a logger on the way from ``info`` to ``makeRecord`` and ``handle``.
_SHORTCUT: Final = ("info", "isEnabledFor", "_log", "findCaller")


def is_plain(logger: Logger) -> bool:
    """Tell whether a logger does nothing but make a record that names the caller, and handle it.

    So it does unless a program has put methods of its own in the place of those that search the stack for the
    caller, or has switched the search off.
    """
    return (
        type(logger) is Logger
        and vars(logger).keys().isdisjoint(_SHORTCUT)
        and all(_is_of_logging(getattr(Logger, name)) for name in _SHORTCUT)
        and bool(getattr(logging, "_srcfile", None))
    )


def _is_of_logging(method: object) -> bool:
    return type(method) is FunctionType and method.__globals__ is vars(logging)


def place_of(caller: Callable[..., object]) -> tuple[str, int, str]:
    """Return what records name of a function that does nothing but call the logger: file, line and name."""
    code = caller.__code__
    return code.co_filename, max(line for *_, line in code.co_lines() if line), code.co_name


def names_caller(module: dict[str, Any], name: str) -> None:
    """Have the records that a module makes say that they come from a module of this name.

    loguru, for one, filters records by the ``__name__`` in the globals of the function that has called the
    logger, so it is APScheduler's where mainspring is imported as that. To be called at the end of a module,
    when its classes and functions have got their ``__module__``, which is always mainspring's own.

    :param module: the globals of the module
    :param name: the name after the prefix, that of the module in which APScheduler logs the same
    """
    _callers.append((module, name))
    if prefix != "mainspring":
        module["__name__"] = f"{prefix}.{name}"


def use_prefix(new: str) -> None:
    """Have loggers made from now on, and the callers in all records, be named after another library.

    :param new: the name of its package
    """
    global prefix
    prefix = new
    for module, name in _callers:
        module["__name__"] = f"{new}.{name}"


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
