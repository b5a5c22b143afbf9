"""Pickles that APScheduler can have written, or is to read: its names to ours and back.

The classes of triggers, fields and expressions have the same names, module paths and states in both
projects, but for the name of the package. So a pickle of the one becomes one of the other when the
package's name is replaced where the pickle refers to a module, and in the textual references that
combining triggers hold.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from types import FunctionType
from typing import Any, Final, Literal, TypeAlias

from mainspring.triggers.combining import BaseCombiningTrigger
from mainspring.triggers.cron import CronTrigger

#: Whose names a pickle has: ours, which APScheduler cannot read, or APScheduler's, which we can too.
WriteFormat: TypeAlias = Literal["mainspring", "apscheduler"]
WRITE_FORMATS: Final = ("mainspring", "apscheduler")


def ours(name: str) -> str:
    """Return our name for a module or reference of APScheduler's; any other name as it is.

    >>> ours("apscheduler.triggers.cron:CronTrigger"), ours("apscheduler_extras")
    ('mainspring.triggers.cron:CronTrigger', 'apscheduler_extras')
    """
    return _in_package(name, "apscheduler", "mainspring")


def theirs(name: str) -> str:
    """Return APScheduler's name for a module or reference of ours; any other name as it is."""
    return _in_package(name, "mainspring", "apscheduler")


def _in_package(name: str, old: str, new: str) -> str:
    return new + name[len(old) :] if name.startswith(old + ".") else name


def loads(data: bytes) -> Any:
    """Unpickle what mainspring or APScheduler has pickled; raises whatever unpickling raises.

    It can make the program run any code: read only what you trust.
    """
    # Whatever a pickle refers to is in it by name; one that has none of these names can do without.
    if b"apscheduler" in data or b"backports" in data:
        return _Unpickler(io.BytesIO(data)).load()
    return pickle.loads(data)


def dumps(obj: Any, protocol: int, write_format: WriteFormat) -> bytes:
    """Pickle an object.

    :param protocol: the pickle protocol, as for :func:`pickle.dumps`
    :param write_format: whose names to write
    """
    buffer = io.BytesIO()
    pickler = _OurPickler if write_format == "mainspring" else _TheirPickler
    pickler(buffer, protocol).dump(obj)
    return buffer.getvalue()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "backports.zoneinfo":  # what CPython 3.8 has for zoneinfo
            module = "zoneinfo"
        return super().find_class(ours(module), name)


class _OurPickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        # In our own rows a cron trigger has no objects for its fields and their expressions, which take
        # most of the time. Only of this very class: a subclass may have a state of its own.
        if type(obj) is not CronTrigger:
            return NotImplemented
        newobj: Any = copyreg.__newobj__  # type: ignore[attr-defined]
        return newobj, (CronTrigger,), obj._state_in_text()


# The C pickler writes a class under the module path at which it finds that very class, which for our
# classes is never APScheduler's. The one in Python, of the same module, has a method for that. It is
# some ten times slower, for programs that need its format.
_PurePickler: Any = pickle._Pickler


class _TheirPickler(_PurePickler):  # type: ignore[misc]
    dispatch = _PurePickler.dispatch.copy()

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = getattr(obj, "__module__", None) or ""
        if theirs(module) == module:
            super().save_global(obj, name)
            return
        name = name or obj.__qualname__
        if self.proto >= 4:
            self.save(theirs(module))
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{theirs(module)}\n{name}\n".encode())
        self.memoize(obj)

    dispatch[FunctionType] = save_global

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, BaseCombiningTrigger):
            return NotImplemented
        reduced: Any = obj.__reduce__()
        return *reduced[:2], state_with_their_names(obj)


def state_with_their_names(trigger: Any) -> Any:
    """Return a trigger's state; a combining one's has APScheduler's references to its members' classes."""
    state = trigger.__getstate__()
    if isinstance(trigger, BaseCombiningTrigger):
        state["triggers"] = [
            (theirs(ref), state_with_their_names(member))
            for (ref, _), member in zip(state["triggers"], trigger.triggers, strict=True)
        ]
    return state
