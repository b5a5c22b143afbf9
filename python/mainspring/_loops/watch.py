"""Looking after loops that leave their work alone: one that never ran, is blocked, or was guessed wrongly.

Ground rules: :meth:`LoopWatch.look` is called by a thread of its own, when there is work for a loop that has
not run yet and whenever a loop has been silent for a second. It waits for no other thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mainspring._lazy import asyncio
from mainspring._logs import names_caller

if TYPE_CHECKING:
    from mainspring._contract import WatchedScheduler
    from mainspring._mainspring import LoopInbox

#: After how long a loop that has work and has never run is told of, in seconds.
NEVER_RAN_AFTER = 5.0
#: After how long a loop that has work and does not take it is looked into, in seconds.
BLOCKED_AFTER = 1.0
#: How often a loop that runs is looked for while the guessed one does not, in seconds.
SEARCH_INTERVAL = 0.25


class LoopWatch:
    """Looks after the loops of a scheduler.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: WatchedScheduler) -> None:
        self._scheduler = scheduler
        self._has_told_of_idle_loop = False
        #: The job that was last said to block a loop, and in which of the loop's drains.
        self._told_of_blocking: tuple[str, int] | None = None

    def begin(self) -> None:
        """Look at loops that the scheduler has not been bound to before."""
        self._has_told_of_idle_loop = False

    def look(self) -> None:
        """Look at the loops, and for another one while that of the scheduler is a guess."""
        scheduler = self._scheduler
        self._tell_of_blocked_loop()
        pause = SEARCH_INTERVAL / 64
        while True:
            told = self._tell_of_idle_loop()
            guess = scheduler._guess
            if guess is None or scheduler._engine.control.watched:
                return
            guess.search(scheduler._take_running_loop)
            if told or scheduler._is_stopping.wait(pause):
                return
            pause = min(2 * pause, SEARCH_INTERVAL)

    def wait_for_running_loop(self) -> None:
        """Wait for the loop to which a worker thread can hand something over; not for ever."""
        scheduler = self._scheduler
        end = time.monotonic() + scheduler._loop_response_timeout
        while (guess := scheduler._guess) is not None and not scheduler._engine.control.watched:
            guess.search(scheduler._take_running_loop)
            if self._has_told_of_idle_loop or time.monotonic() > end:
                return
            if scheduler._is_stopping.wait(SEARCH_INTERVAL / 16):
                return

    def _tell_of_idle_loop(self) -> bool:
        """Say so, once, when there has been work for a loop that has never run for too long.

        :return: whether that has been said
        """
        scheduler = self._scheduler
        for inbox in (scheduler._engine.control, scheduler._engine.coro):
            if inbox is None or self._has_told_of_idle_loop or inbox.watched:
                continue
            silence = inbox.silence
            if silence >= NEVER_RAN_AFTER:
                self._has_told_of_idle_loop = True
                scheduler._logger.warning(
                    "The event loop of the scheduler never ran: it has not run for %.0f seconds "
                    "since a job was due, which waits for it. Start the scheduler in a "
                    "coroutine of the loop that the program runs, or name that loop with "
                    "event_loop=, or use BackgroundScheduler, which needs none. (%r)",
                    silence,
                    inbox.loop,
                )
        return self._has_told_of_idle_loop

    def _tell_of_blocked_loop(self) -> None:
        """Say which job keeps a loop from what is due; once for as long as it does."""
        scheduler = self._scheduler
        for inbox in (scheduler._engine.control, scheduler._engine.coro):
            if inbox is None or not inbox.watched:
                continue
            silence = inbox.silence
            if silence < BLOCKED_AFTER:
                continue
            job_id = inbox.in_hand or _suspended_job_in_hand(inbox)
            # A run that the loop is in has begun before whatever waits for it.
            if job_id is None or self._told_of_blocking == (job_id, inbox.turns):
                continue
            self._told_of_blocking = (job_id, inbox.turns)
            scheduler._logger.warning(
                'Job "%s" blocks the event loop: other work has been waiting for %.1f seconds. Use '
                "await for what takes long, or a plain function, which runs in a worker thread.",
                job_id,
                silence,
            )


def _suspended_job_in_hand(inbox: LoopInbox) -> str | None:
    """Return the id of the job whose coroutine has been resumed by its loop, and keeps it."""
    try:
        current = asyncio.current_task(inbox.loop)
    except RuntimeError:
        return None
    if current is None:
        return None
    return next((job_id for task, job_id, *_ in inbox.running() if task is current), None)


names_caller(globals(), "schedulers.base")
