"""A coroutine on an event loop, begun, waited for and cancelled in any other thread.

Ground rules: the task, and what a :class:`CoroutineRun` notes of its way, is touched on the loop's
thread alone; other threads ask for that by ``call_soon_threadsafe``, and read what was noted when
:attr:`CoroutineRun.ended` is done. That is done on the loop's thread, where its callbacks are called,
and is what any thread may wait for. When the loop is closed nothing runs on it any more: then, and only
then, :meth:`CoroutineRun.leave` does all this in the calling thread. There is no lock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from contextvars import Context, copy_context
from threading import main_thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mainspring._lazy import asyncio
from mainspring._loops.coroutines import is_exit_of_program
from mainspring._threads.calls import value_or_exception

if TYPE_CHECKING:
    from mainspring.events import JobExecutionEvent
    from mainspring.job import Job

T = TypeVar("T")

#: How often a thread that waits for a loop looks whether the loop still runs, in seconds.
LOOP_CHECK_INTERVAL = 0.2


class CoroutineRun(Generic[T]):
    """A coroutine on an event loop, to be waited for and cancelled in any thread.

    It begins with :meth:`begin`. A function that is to be called on the loop at its end is added to
    :attr:`ended` before.

    :param coroutine: the coroutine
    :param loop: the loop
    :param context: the context to run it in; by default a copy of the current one
    :param not_begun: what gives the result where the task is cancelled before its first step, which
        the coroutine cannot know of; by default there is a ``CancelledError`` instead
    """

    _task: asyncio.Task[T] | None = None
    _has_begun = False
    #: What the coroutine has returned, in a tuple: its task may be cancelled all the same.
    _returned: tuple[T, ...] = ()
    #: A copy of that in which the coroutine has ended.
    _end_context: Context | None = None

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, T],
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
        not_begun: Callable[[], T] | None = None,
    ) -> None:
        #: Gets what the coroutine returns or raises.
        self.ended: Future[T] = Future()
        self._coroutine = coroutine
        self._loop = loop
        self._context = context
        self._not_begun = not_begun

    def begin(self) -> None:
        """Have the loop run the coroutine, which is closed if it cannot be run.

        :raises RuntimeError: if the loop is closed
        """
        try:
            self._loop.call_soon_threadsafe(self._start, context=self._context)
        except RuntimeError:
            self._coroutine.close()
            raise

    def tell(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function when the coroutine has ended, with the variables that are set in its context."""
        (self._end_context or copy_context()).run(function, *args)

    def cancel(self) -> None:
        """Cancel the task, which tells of the cancellation as of any exception."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._cancel)

    def leave(self) -> None:
        """End what cannot come to its end by itself, since its loop is closed, as cancelled."""
        if self.ended.done() or not self._loop.is_closed():
            return
        cancelled = asyncio.CancelledError("the event loop was closed")
        try:
            if self._has_begun:
                self._coroutine.throw(cancelled)
                raise cancelled  # what it does at its end needs the loop
            if self._not_begun is None:
                raise cancelled
            result = self._not_begun()
        except StopIteration as end:
            self.ended.set_result(end.value)
        except BaseException as exc:
            self.ended.set_exception(exc)
        else:
            self.ended.set_result(result)
        with suppress(Exception):
            self._coroutine.close()
        if self._task is not None:
            with suppress(AttributeError):  # not a task of asyncio's own
                self._task._log_destroy_pending = False  # type: ignore[attr-defined]
            with suppress(Exception):
                self._task.get_coro().close()

    def _start(self) -> None:
        steps = self._steps()
        try:
            self._task = self._loop.create_task(steps)
        except BaseException as exc:  # of a task factory
            steps.close()
            self._coroutine.close()
            self.ended.set_exception(exc)
            if not isinstance(exc, Exception):
                raise
        else:
            self._task.add_done_callback(self._end)

    async def _steps(self) -> T:
        self._has_begun = True
        try:
            result = await self._coroutine
        finally:
            self._end_context = copy_context()
        self._returned = (result,)
        return result

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[T]) -> None:
        self._end_context = self._end_context or copy_context()
        try:
            result = self._result_of(task)
        except BaseException as exc:
            self.ended.set_exception(exc)
        else:
            self.ended.set_result(result)

    def _result_of(self, task: asyncio.Task[T]) -> T:
        if task.cancelled():
            if self._returned:
                return self._returned[0]
            if not self._has_begun:
                self._coroutine.close()
                if self._not_begun is not None:
                    return self._not_begun()
        return task.result()


def wait_for(awaitable: Awaitable[Any], job: Job) -> Any:
    """Return what an awaitable gives; for the thread that called the job's function.

    In a thread whose own loop is running there is no waiting: the awaitable becomes a task there,
    and the task is returned.
    """
    if asyncio._get_running_loop() is not None:
        return asyncio.ensure_future(awaitable)
    scheduler = job._scheduler
    loop = None if scheduler is None else scheduler._coroutine_loop()
    if loop is None:
        value, exception = asyncio.run(value_or_exception(awaitable))
    else:
        run = CoroutineRun(value_or_exception(awaitable), loop)
        try:
            run.begin()
        except RuntimeError:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            raise
        while not wait((run.ended,), LOOP_CHECK_INTERVAL).done:
            if loop.is_closed() or not (loop.is_running() or main_thread().is_alive()):
                raise RuntimeError(f"{loop!r} was left before the coroutine of the job had ended")
        value, exception = run.ended.result()
    if exception is not None:
        raise exception
    return value


def raise_exit_of_program(events: Sequence[JobExecutionEvent]) -> None:
    """Have what is to end the program go on to the loop, when it has been told of."""
    for event in events:
        if event.exception is not None and is_exit_of_program(event.exception):
            raise event.exception
