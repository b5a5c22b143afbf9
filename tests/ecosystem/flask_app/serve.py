"""Serves the application with a thread for each request, until SIGINT."""

from __future__ import annotations

import logging

import werkzeug.serving
from app import app, scheduler

logging.getLogger("werkzeug").setLevel(logging.WARNING)
server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
scheduler.start()
print("port", server.port)
server.serve_forever()  # until Ctrl-C
scheduler.shutdown()
print("running", scheduler.running)
