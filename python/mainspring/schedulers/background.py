"""The scheduler that runs in a thread of its own."""

from __future__ import annotations

from threading import Thread, get_ident
from typing import Any

from mainspring._loops.find import running_loop
from mainspring._process.exit import unheard_at_exit
from mainspring._process.threads import OwnThread, is_current, join_thread
from mainspring._scheduler.state import STATE_STOPPED
from mainspring.schedulers.blocking import BlockingScheduler
from mainspring.util import asbool

__all__ = ("BackgroundScheduler",)


class BackgroundScheduler(BlockingScheduler):
    """Runs in the background: :meth:`start` returns at once.

    Besides the options of :class:`~mainspring.schedulers.base.BaseScheduler` it has

    - ``daemon`` (default true): whether the program may end while the scheduler is running
    - ``event_loop`` (a loop, or a reference to one): the loop that coroutine jobs run on. By
      default it is the loop that is running where :meth:`start` is called, and where there is none
      a loop in the scheduler's thread.
    - ``loop_in_threads`` (default true): whether a sync function finds a proxy of the loop that
      coroutine jobs run on as the event loop of its worker thread
    - ``loop_response_timeout`` (seconds, default 10): for how long that loop may leave a worker
      thread that waits for it without a sign of life before the wait ends with an error

    >>> scheduler = BackgroundScheduler(timezone="UTC")
    >>> scheduler.start()
    >>> scheduler.running
    True
    >>> scheduler.shutdown()
    """

    _options = ("daemon",)
    _thread: Thread | None = None

    def _configure(self, config: dict[str, Any]) -> None:
        self._daemon = asbool(config.pop("daemon", True))
        super()._configure(config)

    def start(self, paused: bool = False) -> None:
        """Start the scheduler and return.

        :param paused: whether to process jobs only after :meth:`resume`
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if the loop given as ``event_loop`` is closed; or if this is uWSGI
            without threads
        """
        self._check_not_running()
        self._join(self._thread)  # which ends, but another thread waits for that
        # Until the thread is that: a signal handler may shut the scheduler down before.
        self._main_loop_thread = get_ident()
        try:
            self._start_on_own_loop(self._given_loop or running_loop(), paused)
            self._start_thread()
        except BaseException:
            self._note_interrupt()
            raise

    def _start_thread(self) -> None:
        thread = self._thread = (
            OwnThread(self._main_loop, (), "APScheduler", daemon=True)
            if self._daemon
            else Thread(target=self._main_loop, name="APScheduler", daemon=False)
        )
        try:
            with unheard_at_exit():
                thread.start()
        except Exception:  # CPython starts no thread: the scheduler is to be as it was
            self._thread = None
            if self._state != STATE_STOPPED:  # by a signal handler
                super().shutdown(wait=False)
            self._close_own_loop()
            raise

    def _runs_elsewhere(self) -> bool:
        return super()._runs_elsewhere() or (self._thread is not None and self._thread.is_alive())

    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, shut down the executors and job stores, and end the thread.

        :param wait: whether to return only after all runs that are going on have ended; if not,
            coroutine runs are cancelled. On the loop that coroutine jobs run on, these are not
            waited for.
        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        thread = self._thread
        super().shutdown(wait)
        self._join(thread)

    def _is_daemon(self) -> bool:
        return self._daemon

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._thread = None

    def _end_loop_at_exit(self) -> None:
        # A daemon thread of the program may start the scheduler again meanwhile, in a thread that goes on.
        thread = self._thread
        self._stop_main_loop()
        self._join(thread)

    def _join(self, thread: Thread | None) -> None:
        if thread is None or is_current(thread):  # the exit waits for it
            return
        if thread.is_alive():  # an interrupt may have kept it from starting
            join_thread(thread)
        if self._thread is thread:
            self._thread = None
