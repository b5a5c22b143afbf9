"""The futures, tasks and handles that a worker thread gets from the proxy of an event loop.

Ground rules:

- A future's state is changed by the thread that ends it, which may be any; CPython's own methods do
  that in one piece. Callbacks are added and removed on the loop's thread alone, and called there.
- A :class:`ThreadTask` mirrors a task of the scheduler's loop, which only the loop's thread touches.
  Whether it starts at all is decided once, under ``_starting``; no other code runs under that lock.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from itertools import count
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring._logs import get_logger
from mainspring._loops.coroutines import JobExitError, contained, is_exit_of_program
from mainspring._mainspring import current_run
from mainspring._process.exit import do_last

if TYPE_CHECKING:
    from mainspring._threads.loop import ThreadLoop

T = TypeVar("T")

#: How long to wait for a function of asyncio's that is in the midst of its work, in seconds.
_HOLD_INTERVAL = 0.001

_numbers = count(1)

#: The tasks that have not ended. A loop's own references to what it runs are weak, and there may be no
#: other; and what a loop drops when it is closed must be brought to an end in good order.
open_tasks: set[ThreadTask[Any]] = set()


def job_id_here() -> str | None:
    """Return the id of the job whose run is under way in this thread."""
    run = current_run()
    return None if run is None else run[1]


def log_unretrieved(future: asyncio.Future[Any], job_id: str | None) -> None:
    """Log the exception of a future that has been dropped before any code asked for it."""
    exc = future._exception
    started = "outside any job" if job_id is None else f'by job "{job_id}"'
    get_logger("executors").log(
        # An interrupt has ended the loop, too, and is the program's to show.
        logging.DEBUG
        if isinstance(exc, (asyncio.CancelledError, KeyboardInterrupt))
        else logging.ERROR,
        "%r, started %s, raised an exception that nobody retrieved",
        future,
        started,
        exc_info=None if exc is None else (type(exc), exc, exc.__traceback__),
    )


class ThreadFuture(asyncio.Future[T]):
    """A future that a worker thread and the loop's thread may use at the same time.

    Every callback is called on the loop's thread. On that thread the future belongs to the
    scheduler's loop, so that it can be awaited there, and in every other to the proxy.
    """

    def __init__(self, proxy: ThreadLoop) -> None:
        # Whatever asyncio's own code schedules for this future goes through the proxy.
        super().__init__(loop=proxy)
        self._proxy = proxy
        self._job_id = job_id_here()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the scheduler's loop on its own thread, else the proxy."""
        return self._proxy.loop_here()

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """Have a function called on the loop's thread when the future is done."""
        proxy = self._proxy
        if proxy.is_here():
            super().add_done_callback(fn, context=context)
            return
        add = partial(
            super().add_done_callback, fn, context=copy_context() if context is None else context
        )
        frame = sys._getframe(1)
        if frame.f_globals.get("__name__") == "asyncio.tasks":
            proxy.hold(frame, add)
        else:
            proxy.hand_over(add)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Remove a callback, wherever it is; return how many times it was there."""
        if self._proxy.is_here():
            return super().remove_done_callback(fn)
        return self._proxy.call_there(super().remove_done_callback, fn)

    def __del__(self) -> None:
        if self._log_traceback and not sys.is_finalizing():
            log_unretrieved(self, self._job_id)


class ThreadTask(ThreadFuture[T]):
    """A coroutine handed over to the scheduler's loop, where it runs in a task of that loop.

    :param proxy: the proxy it was handed to
    :param coroutine: the coroutine, which is closed if it is never run
    :param name: the name of the task
    :param context: the context to run in; by default a copy of the current one
    :param options: further arguments of ``create_task`` of the scheduler's loop

    With a loop that is closed the task has failed from the beginning.
    """

    def __init__(
        self,
        proxy: ThreadLoop,
        coroutine: Coroutine[Any, Any, T] | Generator[Any, None, T],
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> None:
        super().__init__(proxy)
        self._coroutine = coroutine
        self._name = name
        self._options = options
        self._context = copy_context() if context is None else context
        if context is not None and sys.version_info >= (3, 11):
            options["context"] = context
        self._starting = threading.Lock()
        self._may_start = True
        self._task: asyncio.Task[T] | None = None
        self._real_loop = proxy.loop()
        open_tasks.add(self)
        if not proxy.try_to_hand_over(self._start):
            # No exception here: it would leave the other coroutines of a `gather` unawaited.
            self._give_up()
            super().set_exception(RuntimeError(f"The event loop is closed: {proxy.loop()!r}"))

    def _start(self) -> None:
        """Start the task of the loop. On the loop's thread."""
        with self._starting:
            if not self._may_start:
                return
            self._may_start = False
        if self._name is not None:
            self._options["name"] = self._name
        coroutine = None
        try:
            coroutine = contained(_at_home(self._coroutine, self._proxy))
            for attribute in ("__name__", "__qualname__"):
                setattr(coroutine, attribute, getattr(self._coroutine, attribute, "coroutine"))
            # CPython 3.10, and many a task factory, do not take a context.
            task = self._context.run(
                partial(self._proxy.loop().create_task, coroutine, **self._options)
            )
        except BaseException as exc:
            open_tasks.discard(self)
            if coroutine is not None:
                coroutine.close()
            self._coroutine.close()
            super().set_exception(exc)
            if is_exit_of_program(exc):
                raise
            return
        self._task = task
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[T]) -> None:
        """Take over how the task of the loop has ended. On the loop's thread."""
        open_tasks.discard(self)
        # A task that is cancelled before its first step leaves the coroutine as it is.
        self._coroutine.close()
        if task.cancelled():
            super().cancel(getattr(task, "_cancel_message", None))
        elif isinstance(exc := task.exception(), JobExitError):
            super().set_exception(exc.exit)
            if is_exit_of_program(exc.exit):
                raise exc.exit  # a Ctrl-C: it is told to the worker, and stops the loop
        elif exc is not None:
            super().set_exception(exc)
        else:
            super().set_result(task.result())

    def leave(self) -> None:
        """Bring a task to its end that was handed to a loop which is not run any more."""
        self._give_up()
        open_tasks.discard(self)
        task = self._task
        if task is None or task.done():
            return
        with suppress(AttributeError):  # not a task of asyncio's own
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        for coroutine in (task.get_coro(), self._coroutine):
            # What it does at its end may need the loop.
            with suppress(Exception):
                coroutine.close()
        get_logger("executors").debug(
            '%r, started by job "%s", was left by its event loop', self, self._job_id
        )

    def _give_up(self) -> bool:
        """Keep a task that has not been started from ever starting; tell whether it was so."""
        with self._starting:
            was_waiting, self._may_start = self._may_start, False
        if was_waiting:
            open_tasks.discard(self)
            self._coroutine.close()
        return was_waiting

    def cancel(self, msg: Any | None = None) -> bool:
        """Request the cancellation of the task."""
        if self.done():
            return False
        if self._give_up():
            return super().cancel(msg)
        if self._proxy.is_here():
            return self._cancel_task(msg)
        return self._proxy.try_to_hand_over(self._cancel_task, msg)

    def _cancel_task(self, msg: Any | None) -> bool:
        return self._task is not None and self._task.cancel(msg)

    def set_result(self, result: T, /) -> None:
        """Raise :exc:`RuntimeError`, as a task does."""
        raise RuntimeError("Task does not support set_result operation")

    def set_exception(self, exception: type | BaseException, /) -> None:
        """Raise :exc:`RuntimeError`, as a task does."""
        raise RuntimeError("Task does not support set_exception operation")

    def get_name(self) -> str:
        """Return the name of the task."""
        if self._task is not None:
            return self._task.get_name()
        if self._name is None:
            self._name = f"ThreadTask-{next(_numbers)}"
        return self._name

    def set_name(self, value: object, /) -> None:
        """Set the name of the task."""
        self._name = str(value)
        if self._task is not None:
            self._task.set_name(self._name)

    def get_coro(self) -> Any:
        """Return the coroutine that was handed over."""
        return self._coroutine

    def get_context(self) -> Context:
        """Return the context that the coroutine runs in, or in a copy of."""
        return self._context

    def get_stack(self, *, limit: int | None = None) -> list[FrameType]:
        """Return the frames of the coroutine."""
        return [] if self._task is None else self._task.get_stack(limit=limit)

    def print_stack(self, *, limit: int | None = None, file: Any = None) -> None:
        """Print what :meth:`get_stack` returns."""
        if self._task is not None:
            self._task.print_stack(limit=limit, file=file)

    def cancelling(self) -> int:
        """Return the number of cancellations that are requested (CPython 3.11)."""
        cancelling: Callable[[], int] = getattr(self._task, "cancelling", int)
        return cancelling()

    def uncancel(self) -> int:
        """Take one request for cancellation back (CPython 3.11)."""
        uncancel: Callable[[], int] = getattr(self._task, "uncancel", int)
        return uncancel()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.lower()} coro={self._coroutine!r}>"


