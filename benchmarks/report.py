"""What the benchmarks print and write: medians, spread, ratios, and the machine they are from."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.subjects import APSCHEDULER, FLOOR, FLOOR_EAGER
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from benchmarks.run import Series


def environment(about: dict[str, Any]) -> dict[str, Any]:
    """Date, hardware and system, added to what the measured interpreter says of itself."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        **about,
    }


def cpu_model() -> str:
    """The processor's name, as far as the system gives it away."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def title(environment: dict[str, Any]) -> str:
    """One line on where and with what."""
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items())
    return (
        f"CPython {environment['python']}, {versions}; {environment['cores']} cores of"
        f" {environment['cpu'] or 'an unnamed processor'}, {environment['date'][:10]}"
    )


def ratio(better: str, value: float, rival: float) -> str:
    """How many times better than its rival a figure is."""
    low, high = (value, rival) if better == "lower" else (rival, value)
    return f"{high / low:9.2f}x" if low > 0 else f"{'-':>10}"


def table(series: Series) -> str:
    """The figures of one series: a block for each metric, a line for each subject."""
    where = f" on {series.loop}" if series.loop else ""
    lines = [f"\n{series.workload}: {series.case}{where}; rounds: {series.rounds}"]
    for metric, better in WORKLOADS[series.workload].METRICS.items():
        medians = {
            subject: statistics.median(figures[metric])
            for subject, figures in series.figures.items()
            if metric in figures
        }
        rivals = [name for name in (APSCHEDULER, FLOOR, FLOOR_EAGER) if name in medians]
        lines.append(
            f"  {metric + ' (' + better + ' is better)':<40} {'median':>10}"
            f" {'lowest':>10} {'highest':>10}" + "".join(f" vs {name:<12}" for name in rivals)
        )
        for subject, median in medians.items():
            values = series.figures[subject][metric]
            ratios = [
                " " * 10 if name == subject else ratio(better, median, medians[name])
                for name in rivals
            ]
            lines.append(
                f"    {subject:<38} {median:10,.2f} {min(values):10,.2f} {max(values):10,.2f}"
                + "".join(f" {text:<15}" for text in ratios)
            )
    lines += [f"    {subject:<38} cannot: {reason}" for subject, reason in series.cannot.items()]
    return "\n".join(line.rstrip() for line in lines)


def save(folder: Path, environment: dict[str, Any], scale: float, measured: list[Series]) -> Path:
    """Writes everything as JSON, every round's figures included."""
    folder.mkdir(parents=True, exist_ok=True)
    python = "".join(environment["python"].split(".")[:2])
    moment = environment["date"][:19].replace(":", "")
    path = folder / f"{moment}-cp{python}.json"
    content = {**environment, "scale": scale, "series": [asdict(series) for series in measured]}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
