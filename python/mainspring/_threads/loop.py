"""The event loop of a worker thread: a proxy of the loop on which the scheduler's coroutines run.

A plain function that a scheduler calls in a worker thread finds this as the thread's current event
loop. Whatever it asks of the proxy is handed over to the scheduler's loop, thread-safely, and whatever it is
given in return may be used in both threads.

Ground rules: a proxy belongs to one worker thread and one scheduler, and has no state that both its
threads write. On the loop's own thread it is nothing but another name of the scheduler's loop.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from mainspring._loops.current import kept
from mainspring._loops.find import running_loop
from mainspring._mainspring import Engine, runs_in_this_thread
from mainspring._threads.calls import call_function
from mainspring._threads.futures import (
    Held,
    ThreadFuture,
    ThreadHandle,
    ThreadTask,
    ThreadTimerHandle,
    as_coroutine,
    job_id_here,
    leave_tasks,
    log_unretrieved,
    open_tasks,
)
from mainspring._threads.guard import wait_for_loop
from mainspring._threads.own_loop import call_with_own_loop, run_aside
from mainspring._threads.promises import note_promise
from mainspring._threads.tornado import STANDS_FOR, TornadosLoop, refuse

if TYPE_CHECKING:
    from mainspring._contract import LoopHolder
    from mainspring.job import Job

T = TypeVar("T")


class ThreadLoop(TornadosLoop):
    """Stands for a scheduler's coroutine loop in one worker thread.

    :param scheduler: the scheduler
    """

    #: ``nest_asyncio.apply()`` in a job takes this thread's loop, and refuses one that it can
    #: neither patch nor finds patched. This loop needs no patch to be entered again.
    _nest_patched = True

    def __init__(self, scheduler: LoopHolder) -> None:
        self._scheduler = scheduler
        self._seen: asyncio.AbstractEventLoop | None = None
        self._held: Held | None = None
        #: The coroutine by which a run in this thread is blocked.
        self._awaited: object = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.loop()!r}>"

    # Between the threads

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the scheduler's loop, or the last it had if it has been shut down."""
        scheduler = self._scheduler
        if scheduler._guess is not None and running_loop() is None:
            scheduler._wait_for_running_loop()
        loop = scheduler._coroutine_loop() or scheduler._last_loop
        if loop is None:
            raise RuntimeError("There is no event loop: the scheduler has never been started")
        if loop is not self._seen:
            if self._seen is not None and self._seen.is_closed():
                leave_tasks(self._seen)
            self._seen = loop
        return loop

    def is_here(self) -> bool:
        """Tell whether this is the thread in which the scheduler's loop is running."""
        return running_loop() is self.loop()

    def loop_here(self) -> asyncio.AbstractEventLoop:
        """Return the loop that code in this thread takes for its own."""
        loop = self.loop()
        return loop if running_loop() is loop else self

    def hand_over(self, func: Callable[..., object], *args: Any) -> None:
        """Have a function called on the loop's thread, without waiting.

        :raises RuntimeError: if the loop is closed
        """
        if not self.try_to_hand_over(func, *args):
            raise RuntimeError(f"The event loop is closed: {self.loop()!r}")

    def try_to_hand_over(self, func: Callable[..., object], *args: Any) -> bool:
        """Do the same where it does not matter if the loop is closed; tell whether it is not."""
        loop = self.loop()
        try:
            loop.call_soon_threadsafe(func, *args)
        except RuntimeError:
            if not loop.is_closed():
                raise
            leave_tasks(loop)
            return False
        return True

    def hold(self, frame: FrameType, add: Callable[[], object]) -> None:
        """Have a callback added on the loop's thread when the function that adds it has returned.

        :param frame: the frame of that function
        """
        held = self._held
        if held is None or held.frame is not frame:
            held = self._held = Held(frame)
            self.try_to_hand_over(held.release, self.loop())
        held.adds.append(add)

    def call_there(self, func: Callable[..., T], *args: Any) -> T:
        """Call a function on the loop's thread and wait for what it returns."""
        if self.is_here():
            return func(*args)

        future: ThreadFuture[T] = ThreadFuture(self)

        def call() -> None:
            if not future.cancelled():
                try:
                    future.set_result(func(*args))
                except Exception as exc:
                    future.set_exception(exc)

        self.hand_over(call)
        return self._wait(future)

    # Waiting

    def run_until_complete(self, future: Awaitable[T]) -> T:  # type: ignore[override]
        """Wait in this thread while the scheduler's loop runs a coroutine, or for a future.

        :return: what it returns; what it raises is raised
        :raises RuntimeError: if an event loop is running in this thread; if the scheduler's loop is closed
            or does not respond for the scheduler's ``loop_response_timeout``
        """
        running = running_loop()
        if running is not None and asyncio._get_running_loop() is None:
            # A loop that may be blocked, but not if it is to run this.
            if running is not self.loop():
                running = None
            elif not asyncio.isfuture(future):
                return run_aside(future)
        if running is not None:
            if asyncio.iscoroutine(future):
                future.close()
            raise RuntimeError(
                f"run_until_complete() would block the event loop that is running in this thread, "
                f"{running!r}: await the coroutine or future instead"
            )
        if asyncio.isfuture(future):
            return self._wait(cast("asyncio.Future[T]", future))
        if not asyncio.iscoroutine(future):
            if not hasattr(future, "__await__"):
                raise TypeError(f"A coroutine, future or awaitable is required, not {future!r}")
            future = as_coroutine(future)
        # Known before the task can begin, which may ask for it.
        outer, self._awaited = self._awaited, future if runs_in_this_thread() else None
        try:
            task: asyncio.Task[T] = self.create_task(future)
            return self._wait(task)
        finally:
            self._awaited = outer

    def _wait(self, future: asyncio.Future[T]) -> T:
        loop = future.get_loop()
        if isinstance(loop, ThreadLoop):
            loop = loop.loop()
        ended = threading.Event()
        scheduler = self._scheduler
        if future.done():
            return future.result()
        scheduler._waiting_for_loop[threading.get_ident()] = loop
        try:
            loop.call_soon_threadsafe(future.add_done_callback, lambda _: ended.set())
            with scheduler._clock._noting_waiting(future):
                wait_for_loop(
                    loop,
                    ended,
                    scheduler._loop_response_timeout,
                    future,
                    lambda: scheduler._is_stopped() and not scheduler._may_run(loop),
                )
        except RuntimeError:
            if future.get_loop() is self:
                future.cancel()
            if loop.is_closed():
                leave_tasks(loop)
            raise
        finally:
            scheduler._waiting_for_loop.pop(threading.get_ident(), None)
        return future.result()

    # What is handed over

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self.is_here():
            return self.loop().call_soon(callback, *args, context=context)
        return self.call_soon_threadsafe(callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = ThreadHandle(callback, args, self, copy_context() if context is None else context)
        note_promise(callback, self._scheduler, self.loop())
        self.hand_over(handle._run)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        loop = self.loop()
        if self.is_here():
            return loop.call_later(delay, callback, *args, context=context)
        # The time of the loop may be that of its last turn, so it is not counted from there.
        end = time.monotonic() + delay
        timer = ThreadTimerHandle(loop.time() + delay, callback, args, self, context)
        self.hand_over(timer.arm, loop.call_later, lambda: max(0.0, end - time.monotonic()))
        return timer

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        loop = self.loop()
        if self.is_here():
            return loop.call_at(when, callback, *args, context=context)
        timer = ThreadTimerHandle(when, callback, args, self, context)
        self.hand_over(timer.arm, loop.call_at, lambda: when)
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return self.loop().create_future() if self.is_here() else ThreadFuture(self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        if not asyncio.iscoroutine(coro):
            raise TypeError(f"a coroutine was expected, got {coro!r}")
        try:
            if not self.is_here():
                return cast("asyncio.Task[T]", ThreadTask(self, coro, name, context, **options))
        except BaseException:
            coro.close()
            raise
        given = {"name": name, "context": context}
        options.update((key, value) for key, value in given.items() if value is not None)
        return self.loop().create_task(coro, **options)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        loop = self.loop()
        if self.is_here():
            return loop.run_in_executor(executor, func, *args)

        async def run() -> T:
            return await loop.run_in_executor(executor, func, *args)

        return self.create_task(run())

    # What is asked of the scheduler's loop

    def time(self) -> float:
        return self.loop().time()

    def is_running(self) -> bool:
        """Tell whether the loop runs in the calling thread: whether to await here, or to wait.

        Code that asks this wants to know whether it may call ``run_until_complete``.
        """
        running = asyncio._get_running_loop()
        return running is not None and running is self.loop()

    def is_closed(self) -> bool:
        return self.loop().is_closed()

    def get_debug(self) -> bool:
        self._adopt_caller(sys._getframe(1))
        return self.loop().get_debug()

    def _adopt_caller(self, frame: FrameType) -> None:
        """Let a future that is being made belong to the scheduler's loop on its thread.

        ``asyncio.gather`` makes a future of a class of its own with the loop of the futures that it
        was given. Awaited on the scheduler's loop, it must say that it belongs there. The one thing that a
        future asks of its loop when it is made is the debug flag; the caller is then in the midst of
        its ``__init__``. (A plain ``asyncio.Future`` is not found so: its ``__init__`` is C code.)
        """
        code = frame.f_code
        if code.co_name != "__init__" or not code.co_varnames:
            return
        caller = frame.f_locals.get(code.co_varnames[0])
        if asyncio.isfuture(caller) and not isinstance(caller, ThreadFuture):
            future: Any = caller
            with suppress(AttributeError):  # a class with __slots__, say
                future.get_loop = self.loop_here
                future._job_id = job_id_here()

    def get_exception_handler(self) -> Any:
        return self.loop().get_exception_handler()

    def get_task_factory(self) -> Any:
        return self.loop().get_task_factory()

    @property
    def slow_callback_duration(self) -> float:
        """From how many seconds on a callback is slow, to the scheduler's loop in debug mode."""
        duration: float = self.loop().slow_callback_duration
        return duration

    @slow_callback_duration.setter
    def slow_callback_duration(self, value: float) -> None:
        self.loop().slow_callback_duration = value

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        future = context.get("future")
        if getattr(future, "_job_id", None) and "never retrieved" in context.get("message", ""):
            log_unretrieved(context["future"], context["future"]._job_id)
            return
        self._report(self.loop().call_exception_handler, context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self._report(self.loop().default_exception_handler, context)

    def _report(self, handler: Callable[[dict[str, Any]], None], context: dict[str, Any]) -> None:
        if self.is_here() or not self.try_to_hand_over(handler, context):
            handler(context)


def _on_loops_thread(name: str) -> Callable[..., Any]:
    """Make a method that has the scheduler's loop call its own of this name, and waits for the result."""

    def method(self: ThreadLoop, *args: Any) -> Any:
        return self.call_there(getattr(self.loop(), name), *args)

    return method


def _when_awaited(name: str) -> Callable[..., Any]:
    """Make a coroutine method that calls that of the scheduler's loop where it is awaited."""

    async def method(self: ThreadLoop, *args: Any, **kwargs: Any) -> Any:
        return await getattr(self.loop(), name)(*args, **kwargs)

    return method


def _refused(name: str, why: str) -> Callable[..., Any]:
    """Make a method that raises an error which says what to do instead."""

    def method(self: ThreadLoop, *args: Any) -> NoReturn:
        refuse(name, why)

    return method


_METHODS = {
    _on_loops_thread: (
        *("set_debug", "set_exception_handler", "set_task_factory", "set_default_executor"),
        *("add_reader", "remove_reader", "add_writer", "remove_writer"),
    ),
    _when_awaited: (
        *("getaddrinfo", "getnameinfo", "create_connection", "create_server", "start_tls"),
        *("create_unix_connection", "create_unix_server", "connect_accepted_socket"),
        *("create_datagram_endpoint", "connect_read_pipe", "connect_write_pipe"),
        *("subprocess_shell", "subprocess_exec", "sendfile", "sock_sendfile"),
        *("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into"),
        *("sock_sendall", "sock_sendto", "sock_connect", "sock_accept"),
    ),
}
_REFUSED = {
    "close": STANDS_FOR + "closes it itself; leave it open, or make a loop of your own with "
    "asyncio.run()",
    "shutdown_asyncgens": STANDS_FOR + "does this when it ends; use asyncio.run() for a loop of "
    "your own",
    "shutdown_default_executor": STANDS_FOR + "does this when it ends; use asyncio.run() for a "
    "loop of your own",
    "add_signal_handler": "signals are handled in the main thread; call it there",
    "remove_signal_handler": "signals are handled in the main thread; call it there",
}
for _make, _names in _METHODS.items():
    for _name in _names:
        setattr(ThreadLoop, _name, _make(_name))
for _name, _why in _REFUSED.items():
    setattr(ThreadLoop, _name, _refused(_name, _why))


def waits_in_run(task: object, scheduler: LoopHolder) -> bool:
    """Tell whether a run of the scheduler in a worker thread cannot end before a task of the loop does."""
    for handed_over in tuple(open_tasks):
        proxy = handed_over._proxy
        if handed_over._task is task and proxy._scheduler is scheduler:
            return proxy._awaited is handed_over._coroutine
    return False


class ThreadLoops(threading.local):
    """The proxies of one scheduler: one in each thread that asks.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: LoopHolder) -> None:
        self.loop = ThreadLoop(scheduler)  # type: ignore[abstract]


def call_here(job: Job) -> Any:
    """Call a job's function in this thread, with a proxy as the thread's event loop.

    A thread whose own loop is running keeps that. What the function itself sets is undone, and where it sets
    none, as `asyncio.run` does, it has the proxy again.

    :param job: the job
    :return: what the function returns; where the scheduler has no loop for that, awaited if it can be
    """
    scheduler = job._scheduler
    if running_loop() is not None:
        return call_function(job)
    if scheduler is None:
        return call_with_own_loop(job)
    is_one = isinstance(getattr(scheduler, "_engine", None), Engine)
    loop = scheduler._thread_loop() if is_one else None
    if loop is None:
        # In the main thread a program that has no scheduler's loop has its own ways with loops.
        is_main = threading.current_thread() is threading.main_thread()
        if is_one and not is_main and scheduler._coroutine_loop() is None:
            return call_with_own_loop(job)
        return call_function(job)
    with kept(loop):
        return call_function(job)
