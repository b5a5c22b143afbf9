"""Servers of Debian's packages, each started in a folder of its own on a free port of this machine, and the
real APScheduler as another program that uses them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.support import PATIENCE

#: The environment in which etcd3 can be imported whatever the version of protobuf.
ETCD3_IMPORTS = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
REFERENCE = Path(__file__).parent / "rows" / "reference.py"

#: What APScheduler says of jobs, by their ids.
Facts = dict[str, dict[str, Any]]

ZOOKEEPER = Path("/usr/share/java/zookeeper.jar")


def import_etcd3() -> Any:
    """Import etcd3, also beside the protobuf that other packages need here."""
    with warnings.catch_warnings(), patch.dict(os.environ, ETCD3_IMPORTS):
        warnings.simplefilter("ignore")
        try:
            import etcd3
        except (ImportError, TypeError) as exc:
            pytest.skip(f"etcd3 cannot be imported here: {exc}", allow_module_level=True)
    return etcd3


def run_reference(
    command: str, alias: str, arguments: dict[str, Any], python: str = sys.executable
) -> Facts:
    """Have an installed APScheduler fill a job store, or read it, without mainspring."""
    done = subprocess.run(
        [python, str(REFERENCE), command, alias, json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **ETCD3_IMPORTS},
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    facts: Facts = json.loads(done.stdout)
    return facts


def run_example(name: str, address: str) -> str:
    """Run an example with a server's address until it prints what its job does; return that line."""
    with subprocess.Popen(
        [sys.executable, EXAMPLES / name, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ETCD3_IMPORTS},
    ) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == "Press Ctrl-C to exit\n"
            line = program.stdout.readline()
            program.send_signal(signal.SIGINT)
            _, errors = program.communicate(timeout=2 * PATIENCE)
        finally:
            program.kill()
    assert "Traceback" not in errors
    assert program.returncode == 0
    return line


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(command: list[Any], folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=log, stderr=log)
    try:
        yield
    except BaseException:
        print((folder / "log").read_text(errors="replace"))
        raise
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_etcd(folder: Path, port: int = 0) -> Iterator[int]:
    """Run etcd; yields its port, which is a free one unless it is given."""
    command = shutil.which("etcd")
    if command is None:
        pytest.skip("there is no etcd here: Debian has it in etcd-server")
    import grpc

    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["--data-dir", folder / "data", "--log-outputs", "stderr", "--logger", "zap"]
    arguments += ["--listen-client-urls", url, "--advertise-client-urls", url]
    arguments += ["--listen-peer-urls", "unix://peer:1"]
    with running([command, *arguments], folder):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(PATIENCE)
        yield port


@contextmanager
def running_zookeeper(folder: Path, port: int = 0) -> Iterator[int]:
    """Run ZooKeeper; yields its port, which is a free one unless it is given."""
    java = shutil.which("java")
    if java is None or not ZOOKEEPER.exists():
        pytest.skip("there is no ZooKeeper here: Debian has it in libzookeeper-java")
    from kazoo.client import KazooClient

    port = port or free_port()
    (folder / "zoo.cfg").write_text(
        f"clientPort={port}\nclientPortAddress=127.0.0.1\ndataDir={folder}/data\n"
        "tickTime=2000\nadmin.enableServer=false\nforceSync=no\nmaxClientCnxns=0\n"
    )
    options = ["-Xmx256m", "-XX:TieredStopAtLevel=1"]
    main = "org.apache.zookeeper.server.ZooKeeperServerMain"
    with running([java, *options, "-cp", ZOOKEEPER, main, "zoo.cfg"], folder):
        client = KazooClient(f"127.0.0.1:{port}")
        client.start(PATIENCE)
        client.stop()
        client.close()
        yield port
