"""Servers that live in the tests, for clients of databases of which there is no server to be had.

Ground rules: each connection is served by a thread of its own; what they share is the data, under
``Server.lock``, which is held for one request. Another lock guards the table of open connections.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Any


class Server:
    """A server on a port of its own that can be stopped and started again; its data stay."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        #: Ids of jobs that it takes no writes for.
        self.refused: set[str] = set()
        #: The names of the writes, one for each request.
        self.writes: list[str] = []
        self.port = 0
        self.start()

    def start(self) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                connection: Any = self.connection
                with outer._connections_lock:
                    outer._connections.add(connection)
                try:
                    outer.serve(connection)
                except (EOFError, OSError):
                    pass  # one of the two has hung up
                finally:
                    with outer._connections_lock:
                        outer._connections.discard(connection)

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._listener = Listener(("127.0.0.1", self.port), Handler)
        self.port = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        with self._connections_lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the client was faster

    def serve(self, connection: socket.socket) -> None:
        """Answer what comes in until the client hangs up, which raises ``EOFError``."""
        raise NotImplementedError


def receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly so many bytes."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def receive_until(connection: socket.socket, end: bytes) -> bytes:
    """Return the bytes before ``end``, one byte."""
    data = b""
    while (byte := receive(connection, 1)) != end:
        data += byte
    return data
