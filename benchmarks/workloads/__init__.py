"""The workloads, one a file.

Each module has:

- ``CASES``: name of a case -> the keyword arguments that `measure` gets for it;
- ``LOOPS``: the event loops it is run on; an empty name for a workload without a loop;
- ``SIZES``: subject -> how much of it; who is missing there is not measured;
- ``METRICS``: name of a figure, with its unit at the end -> whether "lower" or "higher" is better;
- ``measure(subject, size, **case)``: one measurement in a process of its own, a coroutine function
  where the workload needs a running loop; returns the figures.
"""

from __future__ import annotations

from types import ModuleType

from benchmarks.workloads import add_job, burst, database, lateness, memory, pool

WORKLOADS: dict[str, ModuleType] = {
    "burst": burst,
    "lateness": lateness,
    "pool": pool,
    "memory": memory,
    "add_job": add_job,
    "database": database,
}
