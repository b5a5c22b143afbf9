"""Writes the table of results into README.md, between its markers.

    python -m benchmarks.table                              from all of benchmarks/results/
    python -m benchmarks.table benchmarks/results/x.json    from these

Of the files, whose names begin with their date, the last that has a series counts for it.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.run import ROOT
from benchmarks.subjects import (
    AIOCRON,
    APSCHEDULER,
    APSCHEDULER4,
    APSCHEDULER4_TUNED,
    FLOOR,
    FLOOR_EAGER,
    MAINSPRING,
    TASKIQ,
)
from benchmarks.workloads import WORKLOADS

README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- benchmarks: written by `python -m benchmarks.table` -->"
END = "<!-- end of benchmarks -->"

COLUMNS = {
    MAINSPRING: "mainspring",
    APSCHEDULER: "APScheduler 3",
    APSCHEDULER4: "APScheduler 4",
    APSCHEDULER4_TUNED: "APScheduler 4, tuned",
    AIOCRON: "aiocron",
    TASKIQ: "taskiq",
    FLOOR: "floor",
    FLOOR_EAGER: "floor, eager tasks",
}


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure of a series."""

    title: str
    workload: str
    case: str
    metric: str
    loop: str = ""
    #: Of another interpreter than most: its major and minor version.
    python: str = ""


ROWS = (
    *(
        Row(title, "burst", case, "run_us", loop, python)
        for title, case, loop, python in (
            ("20,000 coroutine jobs at once, us a run", "returns at once", "asyncio", ""),
            ("... interval jobs", "returns at once, interval jobs", "asyncio", ""),
            ("... each suspends once", "suspends once", "asyncio", ""),
            ("... no arguments", "no arguments", "asyncio", ""),
            ("... no arguments, interval jobs", "no arguments, interval jobs", "asyncio", ""),
            ("... added before the start", "added before the start", "asyncio", ""),
            (
                "... before it, interval jobs",
                "added before the start, interval jobs",
                "asyncio",
                "",
            ),
            ("... before it, no arguments", "added before the start, no arguments", "asyncio", ""),
            ("... added while it runs", "added while it runs", "asyncio", ""),
            (
                "... while it runs, interval jobs",
                "added while it runs, interval jobs",
                "asyncio",
                "",
            ),
            ("... a listener to all events", "a listener to all events", "asyncio", ""),
            ("... INFO logging", "INFO logging to a handler that drops", "asyncio", ""),
            ("... on CPython 3.11", "returns at once", "asyncio", "3.11"),
            ("... on uvloop", "returns at once", "uvloop", ""),
            ("... on uvloop, a listener", "a listener to all events", "uvloop", ""),
        )
    ),
    Row(
        "longest stall of the loop meanwhile, ms",
        "burst",
        "returns at once",
        "longest_stall_ms",
        "asyncio",
    ),
    Row("20,000 plain functions at once on 10 threads, us a run", "pool", "10 threads", "run_us"),
    Row("lateness on an idle loop, median ms", "lateness", "idle loop", "p50_ms", "asyncio"),
    Row("... 99th percentile, ms", "lateness", "idle loop", "p99_ms", "asyncio"),
    Row(
        "... with 1,000,000 other jobs, 99th percentile, ms",
        "lateness",
        "1,000,000 other jobs",
        "p99_ms",
        "asyncio",
    ),
    Row(
        "... beside a busy thread, median ms",
        "lateness",
        "beside a busy thread",
        "p50_ms",
        "asyncio",
    ),
    Row(
        "... beside 10 workers full of short jobs, median ms",
        "lateness",
        "beside 10 workers full of short jobs",
        "p50_ms",
        "asyncio",
    ),
    Row(
        "1,000 jobs ten times a second, 99th percentile of lateness, ms",
        "sustained",
        "1,000 jobs, together",
        "p99_ms",
        "asyncio",
    ),
    Row("... % of a core", "sustained", "1,000 jobs, together", "core_percent", "asyncio"),
    Row(
        "10,000 jobs ten times a second, % of the fires that ran",
        "sustained",
        "10,000 jobs, together",
        "run_percent",
        "asyncio",
    ),
    Row(
        "... 99th percentile of lateness, ms",
        "sustained",
        "10,000 jobs, together",
        "p99_ms",
        "asyncio",
    ),
    Row(
        "`add_job` into 100,000 jobs, interval, per s",
        "add_job",
        "interval, into 100,000 jobs",
        "add_per_s",
    ),
    Row("... cron, per s", "add_job", "cron, into 100,000 jobs", "add_per_s"),
    Row("... interval, with a listener, per s", "add_job", "interval, a listener", "add_per_s"),
    Row(
        "... with INFO logging, per s",
        "add_job",
        "interval, INFO logging to a handler that drops",
        "add_per_s",
    ),
    Row("... before the start, per s", "add_job", "interval, before the start", "add_per_s"),
    Row(
        "`add_jobs`, 100,000 interval jobs, per s",
        "add_job",
        "add_jobs, interval, 100,000 at once",
        "add_per_s",
    ),
    *(
        Row(
            f"{name} a job" + (" among 100,000" if name == "pause" else "") + ", per s",
            "change",
            "among 100,000 jobs",
            f"{name}_per_s",
        )
        for name in ("pause", "resume", "reschedule", "modify", "remove")
    ),
    Row("`get_jobs` of 100,000, ms", "get_jobs", "100,000 jobs", "ms"),
    Row("memory of an interval job, bytes", "memory", "interval", "job_bytes"),
    Row("memory of a cron job, bytes", "memory", "cron", "job_bytes"),
    *(
        Row(f"next fire time of a cron trigger, {case}, per s", "next_fire", case, "next_per_s")
        for case in WORKLOADS["next_fire"].CASES
    ),
    Row("1,000,000 jobs: load, s", "million", "within a minute", "load_s", "asyncio"),
    Row(
        "... and fire within a minute: memory, MB",
        "million",
        "within a minute",
        "rss_mb",
        "asyncio",
    ),
    Row("... 99th percentile of lateness, ms", "million", "within a minute", "p99_ms", "asyncio"),
    Row(
        "7 days of missed fires every second, ms", "catch_up", "7 days, every second", "catch_up_ms"
    ),
    Row("10 years of them, ms", "catch_up", "10 years, every second", "catch_up_ms"),
    Row("virtual time: a fire with `DebugExecutor`, us", "virtual", "DebugExecutor", "fire_us"),
    Row("... with a thread pool, us", "virtual", "thread pool", "fire_us"),
    Row("idle with 10,000 jobs, CPU s in 10 s", "idle", "10,000 jobs", "cpu_s_per_10_s", "asyncio"),
    Row("import, ms", "importing", "its asyncio scheduler", "import_ms"),
    Row(
        "growth of memory over 10,000,000 runs, %",
        "endurance",
        "jobs that run once",
        "grown_percent",
        "asyncio",
    ),
)


