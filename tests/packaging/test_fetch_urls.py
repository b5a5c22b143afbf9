"""examples/fetch_urls.py as a user runs it, with each of the two libraries in its imports."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fetch_urls.py"


@pytest.fixture(params=["mainspring", "apscheduler"])
def library(request):
    return request.param


@pytest.fixture
def program(library, tmp_path):
    source = EXAMPLE.read_text()
    program = tmp_path / EXAMPLE.name
    program.write_text(source.replace("from mainspring.", f"from {library}."))
    return [sys.executable, program]


def test_serves_itself_and_ends(program, library):
    done = subprocess.run(
        [*program, "--every", "1", "--for", "2.9"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{library} ")
    runs = re.findall(
        r"^run +(\d+)  scheduled [\d:.]+  started [+-][\d.]+ ms late$", done.stdout, re.M
    )
    assert runs[0] == "1"
    for page, status in {"source.py": 200, "year.html": 200, "not-there.html": 404}.items():
        assert re.search(
            rf"^ +{status} +[\d,]+ B +[\d.]+ ms  http://\S+/{page}$", done.stdout, re.M
        )
    assert f"{len(runs)} runs (" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_fetches_the_urls_given_until_interrupted(program):
    # Port 1 is privileged and has no server; the error is shown and the program goes on.
    with subprocess.Popen(
        [*program, "--every", "0.2", "http://127.0.0.1:1/"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        failures = 0
        for line in process.stdout:
            failures += "ClientConnectorError" in line
            if failures == 2:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 0
    assert re.search(r"\d+ fetches \(\d+ x ClientConnectorError\), 0 bytes", rest)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "soon"])
def test_a_bad_length_of_time_is_refused(value):
    done = subprocess.run(
        [sys.executable, EXAMPLE, "--every", value], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "--every" in done.stderr
