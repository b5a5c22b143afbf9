"""Which stores and executors the engine may serve by itself, without calling their methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring._mainspring import NativeStore, WorkerPool
from mainspring.jobstores.memory import MemoryJobStore

if TYPE_CHECKING:
    from mainspring.executors.base import BaseExecutor
    from mainspring.jobstores.base import BaseJobStore

_STORE_METHODS = ("add_job", "get_due_jobs", "get_next_run_time", "remove_job", "update_job")
_EXECUTOR_METHODS = ("_do_submit_job", "_run_job_error", "_run_job_success", "submit_job")


def native_store(store: BaseJobStore) -> NativeStore | None:
    """Return the core of a store, unless it has a method of its own that a sweep must call."""
    if not issubclass(type(store), MemoryJobStore):
        return None
    if _overrides(store, MemoryJobStore, _STORE_METHODS):
        return None
    core = vars(store).get("_native")
    return core if isinstance(core, NativeStore) else None


def native_pool(executor: BaseExecutor) -> WorkerPool | None:
    """Return the pool of an executor, unless it has a method of its own that a run must call."""
    base = next((cls for cls in type(executor).__mro__ if "_runs_natively" in vars(cls)), None)
    if base is None or _overrides(executor, base, _EXECUTOR_METHODS):
        return None
    pool = vars(executor).get("_pool")
    return pool if isinstance(pool, WorkerPool) else None


def _overrides(instance: object, base: type, names: tuple[str, ...]) -> bool:
    own = vars(instance)
    return any(
        name in own or getattr(type(instance), name) is not getattr(base, name) for name in names
    )
