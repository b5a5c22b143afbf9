"""The scheduler for programs that run on gevent.

Ground rules: the engine's inbox is drained by an asyncio loop in a native thread, since no greenlet must be
switched inside Rust code. From there everything of the user's goes to the hub: jobs and listeners run in
greenlets of it. The loop is made, run and closed in its thread, so that its sockets, which gevent may have
patched, belong to the hub of that thread.

No thread of gevent's is used for that. It runs its tasks in a greenlet, and where it comes back to Python
while the interpreter is being taken down CPython (up to 3.13) unwinds it through greenlet's code, which
crashes: of 400 programs that ended soon after their scheduler three ended with a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mainspring._loops.find import new_own_loop
from mainspring._process.threads import native_rlock, new_bare_thread
from mainspring._scheduler.loop_thread import LoopThread, LoopThreadScheduler

try:
    import gevent
    from gevent.event import Event
    from gevent.lock import RLock
    from gevent.monkey import is_module_patched
except ImportError as exc:
    raise ImportError(
        "GeventScheduler requires gevent installed: pip install mainspring[gevent]"
    ) from exc

if TYPE_CHECKING:
    from mainspring.events import SchedulerEvent
    from mainspring.executors.base import BaseExecutor

__all__ = ("GeventScheduler",)

T = TypeVar("T")


class GeventScheduler(LoopThreadScheduler):
    """Runs on gevent: jobs in greenlets, coroutine jobs on an asyncio loop in a thread of its own.

    The hub is that of the thread that calls :meth:`start`; listeners are called there, too. Besides the
    options of :class:`~mainspring.schedulers.base.BaseScheduler` it has

    - ``loop_in_threads`` (default true): whether a sync function in a worker thread of another executor
      finds a proxy of the asyncio loop as the event loop of that thread
    - ``loop_response_timeout`` (seconds, default 10): for how long that loop may leave a worker
      thread that waits for it without a sign of life before the wait ends with an error

    >>> from gevent.event import Event
    >>> scheduler = GeventScheduler(timezone="UTC")
    >>> greenlet = scheduler.start()
    >>> done = Event()
    >>> job = scheduler.add_job(done.set)
    >>> done.wait()
    True
    >>> scheduler.shutdown()
    >>> greenlet.dead
    True
    """

    _hub: Any = None
    _greenlet: Any = None

    def start(self, paused: bool = False) -> Any:
        """Start the scheduler and return.

        :param paused: whether to process jobs only after :meth:`resume`
        :return: a greenlet that ends when the scheduler is shut down
        :raises SchedulerAlreadyRunningError: if the scheduler is running
        :raises RuntimeError: if this is uWSGI without threads
        """
        super().start(paused)
        return self._greenlet

    def _find_loops(self) -> None:
        self._hub = gevent.get_hub()
        self._loop_thread = GeventLoopThread()
        self._greenlet = gevent.spawn(self._loop_thread.ended.wait)
        self._bind_loops(self._loop_thread.loop)

    def shutdown(self, wait: bool = True) -> None:
        """Stop processing jobs, and shut down the executors and job stores.

        Other greenlets run meanwhile. In a job's own greenlet that job is not waited for.

        :param wait: whether to return only after all runs that are going on have ended; if not,
            coroutine runs are cancelled
        :raises SchedulerNotRunningError: if the scheduler is not running
        """
        super().shutdown(wait)
        self._release()

    def _wait_for_runs(self) -> None:
        if self._is_here():
            _call_beside(super()._wait_for_runs)
        else:
            super()._wait_for_runs()

    def _wait_beside(self, future: Future[Any]) -> None:
        if self._is_here() and not is_module_patched("threading"):
            _call_beside(lambda: futures.wait((future,)))

    def _is_here(self) -> bool:
        """Tell whether this is the hub's thread."""
        return self._hub is not None and gevent.get_hub() is self._hub

    def _call_listeners(self, event: SchedulerEvent) -> None:
        if self._hub is None or self._is_here():
            super()._call_listeners(event)
        else:
            self._hub.loop.run_callback_threadsafe(gevent.spawn, super()._call_listeners, event)

    def _release(self) -> None:
        super()._release()
        if self._greenlet is not None and self._is_here():
            self._greenlet.join()

    def _forget_parent(self) -> None:
        super()._forget_parent()
        self._hub = self._greenlet = None

    def _create_lock(self) -> AbstractContextManager[Any]:
        return RLock()  # type: ignore[no-any-return]

    def _create_brief_lock(self) -> AbstractContextManager[Any]:
        return native_rlock()

    def _create_default_executor(self) -> BaseExecutor:
        from mainspring.executors.gevent import GeventExecutor

        return GeventExecutor()


class GeventLoopThread(LoopThread):
    """A native thread, whether or not :mod:`threading` has been patched."""

    def __init__(self) -> None:
        made = CallBeside(self._make)
        #: Set when the thread runs the loop no more.
        self.ended = EventBeside()
        self._thread = new_bare_thread(self._make_and_run, (made,), "APScheduler coroutines")
        try:
            self._thread.start()
            made.result()
        except BaseException:
            made.done.set()
            self.ended.set()
            raise

    def _make(self) -> None:
        super().__init__(new_own_loop())

    def _make_and_run(self, made: CallBeside[None]) -> None:
        try:
            if made.run():
                self._run()
        finally:
            # Where asyncio is patched this thread's hub closes its sockets, and looks names up in threads.
            hub = gevent.get_hub()
            hub.threadpool.kill()
            gevent.sleep(0)
            hub.destroy(destroy_loop=True)
            self.ended.set()

    def _join(self) -> None:
        if self._thread.is_current():
            return
        if self.ended.is_here():
            self.ended.wait()
        self._thread.join()


class EventBeside:
    """What greenlets wait for that comes about in another thread; until then the hub is not idle."""

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._event = Event()
        self._watcher = self._hub.loop.async_()
        self._watcher.start(self._on_set)

    def is_here(self) -> bool:
        """Tell whether this is a thread of these greenlets."""
        return gevent.get_hub() is self._hub

    def set(self) -> None:
        """Wake the greenlets, from any thread."""
        with suppress(ValueError):  # of a hub that has been destroyed
            self._watcher.send()

    def wait(self) -> None:
        """Wait for that, in the thread where this was made."""
        self._event.wait()

    def _on_set(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        self._event.set()


class CallBeside(Generic[T]):
    """A call in another thread, for which greenlets can wait.

    :param func: what is called
    """

    _result: T
    _error: BaseException | None = None

    def __init__(self, func: Callable[[], T]) -> None:
        self._func = func
        self.done = EventBeside()

    def run(self) -> bool:
        """Make the call in this thread, and tell whether it went well."""
        try:
            self._result = self._func()
        except BaseException as exc:
            self._error = exc
        finally:
            self.done.set()
        return self._error is None

    def result(self) -> T:
        """Wait for what the function returns, or raise what it raises."""
        self.done.wait()
        if self._error is not None:
            raise self._error
        return self._result


def _call_beside(func: Callable[[], T]) -> T:
    """Call a function that blocks in a thread of its own, while other greenlets run."""
    call = CallBeside(func)
    try:
        new_bare_thread(call.run, (), "APScheduler waits").start()
    except BaseException:
        call.done.set()
        raise
    return call.result()
