"""The benchmarks run, in small, for every subject; what they measure is not looked at here."""

import json
import sys

import pytest

from benchmarks import quick, report
from benchmarks.measure import measure
from benchmarks.subjects import APSCHEDULER, FLOOR_EAGER, MAINSPRING
from benchmarks.workloads import WORKLOADS

ENVIRONMENT = report.environment(
    {
        "python": "{}.{}.{}".format(*sys.version_info),
        "versions": {MAINSPRING: "1.0", APSCHEDULER: "3.11.3"},
    }
)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_workload_runs_and_is_reported(workload, tmp_path):
    series = next(quick.plan([workload], 1, ENVIRONMENT))
    for subject in series.subjects:
        figures = measure(workload, series.case, subject, series.loop, 20)
        assert figures.keys() == WORKLOADS[workload].METRICS.keys()
        series.figures[subject] = {name: [value] for name, value in figures.items()}

    table = report.table(series)
    assert all(f"    {subject} " in table for subject in series.subjects)
    path = report.save(tmp_path, ENVIRONMENT, 1.0, [series])
    assert json.loads(path.read_text())["series"][0]["figures"] == series.figures


def test_what_the_interpreter_lacks_is_not_planned():
    about = {"python": "3.11.0", "versions": {APSCHEDULER: "3.11.3"}}
    plan = list(quick.plan([], None, about))
    assert not [series for series in plan if series.loop == "uvloop"]
    assert not {MAINSPRING, FLOOR_EAGER} & {name for series in plan for name in series.subjects}


def test_a_ratio_says_how_many_times_better():
    assert report.ratio("lower", 2.0, 10.0).strip() == "5.00x"
    assert report.ratio("higher", 10.0, 2.0).strip() == "5.00x"
    assert report.ratio("lower", 0.0, 1.0).strip() == "-"
