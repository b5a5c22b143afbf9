"""The documents say what is so: examples run, links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import without_slow

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md"))


def python_examples(document: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def test_the_readme_has_examples():
    assert python_examples(ROOT / "README.md")


@pytest.mark.parametrize("example", python_examples(ROOT / "README.md"))
def test_a_readme_example_runs_as_a_program(example, tmp_path):
    program = tmp_path / "example.py"
    program.write_text(example)
    command = [sys.executable, "-X", "dev", "-W", "error", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, without_slow(done.stderr)) == (0, "")

    # A comment "# prints: x" promises a line of output.
    for promised in re.findall(r"# prints: (.+)", example):
        assert promised in done.stdout.splitlines()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
