"""Running a suite, as a user writes one, in a pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Outcome:
    code: int
    output: str

    def count(self, what: str) -> int:
        found = re.search(rf"(\d+) {what}", self.output.splitlines()[-1])
        return int(found[1]) if found else 0


def run_suite(directory: Path, suite: str, *options: str, ini: str = "") -> Outcome:
    """Run a suite with every warning an error and without this project's settings."""
    (directory / "pytest.ini").write_text("[pytest]\n" + ini)
    (directory / "test_suite.py").write_text(textwrap.dedent(suite))
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-W", "error", *options, "test_suite.py"],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return Outcome(done.returncode, done.stdout.rstrip())
