"""The names and signatures of APScheduler 3.11.3, each beside mainspring's."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "compare-names"


def test_each_difference_is_deliberate_and_in_the_table() -> None:
    command = [sys.executable, str(TOOL), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# That the tool finds what it is to find.

THEIRS = """
from datetime import timedelta
LIMIT = 3

def find(name, start=0): ...

class Base:
    state = None
    def __init__(self, size): self.size = size
    def grow(self, by=1): ...
    @classmethod
    def make(cls, text): ...
    @property
    def area(self): ...
"""


@pytest.fixture
def complaints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    tool = runpy.run_path(str(TOOL))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(tool["problems"].__globals__, "DIFFERENCES", {"sample.find": "why not"})

    def load(package: str, source: str) -> ModuleType:
        (tmp_path / package).mkdir()
        (tmp_path / package / "sample.py").write_text(source)
        return __import__(f"{package}.sample", fromlist=["sample"])

    def compare(ours: str) -> set[str]:
        names = ("names_theirs", "names_ours")
        theirs, found = map(load, names, (THEIRS, ours))
        try:
            rows = list(tool["rows_of_module"](theirs, found))
            return {problem.split(":")[0] for problem in tool["problems"]([("sample", rows)])}
        finally:
            for name in [*names, *(f"{name}.sample" for name in names)]:
                sys.modules.pop(name, None)

    return compare


STALE = "sample.find"  # a reason for a difference that is not there


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        ("", "", {STALE}),
        ("start=0", "start=1", set()),
        ("LIMIT = 3", "", {STALE, "sample.LIMIT"}),
        ("by=1", "by=2", {STALE, "sample.Base.grow(by=1)"}),
        ("by=1", "*, by=1", {STALE, "sample.Base.grow(by=1)"}),
        ("cls, text", "cls, texts", {STALE, "sample.Base.make(text)"}),
        ("state = None", "", {STALE, "sample.Base.state"}),
        ("self.size = size", "pass", {STALE, "sample.Base.size"}),
        ("self, size", "self, size=1", {STALE, "sample.Base(size)"}),
        ("def area", "def areas", {STALE, "sample.Base.area"}),
    ],
)
def test_what_counts(complaints: Any, theirs: str, ours: str, found: set[str]) -> None:
    assert complaints(THEIRS.replace(theirs, ours) if theirs else THEIRS) == found


def test_a_module_that_is_missing() -> None:
    tool = runpy.run_path(str(TOOL))
    said = list(tool["problems"]([("jobstores.other", None)]))
    assert "jobstores.other: mainspring has no such module" in said
