"""One measurement, in this process: prints its figures as a line of JSON.

python -m benchmarks.measure burst "returns at once" apscheduler --loop uvloop --size 20000
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
from typing import Any

from benchmarks.subjects import Cannot
from benchmarks.workloads import WORKLOADS


def measure(workload: str, case: str, subject: str, loop: str, size: int) -> dict[str, Any]:
    """Runs the case of the workload once for the subject.

    Returns its figures, or {"cannot": reason}.
    """
    module = WORKLOADS[workload]
    arguments: dict[str, Any] = module.CASES[case]
    try:
        call = module.measure(subject, size, **arguments)
        if not inspect.iscoroutine(call):
            figures: dict[str, Any] = call
        elif loop == "uvloop":
            import uvloop

            figures = uvloop.run(call)
        else:
            figures = asyncio.run(call)
    except Cannot as reason:
        return {"cannot": str(reason)}
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("case")
    parser.add_argument("subject")
    parser.add_argument("--loop", default="")
    parser.add_argument("--size", type=int, required=True)
    print(json.dumps(measure(**vars(parser.parse_args()))))
