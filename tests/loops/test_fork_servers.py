"""Servers that load an application, with a scheduler that is started in it, and fork a worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")

#: Seconds, where the machine is busy.
WAIT = 180

#: No thread of the server's first process waits for the interpreter while it forks: a child that
#: uWSGI forks in C may wait for ever for such a thread, which it does not have (PLATFORM.md). So
#: the thread that begins the work is never made to let go before it waits for the test.
APP = """
import atexit, logging, os, sys, threading
from mainspring import BackgroundScheduler

out = os.environ["OUT"]

def tick():
    with open(out, "a") as file:
        file.write(f"{os.getpid()}\\n")

def tick_once_forked():
    open(os.environ["FORKED"]).close()
    scheduler.resume_job("tick")

scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_job(tick, "interval", seconds=0.02, id="tick", next_run_time=None)
scheduler.start()
atexit.register(scheduler.shutdown)
logging.basicConfig()
sys.setswitchinterval(1000)
threading.Thread(target=tick_once_forked, daemon=True).start()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/start":
        scheduler.start()
        scheduler.resume_job("tick")
    return [f"{os.getpid()} {scheduler.running}".encode()]
"""


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def wait_for(pid: str, out: Path) -> None:
    """Wait until a process has written another two lines."""
    before = lines(out).count(pid)
    with subprocess.Popen(
        [sys.executable, "-c", TAIL, str(out), pid, str(before + 2)], stdout=subprocess.DEVNULL
    ) as tail:
        assert tail.wait(WAIT) == 0


TAIL = """
import sys, time
path, pid, count = sys.argv[1:]
while True:
    try:
        with open(path) as file:
            if file.read().split().count(pid) >= int(count):
                break
    except FileNotFoundError:
        pass
    time.sleep(0.01)
"""


def command(server: str, port: int) -> list[str]:
    """Return the command that has a server load the application, and then fork a worker."""
    if server == "uwsgi":
        pytest.importorskip("pyuwsgi", reason="pyuwsgi has no wheel for this platform")
        program = Path(sys.executable).with_name("uwsgi")
        options = ["--master", "--processes=1", "--enable-threads", "--die-on-term", "--need-app"]
        place = [f"--http-socket=127.0.0.1:{port}", f"--virtualenv={sys.prefix}"]
        return [str(program), *options, *place, "--module=application:app"]
    pytest.importorskip("gunicorn", reason="gunicorn has no release for this platform")
    options = ["--preload", "--workers=1", "--no-control-socket", f"--bind=127.0.0.1:{port}"]
    if server == "gunicorn with gevent":
        pytest.importorskip("gevent", reason="gevent cannot be installed here")
        options.append("--worker-class=gevent")
    return [sys.executable, "-m", "gunicorn", *options, "application:app"]


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn with gevent", "uwsgi"])
def test_a_server_that_forks_a_worker(tmp_path: Path, server: str) -> None:
    (tmp_path / "application.py").write_text(APP)
    out, forked = tmp_path / "out", tmp_path / "forked"
    os.mkfifo(forked)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = tmp_path / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command(server, port),
            cwd=tmp_path,
            env={**os.environ, "OUT": str(out), "FORKED": str(forked)},
            stdout=stderr,
            stderr=stderr,
        ) as master,
    ):
        try:
            pid, running = ask(port, "/")
            assert (pid != str(master.pid), running) == (True, "False")
            forked.write_text("")
            wait_for(str(master.pid), out)
            assert set(lines(out)) == {str(master.pid)}
            pid, running = ask(port, "/start")
            assert running == "True"
            wait_for(pid, out)
            wait_for(str(master.pid), out)
        finally:
            master.send_signal(signal.SIGTERM)
            assert master.wait(WAIT) == 0, log.read_text()
    said = log.read_text()
    assert set(lines(out)) == {str(master.pid), pid}
    # By the worker that was asked; who starts the scheduler knows that it did not run.
    assert said.count("does not run in this forked process") == 1, said
    assert "Traceback" not in said, said


def ask(port: int, path: str) -> tuple[str, str]:
    """Ask the worker, once it listens, who it is and whether its scheduler runs."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=WAIT) as answer:
                pid, running = answer.read().decode().split()
                return pid, running
        except ConnectionError:
            continue
        except urllib.error.URLError as exc:
            if not isinstance(exc.reason, ConnectionError):
                raise
