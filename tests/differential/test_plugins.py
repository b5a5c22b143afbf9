"""Plugins of installed packages, as APScheduler and mainspring find them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
from {package}.schedulers.background import BackgroundScheduler
from {package}.triggers.interval import IntervalTrigger
scheduler = BackgroundScheduler(
    timezone="UTC", executors={{"default": {{"type": "mine", "size": 3}}}},
    jobstores={{"default": {{"type": "mine"}}}},
)
print(type(scheduler._executors["default"]).__name__, scheduler._executors["default"].size)
print(type(scheduler._jobstores["default"]).__name__)
print(type(scheduler.add_job(print, "mine", minutes=3).trigger).__name__)
for type_ in ("trigger", "executor", "jobstore"):
    for alias in ("nosuch", "broken", "other"):
        try:
            scheduler._create_plugin_instance(type_, alias, {{}})
        except Exception as exc:
            print(type_, alias, type(exc).__name__, exc)
"""


PLUGINS = """
from {package}.executors.debug import DebugExecutor
from {package}.jobstores.memory import MemoryJobStore
from {package}.triggers.interval import IntervalTrigger
class Executor(DebugExecutor):
    def __init__(self, size):
        super().__init__()
        self.size = size
class Store(MemoryJobStore): pass
class Trigger(IntervalTrigger): pass
class Other: pass
"""


@pytest.mark.parametrize("group", ["apscheduler", "mainspring"])
def test_plugins_of_installed_packages(tmp_path: Path, group: str) -> None:
    outputs = {}
    for package in ("apscheduler", "mainspring"):
        directory = tmp_path / package
        information = directory / "plugins-1.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1\n")
        # The group of mainspring's name is only mainspring's.
        prefix = group if package == "mainspring" else "apscheduler"
        lines = []
        for type_, cls in (("trigger", "Trigger"), ("executor", "Executor"), ("jobstore", "Store")):
            lines += [f"[{prefix}.{type_}s]", f"mine = plugins:{cls}"]
            lines += ["other = plugins:Other", "broken = plugins:nosuch"]
        (information / "entry_points.txt").write_text("\n".join(lines))
        (directory / "plugins.py").write_text(PLUGINS.format(package=package))
        program = PROGRAM.format(package=package)
        command = [sys.executable, "-c", program, package, str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), done
        outputs[package] = done.stdout
    assert outputs["mainspring"] == outputs["apscheduler"]
    assert outputs["mainspring"].startswith("Executor 3\nStore\nTrigger\n")
