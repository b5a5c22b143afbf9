"""Whether gevent or eventlet has made greenlets of threads, and what they have patched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def threads_are_greenlets() -> bool:
    """Tell whether code that waits must let other greenlets of its thread have their turns meanwhile."""
    return originals_of_threads() is not None


def eventlet_has_patched_threads() -> bool:
    """Tell whether locks are eventlet's, which unlike gevent's are for the greenlets of one thread alone."""
    return _eventlets_originals() is not None


def originals_of_threads() -> Callable[[str, str], Any] | None:
    """Return what gives the originals of what was patched, by module and name; ``None`` where nothing was."""
    return _gevents_originals() or _eventlets_originals()


def _gevents_originals() -> Callable[[str, str], Any] | None:
    """Return what gives the originals of what gevent has patched, if it has patched threads."""
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return None
    get_original: Callable[[str, str], Any] = monkey.get_original
    return get_original


def _eventlets_originals() -> Callable[[str, str], Any] | None:
    patcher: Any = sys.modules.get("eventlet.patcher")
    if patcher is None or not patcher.is_monkey_patched("thread"):
        return None
    return lambda module, name: getattr(patcher.original(module), name)
