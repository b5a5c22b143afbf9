"""The scheduler for programs that run on an asyncio event loop."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring.schedulers import SchedulerAlreadyRunningError
from mainspring.schedulers._driven import DrivenScheduler
from mainspring.schedulers._loops import (
    belongs_to_parent,
    current_loop,
    new_loop,
    running_loop,
)
from mainspring.schedulers.base import STATE_STOPPED
from mainspring.util import maybe_ref

if TYPE_CHECKING:
    from types import TracebackType

    from mainspring.executors.base import BaseExecutor

__all__ = ("AsyncIOScheduler", "run_in_event_loop")

S = TypeVar("S", bound="AsyncIOScheduler")


def run_in_event_loop(func: Callable[..., Any]) -> Callable[..., None]:
    """Decorate a method of a scheduler so that each call of it is made on the scheduler's loop."""

    @wraps(func)
    def wrapper(self: AsyncIOScheduler, *args: Any, **kwargs: Any) -> None:
        assert self._eventloop is not None, "The scheduler has no event loop before it is started"
        self._eventloop.call_soon_threadsafe(partial(func, self, *args, **kwargs))

    return wrapper


class AsyncIOScheduler(DrivenScheduler):
    """Runs coroutine jobs on the program's own asyncio loop, and all others in worker threads.

    Besides the options of :class:`~mainspring.schedulers.base.BaseScheduler` it has

    - ``event_loop`` (a loop, or a reference to one): the loop to use. By default it is the loop
      that is running where :meth:`start` is called, else the current loop of that thread, else a
      new loop, which becomes the current one.

    As an asynchronous context manager it is started on entry and closed, as by :meth:`aclose`, on
    exit.

    >>> import asyncio
    >>> async def main():
    ...     done = asyncio.Event()
    ...     async def job():
    ...         done.set()
    ...     async with AsyncIOScheduler(timezone="UTC") as scheduler:
    ...         scheduler.add_job(job)
    ...         await done.wait()
    >>> asyncio.run(main())
    """

    _options = ("event_loop",)
    _eventloop: AbstractEventLoop | None = None

    def _configure(self, config: dict[str, Any]) -> None:
        self._eventloop = self._given_loop = maybe_ref(config.pop("event_loop", None))
        super()._configure(config)

    def _create_default_executor(self) -> BaseExecutor:
        from mainspring.executors.asyncio import AsyncIOExecutor

        return AsyncIOExecutor()

    def start(self, paused: bool = False) -> None:
        """Start the scheduler; a loop need not be running yet.

        :param paused: whether to process jobs only after :meth:`resume`
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if this is uWSGI without threads
        """
        if self.running:
            raise SchedulerAlreadyRunningError
        self._eventloop = loop = self._choose_loop()
        self._engine.events_on_loop = True  # where 3.x's AsyncIOExecutor tells its listeners too
        self._bind_loops(loop)
        try:
            super().start(paused)
        except BaseException:
            self._release_loop()
            raise

    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, and shut down the executors and job stores.

        On the thread of the scheduler's loop this does not block: with ``wait`` the runs that are
        going on go on to their end. See also :meth:`aclose`, which can wait there.

        :param wait: whether to return only after all runs that are going on have ended; if not,
            coroutine runs are cancelled
        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        super().shutdown(wait)
        if wait and self._engine.running_jobs and running_loop() is self._eventloop:
            assert self._eventloop is not None
            self._unbinding = self._eventloop.create_task(self._release_loop_when_idle())
        else:
            self._release_loop()

    async def aclose(self, deadline: float | None = None) -> None:
        """Stop processing jobs, await the runs that are going on, and shut down.

        Without effect on a scheduler that is not running.

        :param deadline: for how many seconds to await the runs before the coroutine runs are
            cancelled; ``None`` for however long they take
        """
        if self.state == STATE_STOPPED:
            return
        self.state = STATE_STOPPED
        self._engine.stop()
        self._sweeper.stop()
        try:
            await asyncio.wait_for(self._idle(), deadline)
        except asyncio.TimeoutError:
            self._cancel_runs()
            await self._idle()
        self._shut_down_parts(wait=False)
        self._release_loop()

    async def __aenter__(self: S) -> S:
        self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _choose_loop(self) -> AbstractEventLoop:
        loop: AbstractEventLoop | None
        running = running_loop()
        for loop in (self._given_loop, running, current_loop()):
            if loop is None or loop.is_closed():
                continue
            if loop is running or not belongs_to_parent(loop):
                return loop
        loop = new_loop()
        asyncio.set_event_loop(loop)
        return loop

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._eventloop = None

    def _release_loop(self) -> None:
        self._unbind_loops()
        self._eventloop = None

    async def _release_loop_when_idle(self) -> None:
        try:
            await self._idle()
        finally:
            if self.state == STATE_STOPPED:
                self._release_loop()
