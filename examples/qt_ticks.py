"""A job in a worker thread whose results are shown on Qt's event loop, until Ctrl-C.

pip install mainspring[qt] && python examples/qt_ticks.py
"""

import signal
from datetime import datetime

from PySide6.QtCore import QCoreApplication

from mainspring.events import EVENT_JOB_EXECUTED, JobExecutionEvent
from mainspring.schedulers.qt import QtScheduler


def look_at_the_clock() -> str:
    return f"{datetime.now():%H:%M:%S}"


def show(event: JobExecutionEvent) -> None:
    print(f"Tick! The time is: {event.retval}", flush=True)  # here a widget could be changed


if __name__ == "__main__":
    application = QCoreApplication([])
    scheduler = QtScheduler()
    scheduler.add_listener(show, EVENT_JOB_EXECUTED)
    scheduler.add_job(look_at_the_clock, "interval", seconds=1)
    scheduler.start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print("Press Ctrl-C to exit", flush=True)
    application.exec()
