"""The workloads, one a file.

Each module has:

- ``CASES``: name of a case -> the keyword arguments that `measure` gets for it;
- ``LOOPS``: the event loops it is run on; an empty name for a workload without a loop;
- ``SIZES``: subject -> how much of it; who is missing there is not measured;
- ``METRICS``: name of a figure, with its unit at the end -> whether "lower" or "higher" is better;
- ``ROUNDS``: how many, where not as many as usual;
- ``QUICK``: (case, loop) -> how many in `make bench-quick`; who is missing there is left out;
- ``measure(subject, size, **case)``: one measurement in a process of its own, a coroutine function
  where the workload needs a running loop; returns the figures, or raises `Cannot`.
"""

from __future__ import annotations

from types import ModuleType

from benchmarks.workloads import (
    add_job,
    burst,
    catch_up,
    change,
    database,
    endurance,
    get_jobs,
    idle,
    importing,
    lateness,
    memory,
    million,
    next_fire,
    pool,
    sustained,
    virtual,
)

WORKLOADS: dict[str, ModuleType] = {
    "burst": burst,
    "pool": pool,
    "lateness": lateness,
    "sustained": sustained,
    "add_job": add_job,
    "change": change,
    "get_jobs": get_jobs,
    "memory": memory,
    "next_fire": next_fire,
    "million": million,
    "catch_up": catch_up,
    "virtual": virtual,
    "idle": idle,
    "importing": importing,
    "endurance": endurance,
    "database": database,
}
