"""What the modules of the frameworks' schedulers and executors say when a framework is missing, and the
alias's and the plugins' ways to them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mainspring.executors.base import BaseExecutor
from mainspring.schedulers.base import BaseScheduler
from tests.support import ManualScheduler

PATIENCE = 60
MODULES = [
    ("schedulers.gevent", "GeventScheduler", "gevent"),
    ("schedulers.qt", "QtScheduler", "PySide6.QtCore"),
    ("schedulers.tornado", "TornadoScheduler", "tornado"),
    ("schedulers.twisted", "TwistedScheduler", "twisted"),
    ("executors.gevent", "GeventExecutor", "gevent"),
    ("executors.tornado", "TornadoExecutor", "tornado"),
    ("executors.twisted", "TwistedExecutor", "twisted"),
]


def run(source: str) -> str:
    command = [sys.executable, "-W", "error", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.parametrize(("module", "name", "framework"), MODULES)
def test_without_the_framework(module: str, name: str, framework: str) -> None:
    if module == "executors.tornado":
        pytest.skip("needs nothing of Tornado")
    package = framework.partition(".")[0]
    said = run(
        f"""
import sys
for version in range(2, 7):
    sys.modules[f"PySide{{version}}"] = sys.modules[f"PyQt{{version}}"] = None
sys.modules[{package!r}] = None
try:
    import mainspring.{module}
except ImportError as exc:
    print(exc)
"""
    )
    assert said.startswith(f"{name} requires ")
    assert "pip install mainspring[" in said


@pytest.mark.parametrize(("module", "name", "framework"), MODULES)
def test_through_the_alias(module: str, name: str, framework: str) -> None:
    pytest.importorskip(framework, reason=f"{framework} cannot be installed here")
    run(
        f"""
import mainspring
mainspring.install_as_apscheduler()
from apscheduler.{module} import {name}
import mainspring.{module}
assert mainspring.{module}.{name} is {name}
"""
    )


@pytest.mark.parametrize("alias", ["gevent", "tornado", "twisted"])
def test_executors_by_their_alias(alias: str) -> None:
    pytest.importorskip(alias, reason=f"{alias} cannot be installed here")
    scheduler: BaseScheduler = ManualScheduler(timezone="UTC")
    scheduler.add_executor(alias)
    executor = scheduler._lookup_executor("default")
    assert isinstance(executor, BaseExecutor)
    assert type(executor).__module__ == f"mainspring.executors.{alias}"
