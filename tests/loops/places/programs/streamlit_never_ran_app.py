"""A Streamlit script that waits to be told that nobody runs the loop of its AsyncIOScheduler."""

import logging
import threading

import streamlit
from jobs import PATIENCE, Jobs

from mainspring import AsyncIOScheduler


class Handler(logging.Handler):
    """Waits for the warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING and "has not run" in record.getMessage():
            self.came.set()


handler = Handler()
logging.getLogger("mainspring.scheduler").addHandler(handler)
scheduler = AsyncIOScheduler(timezone="UTC")
jobs = Jobs()
jobs.add_to(scheduler)
scheduler.start()
assert handler.came.wait(PATIENCE)
scheduler.shutdown(wait=False)
streamlit.text("ran")
