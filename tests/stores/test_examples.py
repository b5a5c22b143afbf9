"""The examples of job stores: what one keeps is there when it is started again, however it has ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stores.places import Place
from tests.support import PATIENCE, without_slow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def ticks(example: Path, address: str) -> tuple[str, list[str]]:
    """Run an example until it has ticked twice; return what it says first, and its ticks."""
    command = [sys.executable, "-W", "error", str(example), address]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        found: list[str] = []
        for line in process.stdout:
            found += [line] if line.startswith("Tick!") else []
            if len(found) == 2:
                break
        process.kill()
        _, errors = process.communicate(timeout=PATIENCE)
        assert without_slow(errors) == ""
    return first, found


@pytest.mark.parametrize("alias", ["redis", "mongodb", "rethinkdb"])
def test_the_job_outlives_the_program(alias: str, place: Place) -> None:
    example = EXAMPLES / f"{alias}_store.py"
    address = f"{place.arguments['host']}:{place.arguments['port']}"
    first, found = ticks(example, address)
    assert (first, len(found)) == ("Press Ctrl-C to exit\n", 2)
    first, found = ticks(example, address)
    assert (first, len(found)) == ("Found the job of an earlier run\n", 2)
    assert place.states().keys() == {"tick"}
