"""A program for test_qt.py: runs one case on Qt's event loop.

python qt_program.py CASE
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

from outcome import check
from PySide6.QtCore import QCoreApplication, QTimer

from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from mainspring.executors.base import BaseExecutor, run_job
from mainspring.executors.pool import ThreadPoolExecutor
from mainspring.schedulers.qt import QtScheduler

MAIN = threading.get_ident()


class HereExecutor(BaseExecutor):
    """Runs jobs where it is called."""

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
        QTimer.singleShot(0, lambda: self._run_job_success(job.id, events))


def in_thread() -> Any:
    return threading.get_ident() == MAIN


async def on_loop() -> Any:
    await asyncio.sleep(0)
    return threading.get_ident() == MAIN, asyncio.get_running_loop().is_running()


def fail() -> None:
    raise ValueError("no good")


CASES: dict[str, Any] = {
    "thread": (in_thread, False),
    "coroutine": (on_loop, (False, True)),
    "lambda": (lambda: on_loop(), (False, True)),
    "fail": (fail, ValueError),
    "executor_of_ones_own": (in_thread, True),
}


def run_job_and_quit() -> None:
    func, expected = CASES[sys.argv[1]]
    scheduler = QtScheduler(timezone="UTC")
    if sys.argv[1] == "executor_of_ones_own":
        scheduler.add_executor(HereExecutor())
    events: list[Any] = []

    def take(event: Any) -> None:
        assert threading.get_ident() == MAIN
        events.append(event)
        scheduler.shutdown()
        app.quit()

    scheduler.add_listener(take, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.add_job(func)
    scheduler.start()
    app = QCoreApplication([])  # which may be made later
    app.exec()
    (event,) = events
    check(event, expected)
    assert not scheduler.running


def many_runs() -> None:
    """Start, stop and start again; each time a hundred jobs are told of."""
    app = QCoreApplication([])
    scheduler = QtScheduler(timezone="UTC")
    seen: list[int] = []

    def take(event: Any) -> None:
        seen.append(event.retval)
        if len(seen) % 100 == 0:
            app.quit()

    scheduler.add_listener(take, EVENT_JOB_EXECUTED)
    for _ in range(3):
        scheduler.start()
        assert isinstance(scheduler._lookup_executor("default"), ThreadPoolExecutor)
        for number in range(100):
            scheduler.add_job(int, args=[number])
        app.exec()
        scheduler.shutdown()
    assert sorted(seen) == sorted([*range(100)] * 3)


def signals() -> None:
    """Ctrl-C reaches the handler while Qt waits, which is how APScheduler's example ends."""
    app = QCoreApplication([])
    signal.signal(signal.SIGINT, lambda *_: app.quit())
    scheduler = QtScheduler(timezone="UTC")
    for _ in range(2):
        scheduler.start()
        before_long = datetime.now(timezone.utc) + timedelta(seconds=0.2)
        scheduler.add_job(os.kill, "date", run_date=before_long, args=[os.getpid(), signal.SIGINT])
        app.exec()
        scheduler.shutdown()
        assert signal.set_wakeup_fd(-1) == -1
    mine, _ = pair = socket.socketpair()
    mine.setblocking(False)
    signal.set_wakeup_fd(mine.fileno())
    scheduler.start()
    QTimer.singleShot(200, app.quit)
    app.exec()
    scheduler.shutdown()
    assert signal.set_wakeup_fd(-1) == mine.fileno()
    for end in pair:
        end.close()


def shutdown_waits() -> None:
    """A shutdown waits for runs in worker threads, and when the loop has ended also for coroutines."""
    app = QCoreApplication([])
    scheduler = QtScheduler(timezone="UTC")
    begun, is_shut_down = threading.Event(), threading.Event()
    seen: list[bool] = []

    def worker() -> None:
        begun.set()
        seen.append(is_shut_down.wait(0.2))

    async def coroutine() -> None:
        begun.set()
        await asyncio.sleep(0.2)
        seen.append(is_shut_down.is_set())

    def shut_down() -> None:
        begun.wait()
        scheduler.shutdown()
        is_shut_down.set()
        app.quit()

    for job, in_the_loop in ((worker, True), (worker, False), (coroutine, False)):
        for event in (begun, is_shut_down):
            event.clear()
        scheduler.start()
        scheduler.add_job(job)
        QTimer.singleShot(0, shut_down if in_the_loop else app.quit)
        app.exec()
        if not in_the_loop:
            shut_down()
    assert seen == [False, False, False]


def end_without_shutdown() -> None:
    app = QCoreApplication([])
    scheduler = QtScheduler(timezone="UTC")
    scheduler.add_listener(lambda event: app.quit(), EVENT_JOB_EXECUTED)
    scheduler.add_job(in_thread)
    scheduler.add_job(asyncio.sleep, args=[3600])
    scheduler.start()
    app.exec()


if __name__ == "__main__":
    if sys.argv[1] in CASES:
        run_job_and_quit()
    else:
        globals()[sys.argv[1]]()
    print("done")
