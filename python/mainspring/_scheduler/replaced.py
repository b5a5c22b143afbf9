"""Which methods a user has replaced: jobs, stores and executors are served in other ways where none is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, TypeGuard

from mainspring._mainspring import NativeStore, WorkerPool
from mainspring.executors.base import RUN_METHODS
from mainspring.jobstores.memory import SWEEP_METHODS, MemoryJobStore

if TYPE_CHECKING:
    from mainspring.executors.base import BaseExecutor
    from mainspring.jobstores.base import BaseJobStore
    from mainspring.jobstores.persistent import PersistentJobStore

_LOOKUP = MemoryJobStore.lookup_job
_SAVE_METHODS = frozenset(("remove_job", "update_job"))

_ADD = "_real_add_job"
#: What the methods that deal with jobs call, or are called by, and a user may replace, by its step.
JOB_HOOKS = {
    "trigger": frozenset(("_create_plugin_instance", "_create_trigger", "_trigger_plugins")),
    "put": frozenset((_ADD,)),
    "within put": frozenset(
        (
            "_first_fire_time",
            "_lookup_jobstore",
            "_now",
            "_store_has_changed",
            "_store_lock",
            "_stores",
        )
    ),
    "others": frozenset(("_lookup_job", "add_job", "modify_job", "remove_job")),
}
#: What hands events to listeners.
TELLING = frozenset(("_call_listeners", "_dispatch_event", "_note_failed_listener"))


class JobMethods:
    """The methods that deal with jobs, as they are before a user replaces one in a class.

    :param scheduler_class: the class
    :param base: the class below it, whose own way to add a job it calls
    """

    def __init__(self, scheduler_class: type, base: type) -> None:
        self._methods = {
            step: {hook: getattr(scheduler_class, hook) for hook in hooks}
            for step, hooks in JOB_HOOKS.items()
        }
        self._base = base
        self._added_by_base = getattr(base, _ADD)

    def replaced_in(self, scheduler: object) -> set[str]:
        """Return the steps with a method that a scheduler has of its own, or from a class of the user's."""
        cls, own = type(scheduler), vars(scheduler)
        replaced = {
            step
            for step, methods in self._methods.items()
            if not own.keys().isdisjoint(methods)
            or any(getattr(cls, name) is not method for name, method in methods.items())
        }
        if getattr(self._base, _ADD) is not self._added_by_base:
            replaced.add("put")
        return replaced


def native_store(store: BaseJobStore) -> NativeStore | None:
    """Return the core of a store, unless it has a method of its own that a sweep must call."""
    own = vars(store)
    if not (own.get("_is_native") and SWEEP_METHODS.isdisjoint(own)):
        return None
    core = own.get("_native")
    return core if isinstance(core, NativeStore) else None


def looks_up_natively(store: BaseJobStore) -> bool:
    """Tell whether a native store has no method of its own to look a job up with."""
    own = type(store).lookup_job is not _LOOKUP
    return native_store(store) is None or not (own or "lookup_job" in vars(store))


def batches_updates(store: BaseJobStore) -> TypeGuard[PersistentJobStore]:
    """Tell whether a store may save many jobs at once, since it has no methods of its own to save one."""
    return _batches_updates(type(store)) and _SAVE_METHODS.isdisjoint(vars(store))


def parks_jobs(store: BaseJobStore) -> TypeGuard[PersistentJobStore]:
    """Tell whether a store keeps jobs that it cannot load, and tells of them."""
    # Not by isinstance: a program without a persistent store is spared the import of the class.
    return hasattr(type(store), "_take_newly_parked")


def native_pool(executor: BaseExecutor) -> WorkerPool | None:
    """Return the pool of an executor, unless it has a method of its own that a run must call."""
    pool = vars(executor).get("_pool")
    return pool if isinstance(pool, WorkerPool) and _runs_as_written(executor) else None


def calls_here(executor: BaseExecutor) -> bool:
    """Tell whether an executor calls functions at once, and has no method of its own that a run must call."""
    return getattr(type(executor), "_calls_here", None) is True and _runs_as_written(executor)


def _runs_as_written(executor: BaseExecutor) -> bool:
    """Tell whether an executor runs jobs as its class does that lets the engine do it."""
    cls = type(executor)
    methods = getattr(cls, "_native_methods", None)  # a test may have put a mock there
    return (
        methods is not None
        and RUN_METHODS.isdisjoint(vars(executor))
        and all(getattr(cls, name) is method for name, method in methods.items())
    )


@cache
def _batches_updates(cls: type) -> bool:
    base = next((base for base in cls.__mro__ if "_save_due_jobs" in vars(base)), None)
    return base is not None and _inherits(cls, base, _SAVE_METHODS)


def _inherits(cls: type, base: type, names: Iterable[str]) -> bool:
    return all(getattr(cls, name) is getattr(base, name) for name in names)
