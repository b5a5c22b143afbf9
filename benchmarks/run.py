"""Runs the workloads for every subject and prints what came out.

    python -m benchmarks.run                                all of it: hours
    python -m benchmarks.run --quick                        the main ones, under 3 minutes
    python -m benchmarks.run --only burst --only pool       two workloads
    python -m benchmarks.run --scale 0.01 --rounds 1        in small, to see that everything works
    python -m benchmarks.run --out benchmarks/results       for publication

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
from benchmarks.subjects import (
    AIOCRON,
    APSCHEDULER,
    APSCHEDULER4,
    APSCHEDULER4_TUNED,
    FLOOR_EAGER,
    MAINSPRING,
    RIVALS,
    TASKIQ,
)
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
#: Unless --rounds or the workload says otherwise.
ROUNDS = 5
#: In seconds, for one measurement.
TIMEOUT = 600
#: Begins what a result says of a measurement that went wrong, in place of figures.
FAILED = "failed: "
#: What one measures for oneself is not for the repository.
LOCAL = Path("benchmarks/results/local")

# Run by an interpreter that measures: what it is and which libraries it has.
DESCRIBE = """
import importlib.metadata, json, platform, sys
versions = {}
for name in sys.argv[1:]:
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
    #: Subject -> why the workload makes no sense for it, or what became of it.
    cannot: dict[str, str] = field(default_factory=dict)


def describe(python: str, rivals: str | None) -> dict[str, Any]:
    """What the interpreters are and have: "python" and "versions", the rivals' under their subjects."""
    about = _ask(python, MAINSPRING, APSCHEDULER, "uvloop", "sqlalchemy")
    if rivals:
        versions = _ask(rivals, APSCHEDULER, AIOCRON, TASKIQ)["versions"]
        if APSCHEDULER in versions:
            version = versions.pop(APSCHEDULER)
            versions = {APSCHEDULER4: version, **versions}
        about["versions"].update(versions)
    return about


def _ask(python: str, *libraries: str) -> dict[str, Any]:
    done = subprocess.run([python, "-c", DESCRIBE, *libraries], capture_output=True, check=True)
    about: dict[str, Any] = json.loads(done.stdout)
    return about


def plan(
    only: list[str], rounds: int | None, about: dict[str, Any], quick: bool = False
) -> Iterator[Series]:
    """What is to be measured, as far as the interpreters have the libraries for it."""
    has_eager_tasks = tuple(map(int, about["python"].split(".")[:2])) >= (3, 12)
    missing = {MAINSPRING, APSCHEDULER, "uvloop", APSCHEDULER4, AIOCRON, TASKIQ}
    missing -= set(about["versions"])
    if not has_eager_tasks:
        missing.add(FLOOR_EAGER)
    if APSCHEDULER4 in missing:
        missing.add(APSCHEDULER4_TUNED)
    if quick:
        missing.update(RIVALS)
    for name in only or WORKLOADS:
        module = WORKLOADS[name]
        subjects = [subject for subject in module.SIZES if subject not in missing]
        for case in module.CASES:
            for loop in module.LOOPS:
                times = getattr(module, "ROUNDS", ROUNDS)
                if quick:
                    times = getattr(module, "QUICK", {}).get((case, loop), 0)
                if times and loop not in missing:
                    yield Series(name, case, loop, subjects, rounds or times)


def run_once(python: str, series: Series, subject: str, scale: float) -> dict[str, Any]:
    """One measurement in a fresh process: its figures, or why there are none under "cannot"."""
    size = max(1, round(WORKLOADS[series.workload].SIZES[subject] * scale))
    command = [python, "-m", "benchmarks.measure", series.workload, series.case, subject]
    command += ["--loop", series.loop, "--size", str(size)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"cannot": f"is not done after {TIMEOUT // 60} minutes"}
    if done.returncode:
        print(" ".join(command[2:]), done.stderr, sep="\n", file=sys.stderr)
        return {"cannot": f"{FAILED}{done.stderr.splitlines()[-1]}"}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_rounds(pythons: dict[str, str], series: Series, scale: float) -> None:
    """Fills the figures of one series; `pythons` has each subject's interpreter."""
    for number in range(series.rounds):
        first = number % len(series.subjects)
        for subject in series.subjects[first:] + series.subjects[:first]:
            if subject in series.cannot:
                continue
            figures = run_once(pythons[subject], series, subject, scale)
            if "cannot" in figures:
                series.cannot[subject] = figures["cannot"]
                series.figures.pop(subject, None)
                continue
            for name, value in figures.items():
                series.figures.setdefault(subject, {}).setdefault(name, []).append(value)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], choices=WORKLOADS)
    parser.add_argument("--quick", action="store_true", help="the main ones, under 3 minutes")
    parser.add_argument("--rounds", type=int, help="for every workload; default: a few")
    parser.add_argument("--python", default=sys.executable, help="the interpreter to measure")
    parser.add_argument("--rivals", help="the interpreter that has apscheduler 4, aiocron, taskiq")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes; for a trial")
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder for the figures as JSON")
    options = parser.parse_args()

    environment = report.environment(describe(options.python, options.rivals))
    print(report.title(environment), flush=True)
    measured = []
    for series in plan(options.only, options.rounds, environment, options.quick):
        pythons = {
            subject: options.rivals if subject in RIVALS else options.python
            for subject in series.subjects
        }
        run_rounds(pythons, series, options.scale)
        print(report.table(series), flush=True)
        measured.append(series)
    print("\nwritten to", report.save(options.out, environment, options.scale, measured))
    failed = [text for series in measured for text in series.cannot.values() if FAILED in text]
    if failed:
        sys.exit(f"{len(failed)} measurements failed")


if __name__ == "__main__":
    main()