def leave_tasks(loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Let go of the tasks that a loop has left behind.

    :param loop: the loop, which is closed; ``None`` for every loop that is not running
    """
    for task in tuple(open_tasks):
        if task._real_loop is loop or (loop is None and not task._real_loop.is_running()):
            task.leave()


do_last(leave_tasks)


@types.coroutine
def _at_home(
    inner: Coroutine[Any, Any, T] | Generator[Any, None, T], proxy: ThreadLoop
) -> Generator[Any, Any, T]:
    """Run a coroutine in which futures of the proxy may be awaited as if they were the loop's.

    A plain ``asyncio.Future()`` that was made in the worker thread says that it belongs to the proxy,
    on every thread, and a task of the scheduler's loop would refuse it.
    """
    step: Callable[[Any], Any] = inner.send
    value: Any = None
    while True:
        try:
            awaited = step(value)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if asyncio.isfuture(awaited) and awaited.get_loop() is proxy:
            awaited = _copy_of(awaited, proxy.loop())
        try:
            step, value = inner.send, (yield awaited)
        except BaseException as exc:
            step, value = inner.throw, exc


def _copy_of(future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """Make a future that is done when the other one is, for the task that awaits that one."""
    done = loop.create_future()

    def tell(_: object) -> None:
        if not done.done():
            done.set_result(None)

    def pass_on(_: object) -> None:
        if done.cancelled():
            future.cancel()

    future.add_done_callback(tell)
    done.add_done_callback(pass_on)
    future._asyncio_future_blocking = False
    done._asyncio_future_blocking = True
    return done


async def as_coroutine(awaitable: Awaitable[T]) -> T:
    """Make a coroutine of anything that can be awaited."""
    return await awaitable


class Held:
    """Callbacks that are kept from the loop until the function that adds them has returned.

    ``asyncio.gather`` and ``asyncio.as_completed`` add callbacks which rely on not being called
    before they have come to their end. On a loop of one thread that goes without saying; the proxy
    gives the same by looking whether the function's frame is still in the stack of its thread.

    :param frame: the frame of that function, which is the calling thread's
    """

    def __init__(self, frame: FrameType) -> None:
        self.frame: FrameType | None = frame
        self.adds: list[Callable[[], object]] = []
        self._thread = threading.get_ident()

    def release(self, loop: asyncio.AbstractEventLoop) -> None:
        """Add the callbacks, or look again soon. On the loop's thread."""
        frame = sys._current_frames().get(self._thread)
        while frame is not None:
            if frame is self.frame:
                loop.call_later(_HOLD_INTERVAL, self.release, loop)
                return
            frame = frame.f_back
        # The proxy keeps this object, but must keep nothing alive that hangs on it.
        self.frame = None
        adds, self.adds = self.adds, []
        for add in adds:
            add()


class _Cancellable:
    """A handle that may be cancelled while the loop is about to run it."""

    __slots__ = ()

    def cancel(self) -> None:
        # The callback stays in place: the loop's thread may have looked at the flag already.
        self._cancelled = True  # type: ignore[misc]

    def _run(self) -> None:
        if not self._cancelled:
            super()._run()  # type: ignore[misc]


class ThreadHandle(_Cancellable, asyncio.Handle):
    """A callback handed over to the loop."""

    __slots__ = ()


class ThreadTimerHandle(_Cancellable, asyncio.TimerHandle):
    """A callback that the loop is to call at some time."""

    __slots__ = ("_armed",)

    _loop: ThreadLoop

    def arm(self, call: Callable[..., asyncio.TimerHandle], when: Callable[[], float]) -> None:
        """Let the loop wait with its ``call_later`` or ``call_at``. On the loop's thread."""
        self._armed: asyncio.TimerHandle | None = None
        if not self._cancelled:
            self._armed = call(when(), self._run)

    def cancel(self) -> None:
        if not self._cancelled:
            super().cancel()
            self._loop.try_to_hand_over(self._disarm)

    def _disarm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
