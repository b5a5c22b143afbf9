"""Draws lateness and CPU over the number of jobs, and measures the core alone up to ten million.

    python -m benchmarks.scaling                    measures, writes scaling.json and scaling.svg
    python -m benchmarks.scaling --largest 1000     in small, to see that it works
    python -m benchmarks.scaling --core-only        the core alone
    python -m benchmarks.scaling --draw             draws scaling.json again

What is measured are the workloads lateness, idle and sustained, with other numbers of jobs: first jobs of
which none is due, then jobs that each run ten times a second, until they are more than a loop can run.
The core is measured by crates/mainspring-core/examples/scale.rs, which cargo builds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.drawing import Chart, Curve, draw
from benchmarks.run import ROOT, describe
from benchmarks.subjects import APSCHEDULER, MAINSPRING
from benchmarks.workloads import idle, lateness, sustained

RESULTS = ROOT / "benchmarks" / "results"
#: Jobs of which none is due, and jobs that run ten times a second; APScheduler's loading takes long.
LOADED = {MAINSPRING: [10**n for n in range(3, 7)], APSCHEDULER: [1_000, 10_000, 100_000]}
RUNNING = {
    MAINSPRING: [10, 100, 1_000, 3_000, 10_000, 20_000, 30_000, 50_000],
    APSCHEDULER: [10, 100, 1_000, 2_000, 3_000],
}
CORE = [10**n for n in range(3, 8)]
#: Runs of the job whose lateness is measured beside those that are not due; seconds of being idle; runs of
#: each job that runs ten times a second.
LATE_RUNS, IDLE_SECONDS, RUNS = 100, 5, 50
TIMEOUT = 900


@dataclass(frozen=True)
class Point:
    """One measurement."""

    kind: str
    subject: str
    jobs: int

    async def measure(self) -> dict[str, float]:
        """Measures it, in this process."""
        if self.kind == "lateness":
            return await lateness.measure(self.subject, LATE_RUNS, others=self.jobs // LATE_RUNS)
        if self.kind == "idle":
            return await idle.measure(self.subject, IDLE_SECONDS, self.jobs)
        return await sustained.measure(self.subject, RUNS, self.jobs, spread=False)


def measured(point: Point) -> dict[str, Any]:
    """Measures a point in a process of its own; what came of it, with what it is."""
    what = [point.kind, point.subject, str(point.jobs)]
    command = [sys.executable, "-m", "benchmarks.scaling", "--one", *what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    figures: dict[str, float] = {}
    if done.returncode:
        # More than it can do: the point is left out, and why is told.
        print(*what, "failed:", done.stderr.splitlines()[-1], file=sys.stderr)
    else:
        figures = json.loads(done.stdout.splitlines()[-1])
    return {"kind": point.kind, "subject": point.subject, "jobs": point.jobs, "figures": figures}


def core(jobs: int) -> dict[str, float]:
    """The core alone with so many jobs."""
    command = ["cargo", "run", "--release", "--quiet", "--locked", "-p", "mainspring-core"]
    command += ["--example", "scale", "--", str(jobs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def curve(points: list[dict[str, Any]], kind: str, metric: str, subject: str, label: str) -> Curve:
    """What a chart shows of a metric."""
    factor = 10 if kind == "sustained" else 1  # fires per second instead of jobs
    return Curve(
        label,
        subject,
        [
            (point["jobs"] * factor, point["figures"][metric])
            for point in points
            if (point["kind"], point["subject"]) == (kind, subject) and point["figures"]
        ],
        dashed="p50" in metric,
    )


def charts(points: list[dict[str, Any]]) -> list[Chart]:
    """The drawing's charts."""

    def curves(kind: str, **metrics: str) -> list[Curve]:
        return [
            curve(points, kind, metric, subject, f"{subject}{', ' if name else ''}{name}")
            for subject in (MAINSPRING, APSCHEDULER)
            for metric, name in metrics.items()
        ]

    both = {"p50_ms": "median", "p99_ms": "99 %"}
    return [
        Chart("Lateness of a job, others not due", "jobs", "ms", curves("lateness", **both)),
        Chart("CPU while none is due", "jobs", "s in 10 s", curves("idle", cpu_s_per_10_s="")),
        Chart("Lateness under load", "fires per second", "ms", curves("sustained", **both)),
        Chart("Load", "fires per second", "% of a core", curves("sustained", core_percent="")),
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--largest", type=int, default=sys.maxsize, help="number of jobs")
    parser.add_argument("--core-only", action="store_true")
    parser.add_argument("--draw", action="store_true", help="only draw what has been measured")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "SUBJECT", "JOBS"))
    options = parser.parse_args()
    if options.one:
        kind, subject, jobs = options.one
        print(json.dumps(asyncio.run(Point(kind, subject, int(jobs)).measure())))
        return

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "scaling.json"
    if not options.draw:
        content = report.environment(describe(sys.executable, None))
        content["core"] = [core(jobs) for jobs in CORE if jobs <= options.largest]
        print(*content["core"], sep="\n", flush=True)
        plan = [
            Point(kind, subject, jobs)
            for kind, sizes in (("lateness", LOADED), ("idle", LOADED), ("sustained", RUNNING))
            for subject, numbers in sizes.items()
            for jobs in numbers
            if jobs <= options.largest and not options.core_only
        ]
        content["points"] = []
        for point in plan:
            content["points"].append(measured(point))
            print(content["points"][-1], flush=True)
        if not options.core_only:
            path.write_text(json.dumps(content, indent=1) + "\n")
    if not options.core_only:
        content = json.loads(path.read_text())
        drawing = path.with_suffix(".svg")
        drawing.write_text(draw(charts(content["points"]), report.title(content)))
        print("drawn in", drawing)


if __name__ == "__main__":
    main()
