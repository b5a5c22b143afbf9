"""The documents say what is so: examples run, links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import without_slow

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md"))


def examples(document: str, language: str) -> list[str]:
    """Return the code blocks of a document in a language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


PROGRAMS = [
    pytest.param(example, id=f"{document}-{number}")
    for document in ("README.md", "MIGRATING.md")
    for number, example in enumerate(examples(document, "python"), start=1)
]


def run(command, cwd, **environment):
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("example", PROGRAMS)
def test_an_example_runs_as_a_program(example, tmp_path):
    program = tmp_path / "example.py"
    program.write_text(example)
    done = run([sys.executable, "-X", "dev", "-W", "error", program], tmp_path)
    # What goes wrong on purpose is told of.
    expected = r"The trigger of job .*RuntimeError: a bug\n" if "a bug" in example else ""
    assert done.returncode == 0
    assert re.fullmatch(expected, without_slow(done.stderr), re.DOTALL), done.stderr

    # A comment "# prints: x" promises a line of output.
    for promised in re.findall(r"# prints: (.+)", example):
        assert promised in done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="runs a shell")
def test_the_ways_of_migrating_a_program(tmp_path):
    """The commands of MIGRATING.md, in their order, with the program that it begins with."""
    program = examples("MIGRATING.md", "python")[0]
    (tmp_path / "program.py").write_text(program)
    commands = examples("MIGRATING.md", "sh")
    assert len(commands) == 2
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        done = run(["sh", "-e", "-c", command], tmp_path, PATH=path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == re.search(r"# prints: (.+)", program)[1] + "\n"
    assert (tmp_path / "program.py").read_text() == program.replace("apscheduler", "mainspring")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
