"""The benchmarks run, in small, for every subject; what they measure is not looked at here."""

import json
import logging
import sys
from xml.etree import ElementTree

import pytest

from benchmarks import report, run, scaling, table
from benchmarks.drawing import draw
from benchmarks.measure import measure
from benchmarks.subjects import APSCHEDULER, FLOOR_EAGER, LIBRARIES, MAINSPRING, RIVALS
from benchmarks.workloads import WORKLOADS

ENVIRONMENT = report.environment(
    {
        "python": "{}.{}.{}".format(*sys.version_info),
        "versions": {MAINSPRING: "1.0", APSCHEDULER: "3.11.3"},
    }
)
#: Where twenty would take long: they multiply it.
SIZES = {
    "lateness": 2,
    "idle": 1,
    "importing": 1,
    "catch_up": 1,
    "change": 2,
    "sustained": 2,
    "virtual": 1,
}
CASES = [
    pytest.param(workload, case, id=f"{workload}, {case}")
    for workload, module in WORKLOADS.items()
    for case in module.CASES
    # A saturated machine takes its time, and a hundred thousand jobs do.
    if "10 workers" not in case and "10,000 jobs" not in case
]


@pytest.fixture(autouse=True)
def loggers():
    """Puts the loggers back that a case has changed, which runs in this process here."""
    known = [logging.getLogger(library) for library in LIBRARIES]
    before = [(each.level, each.propagate, each.handlers[:]) for each in known]
    yield
    for each, (level, propagate, handlers) in zip(known, before, strict=True):
        each.setLevel(level)
        each.propagate, each.handlers[:] = propagate, handlers


@pytest.mark.parametrize(("workload", "case"), CASES)
def test_a_workload_runs_and_is_reported(workload, case, tmp_path):
    plan = run.plan([workload], 1, ENVIRONMENT)
    series = next(series for series in plan if series.case == case)
    for subject in series.subjects:
        size = SIZES.get(workload, 20)
        figures = measure(workload, case, subject, series.loop, size)
        if "cannot" in figures:
            series.cannot[subject] = figures["cannot"]
            continue
        assert figures.keys() == WORKLOADS[workload].METRICS.keys()
        series.figures[subject] = {name: [value] for name, value in figures.items()}

    printed = report.table(series)
    assert all(f"    {subject} " in printed for subject in series.subjects)
    path = report.save(tmp_path, ENVIRONMENT, 1.0, [series])
    assert json.loads(path.read_text())["series"][0]["figures"] == series.figures


def test_what_the_interpreters_lack_is_not_planned():
    about = {"python": "3.11.0", "versions": {APSCHEDULER: "3.11.3"}}
    plan = list(run.plan([], None, about))
    assert not [series for series in plan if series.loop == "uvloop"]
    planned = {name for series in plan for name in series.subjects}
    assert not {MAINSPRING, FLOOR_EAGER, *RIVALS} & planned


def test_the_quick_plan_has_no_rivals_and_fewer_cases():
    versions = dict.fromkeys([*ENVIRONMENT["versions"], *RIVALS, "uvloop"], "1.0")
    about = {**ENVIRONMENT, "versions": versions}
    quick, full = list(run.plan([], None, about, quick=True)), list(run.plan([], None, about))
    assert len(quick) < len(full)
    assert not {name for series in quick for name in series.subjects} & set(RIVALS)
    assert {name for series in full for name in series.subjects} >= set(RIVALS)


def test_what_a_quick_plan_names_exists():
    for module in WORKLOADS.values():
        for case, loop in getattr(module, "QUICK", {}):
            assert case in module.CASES
            assert loop in module.LOOPS


def test_who_cannot_is_not_asked_again(monkeypatch):
    asked = []

    def run_once(python, series, subject, scale):
        asked.append((python, subject))
        return {"cannot": "no"} if subject == APSCHEDULER else {"run_us": 1.0}

    monkeypatch.setattr(run, "run_once", run_once)
    series = run.Series("pool", "10 threads", "", [MAINSPRING, APSCHEDULER], 3)
    run.run_rounds({MAINSPRING: "python", APSCHEDULER: "other"}, series, 1.0)
    assert asked.count(("other", APSCHEDULER)) == 1
    assert series.cannot == {APSCHEDULER: "no"}
    assert series.figures == {MAINSPRING: {"run_us": [1.0] * 3}}


def test_a_ratio_says_how_many_times_better():
    assert report.ratio("lower", 2.0, 10.0).strip() == "5.00x"
    assert report.ratio("higher", 10.0, 2.0).strip() == "5.00x"
    assert report.ratio("lower", 0.0, 1.0).strip() == "-"


def test_every_row_of_the_table_is_a_figure_of_a_workload():
    for row in table.ROWS:
        module = WORKLOADS[row.workload]
        assert row.case in module.CASES
        assert row.metric in module.METRICS
        assert row.loop in module.LOOPS


def test_the_table_goes_between_its_markers(tmp_path):
    series = {
        "workload": "pool",
        "case": "10 threads",
        "loop": "",
        "rounds": 3,
        "figures": {MAINSPRING: {"run_us": [2.0, 3.0, 9.0]}, APSCHEDULER: {"run_us": [60.0]}},
        "cannot": {"aiocron": "no"},
    }
    rendered = table.render([{**ENVIRONMENT, "series": [series]}])
    assert "| 3 | 60 |" in rendered
    assert "| cannot |" in rendered
    assert rendered.splitlines()[2].endswith("| 20x |")
    document = tmp_path / "README.md"
    document.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(document, rendered)
    table.write(document, rendered)
    text = f"before\n{table.BEGIN}\n{rendered}\n{table.END}\nafter\n"
    assert document.read_text() == text


def test_figures_are_short():
    assert [table.number(value) for value in (0.1234, 12.34, 123.4, 1234.0, 987654.0)] == [
        "0.123",
        "12.3",
        "123",
        "1,230",
        "988,000",
    ]


def test_the_drawing_has_a_mark_for_each_point():
    points = [
        {"kind": kind, "subject": subject, "jobs": jobs, "figures": figures}
        for kind, figures in (
            ("lateness", {"p50_ms": 0.3, "p99_ms": 0.6}),
            ("idle", {"cpu_s_per_10_s": 0.0}),
            ("sustained", {"p50_ms": 2.0, "p99_ms": 4.0, "core_percent": 2.5}),
        )
        for subject in (MAINSPRING, APSCHEDULER)
        for jobs in (1_000, 10_000)
    ]
    points[0]["figures"] = {}  # a measurement that went wrong
    root = ElementTree.fromstring(draw(scaling.charts(points), "<caption>"))
    marks = root.findall("{http://www.w3.org/2000/svg}circle")
    assert len(marks) == sum(len(point["figures"]) for point in points)
    texts = [text.text for text in root.findall("{http://www.w3.org/2000/svg}text")]
    assert "<caption>" in texts
    assert "10k" in texts


async def test_points_of_the_scaling_are_measured(monkeypatch):
    monkeypatch.setattr(scaling, "LATE_RUNS", 2)
    monkeypatch.setattr(scaling, "IDLE_SECONDS", 1)
    monkeypatch.setattr(scaling, "RUNS", 2)
    for kind, metric in (
        ("lateness", "p99_ms"),
        ("idle", "cpu_s_per_10_s"),
        ("sustained", "core_percent"),
    ):
        assert metric in await scaling.Point(kind, MAINSPRING, 10).measure()
