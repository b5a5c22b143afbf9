"""Reading a scheduler's configuration: dotted keys, plugin dictionaries, misspelt options."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

from mainspring._mainspring import NativeJobs
from mainspring.util import asbool, asint, maybe_ref

T = TypeVar("T")

#: What jobs get that are added without: the default, and what makes a value of what is configured.
JOB_DEFAULTS: Mapping[str, tuple[Any, Callable[[Any], Any]]] = {
    name: (default, asbool if isinstance(default, bool) else asint)
    for name, default in NativeJobs.defaults.items()
}


def nest(gconfig: Mapping[str, Any], prefix: str | None) -> dict[str, Any]:
    """Make nested dictionaries of dotted keys.

    :param gconfig: the configuration
    :param prefix: what a key must start with to be taken, and is then stripped of; all keys are
        taken as they are if this is empty or ``None``
    :raises ValueError: if one key is both a value and the beginning of another

    >>> nest({"apscheduler.job_defaults.coalesce": "no", "debug": True}, "apscheduler.")
    {'job_defaults': {'coalesce': 'no'}}
    """
    config: dict[str, Any] = {}
    for key, value in gconfig.items():
        if prefix and not key.startswith(prefix):
            continue
        *parents, last = key[len(prefix or "") :].split(".")
        place = config
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ValueError(
                    f'Option "{key}" is at odds with the value {place!r} of "{parent}"'
                )
        place[last] = value
    return config


def configured(
    kind: str,
    option: str,
    values: Mapping[str, Any],
    base: type[T],
    create: Callable[[str, dict[str, Any]], Any],
) -> Iterator[tuple[str, T]]:
    """Yield alias and instance for each entry of the ``executors`` or ``jobstores`` option.

    :param kind: what an entry is, for error messages
    :param option: the option's name, for error messages
    :param values: the option's value: alias to an instance, or to a dictionary that has ``type``
        (a plugin alias) or ``class`` (a class or a reference to one) besides its arguments
    :param base: the class of the instances
    :param create: makes an instance of a plugin from its alias and arguments
    """
    for alias, value in values.items():
        if isinstance(value, base):
            yield alias, value
        elif isinstance(value, Mapping):
            arguments = dict(value)
            cls = arguments.pop("class", None)
            plugin = arguments.pop("type", None)
            if plugin:
                yield alias, create(plugin, arguments)
            elif cls:
                yield alias, maybe_ref(cls)(**arguments)
            else:
                raise ValueError(
                    f'Cannot create {kind} "{alias}" -- either "type" or "class" must be defined'
                )
        else:
            raise TypeError(
                f"Expected {kind} instance or dict for {option}['{alias}'], "
                f"got {type(value).__name__} instead"
            )


def warn_of_unknown(given: Collection[str], known: Collection[str], where: str) -> None:
    """Warn, at the caller's line outside this package, of each option that nobody reads."""
    for name in given:
        if name not in known:
            from difflib import get_close_matches

            nearest = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else "it has no effect"
            warnings.warn(
                f"{where}: unknown option {name!r}; {hint} (known: {', '.join(sorted(known))})",
                stacklevel=frames_to_caller(),
            )


def frames_to_caller() -> int:
    """Count the frames from the function that calls this to the first one outside this package."""
    package = __name__.partition(".")[0]
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = frame.f_globals.get("__name__", "")
        if name != package and not name.startswith(package + "."):
            break
        level += 1
        frame = frame.f_back
    return level
