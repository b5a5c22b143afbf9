"""Runs the workloads for every subject and prints what came out.

    python -m benchmarks.quick                                 everything, under 3 minutes
    python -m benchmarks.quick --only burst --only pool        two workloads
    python -m benchmarks.quick --rounds 7 --out benchmarks/results     for publication
    python -m benchmarks.quick --python .venv-3.11/bin/python  another interpreter's environment

Every measurement is a process of its own. A round measures each subject once, one right after the
other, so that what the machine does at the time falls on all alike; the next round begins with
another subject. What is given is the median of the rounds with the lowest and the highest figure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.subjects import FLOOR_EAGER
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
#: Rounds unless --rounds says otherwise: those that vary little or take long get fewer.
ROUNDS = {"burst": 3, "lateness": 1, "pool": 3, "memory": 1, "add_job": 1, "database": 1}
#: In seconds, for one measurement.
TIMEOUT = 300
#: What one measures for oneself is not for the repository.
LOCAL = Path("benchmarks/results/local")

# Run by the interpreter that is measured: what it is and which libraries it has.
DESCRIBE = """
import importlib.metadata, json, platform, sys
versions = {}
for name in ("mainspring", "apscheduler", "uvloop"):
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps({"python": platform.python_version(), "versions": versions}))
"""


@dataclass
class Series:
    """All rounds of one case on one loop: subject -> figure's name -> its value in each round."""

    workload: str
    case: str
    loop: str
    subjects: list[str]
    rounds: int
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def plan(only: list[str], rounds: int | None, about: dict[str, Any]) -> Iterator[Series]:
    """What is to be measured, as far as the interpreter has the libraries for it."""
    has_eager_tasks = tuple(map(int, about["python"].split(".")[:2])) >= (3, 12)
    missing = {"mainspring", "apscheduler", "uvloop"} - set(about["versions"])
    if not has_eager_tasks:
        missing.add(FLOOR_EAGER)
    for name in only or WORKLOADS:
        module = WORKLOADS[name]
        subjects = [subject for subject in module.SIZES if subject not in missing]
        for case in module.CASES:
            for loop in module.LOOPS:
                if loop not in missing:
                    yield Series(name, case, loop, subjects, rounds or ROUNDS[name])


def run_once(python: str, series: Series, subject: str, scale: float) -> dict[str, float]:
    """One measurement in a fresh process."""
    size = max(1, round(WORKLOADS[series.workload].SIZES[subject] * scale))
    command = [python, "-m", "benchmarks.measure", series.workload, series.case, subject]
    command += ["--loop", series.loop, "--size", str(size)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])}\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_rounds(python: str, series: Series, scale: float) -> None:
    """Fills the figures of one series."""
    for number in range(series.rounds):
        first = number % len(series.subjects)
        for subject in series.subjects[first:] + series.subjects[:first]:
            for name, value in run_once(python, series, subject, scale).items():
                figures = series.figures.setdefault(subject, {})
                figures.setdefault(name, []).append(value)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], choices=WORKLOADS)
    parser.add_argument("--rounds", type=int, help="for every workload; default: a few")
    parser.add_argument("--python", default=sys.executable, help="the interpreter to measure")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes; for a trial")
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder for the figures as JSON")
    options = parser.parse_args()

    about = subprocess.run([options.python, "-c", DESCRIBE], capture_output=True, check=True)
    environment = report.environment(json.loads(about.stdout))
    print(report.title(environment), flush=True)
    measured = []
    for series in plan(options.only, options.rounds, environment):
        run_rounds(options.python, series, options.scale)
        print(report.table(series), flush=True)
        measured.append(series)
    print("\nwritten to", report.save(options.out, environment, options.scale, measured))


if __name__ == "__main__":
    main()