def number(value: float) -> str:
    """A figure in three digits or so, for people."""
    if value >= 1_000:
        digits = 3 - len(str(int(value)))
        return f"{round(value, digits):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def cell(series: dict[str, Any], subject: str, row: Row) -> str:
    """What the table says of a subject."""
    values = series["figures"].get(subject, {}).get(row.metric)
    if values:
        return number(statistics.median(values))
    return "cannot" if subject in series["cannot"] else ""


def ratio(series: dict[str, Any], row: Row) -> str:
    """How many times better mainspring is than APScheduler 3."""
    medians = [
        statistics.median(series["figures"].get(subject, {}).get(row.metric, [0.0]))
        for subject in (MAINSPRING, APSCHEDULER)
    ]
    if min(medians) <= 0:
        return ""
    better = WORKLOADS[row.workload].METRICS[row.metric]
    text = report.ratio(better, *medians).strip()
    return text if text == "-" else f"{number(float(text[:-1]))}x"


def render(contents: list[dict[str, Any]]) -> str:
    """The table in Markdown with what it was measured on."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    titles: dict[str, str] = {}
    for content in contents:
        python = ".".join(content["python"].split(".")[:2])
        titles[python] = report.title(content)
        for series in content["series"]:
            found[python, series["workload"], series["case"], series["loop"]] = series
    main = max(titles, key=lambda python: sum(key[0] == python for key in found))
    lines = [
        "| | " + " | ".join([*COLUMNS.values(), "mainspring against APScheduler 3"]) + " |",
        "|---" + "|---:" * (len(COLUMNS) + 1) + "|",
    ]
    for row in ROWS:
        of_row = found.get((row.python or main, row.workload, row.case, row.loop))
        if of_row:
            cells = [cell(of_row, subject, row) for subject in COLUMNS]
            lines.append(f"| {' | '.join([row.title, *cells, ratio(of_row, row)])} |")
    rounds = sorted({series["rounds"] for series in found.values()})
    span = str(rounds[0]) if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
    rounds_of = f"Medians of {span} rounds" if span != "1" else "One round"
    lines += ["", f"{rounds_of}. " + " ".join(f"{text}." for text in titles.values())]
    return "\n".join(lines)


def write(document: Path, table: str) -> None:
    """Replaces what is between the markers of the document."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{document} has no markers of the benchmarks")
    document.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--print", action="store_true", help="instead of writing into README.md")
    options = parser.parse_args()
    files = options.files or sorted(RESULTS.glob("*-cp*.json"))
    if not files:
        raise SystemExit(f"{RESULTS} has no results: make bench")
    contents = [json.loads(file.read_text()) for file in files]
    if any(content["scale"] != 1 for content in contents):
        raise SystemExit("trials in another size than the workloads' are not for publication")
    table = render(contents)
    if options.print:
        print(table)
    else:
        write(README, table)


if __name__ == "__main__":
    main()
