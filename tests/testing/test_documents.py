"""The examples of docs/testing.md, and the one in the README, are run as the suite of a user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.testing.suites import run_suite

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [
    example
    for document in ("docs/testing.md", "README.md")
    for example in re.findall(
        r"^```python\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL
    )
    if "def test_" in example
]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example(tmp_path: Path, number: int) -> None:
    options = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"]
    outcome = run_suite(tmp_path, EXAMPLES[number], *options)
    tests = len(re.findall(r"^ *(?:async )?def test_", EXAMPLES[number], re.MULTILINE))
    assert tests > 0
    assert (outcome.code, outcome.count("passed")) == (0, tests), outcome.output
