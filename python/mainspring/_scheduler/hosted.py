"""Schedulers on a loop that is not asyncio's: a reactor, a hub, a user interface's.

The engine's inbox for listeners and executors needs little of a loop: that it calls something on its own
thread, and that it watches a file descriptor. :class:`HostLoop` gives it just that. Coroutines need an
asyncio loop; theirs runs in a thread of its own, see :mod:`mainspring._scheduler.loop_thread`.

Ground rules: a :class:`HostLoop` may be called from any thread, and calls back on its host's alone. Nobody
waits for anything on the host's thread but for the end of the loop's thread, which never waits for the host.
"""

from __future__ import annotations

import asyncio
from abc import ABCMeta, abstractmethod
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import Context
from functools import partial
from threading import get_ident
from typing import Any, cast

from mainspring._loops.find import new_own_loop, running_loop
from mainspring._scheduler.ending import WORKER_CHECK_INTERVAL
from mainspring._scheduler.loop_thread import LoopThreadScheduler, OwnLoopThread
from mainspring._scheduler.state import STATE_STOPPED


class HostLoop(metaclass=ABCMeta):
    """Stands for a loop that is not asyncio's, with the few methods that an inbox calls."""

    #: Whether executors run jobs by the host.
    runs_jobs = False
    #: Whether a shutdown on the host's thread waits for runs, although nothing else happens there meanwhile.
    may_be_blocked = False
    #: The thread that the host runs in, known from the first thing on that it has called there.
    _thread: int | None = None

    @abstractmethod
    def _post(self, func: Callable[[], object]) -> None:
        """Have a function called on the host's thread; callable in any thread."""

    @abstractmethod
    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        """Have a function called whenever a file descriptor is readable. On the host's thread."""

    @abstractmethod
    def remove_reader(self, fd: int) -> None:
        """Watch a file descriptor no longer. On the host's thread."""

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> None:
        """Have a function called on the host's thread; callable in any thread."""
        call = partial(callback, *args)
        self._post(partial(self._call, call if context is None else partial(context.run, call)))

    def _call(self, func: Callable[[], object]) -> None:
        self._thread = get_ident()
        func()

    def _mainspring_is_here(self) -> bool:
        """Tell whether this is the host's thread, in which the host runs."""
        return self._thread == get_ident()

    def has_been_left(self) -> bool:
        """Tell, on the host's thread, whether the host does not run any more."""
        return False

    def is_running(self) -> bool:
        return self._thread is not None

    def is_closed(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None


class HostedScheduler(LoopThreadScheduler):
    """A scheduler whose listeners and executors are called on the loop of another framework."""

    _host: HostLoop | None = None

    @abstractmethod
    def _find_host(self) -> HostLoop | AbstractEventLoop:
        """Return what stands for the framework's loop; asyncio's own where the framework runs on that."""

    def start(self, paused: bool = False) -> None:
        """Start the scheduler; the framework's loop need not be running yet.

        :param paused: whether to process jobs only after :meth:`resume`
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if this is uWSGI without threads
        """
        super().start(paused)

    def _find_loops(self) -> None:
        host = self._find_host()
        self._engine.events_on_loop = True
        if isinstance(host, HostLoop):
            self._host = host
            self._loop_thread = OwnLoopThread(new_own_loop(), "APScheduler coroutines")
            self._bind_loops(cast("AbstractEventLoop", host), self._loop_thread.loop)
        else:
            self._bind_loops(host)

    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, and shut down the executors and job stores.

        On the thread of the framework's loop this does not block: with ``wait`` the runs that are
        going on go on to their end.

        :param wait: whether to return only after all runs that are going on have ended; if not,
            coroutine runs are cancelled
        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        super().shutdown(wait)
        loop = self._coroutine_loop()
        has_loop = loop is not None and not loop.is_closed()
        if wait and has_loop and not self._may_block() and self._has_runs():
            assert loop is not None
            asyncio.run_coroutine_threadsafe(self._release_when_idle(), loop)
        else:
            self._release()

    def _is_here(self) -> bool:
        """Tell whether this is the thread of the framework's loop."""
        if self._host is not None:
            return self._host._mainspring_is_here()
        loop = self._engine.control.loop
        return loop is not None and running_loop() is loop

    def _may_block(self) -> bool:
        here = running_loop()
        return not self._is_here() and (here is None or here is not self._coroutine_loop())

    def _wait_for_runs(self) -> None:
        host, loop = self._host, self._coroutine_loop()
        if self._may_block():
            super()._wait_for_runs()
        elif host is not None and host.may_be_blocked:
            self._runs_at_end.wait_for_workers(host)
            while (
                loop is not None
                and loop.is_running()
                and host.has_been_left()
                and self._has_coroutine_runs()
            ):
                self._engine.wait_idle(WORKER_CHECK_INTERVAL)

    def _can_end_runs(self, loop: AbstractEventLoop) -> bool:
        return super()._can_end_runs(loop) and (self._host is None or self._host.is_running())

    def _has_coroutine_runs(self) -> bool:
        inbox = self._engine.coro
        return bool(self._suspended_tasks() or self._runs_at_end.coroutine_runs()) or not (
            inbox is None or inbox.empty
        )

    def _has_runs(self) -> bool:
        return bool(self._engine.running_jobs or self._runs_at_end.coroutine_runs())

    async def _release_when_idle(self) -> None:
        await self._runs_at_end.idle()
        if self._state == STATE_STOPPED:
            control = self._engine.control.loop
            if control is not None:
                control.call_soon_threadsafe(self._release_if_stopped)

    def _release_if_stopped(self) -> None:
        if self._state == STATE_STOPPED:  # and has not been started again
            self._release()

    def _release(self) -> None:
        self._host = None
        super()._release()

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._host = None
