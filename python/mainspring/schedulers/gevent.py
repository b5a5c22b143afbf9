"""The scheduler for programs that run on gevent.

Ground rules: the engine's inbox is drained by an asyncio loop in a native thread, since no greenlet must be
switched inside Rust code. From there everything of the user's goes to the hub: jobs and listeners run in
greenlets of it. The loop is made, run and closed in its thread, so that its sockets, which gevent may have
patched, belong to the hub of that thread.
"""

from __future__ import annotations

from concurrent import futures
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from mainspring._loops.find import new_own_loop
from mainspring._process.threads import native_rlock
from mainspring._scheduler.loop_thread import LoopThread, LoopThreadScheduler

try:
    import gevent
    from gevent.lock import RLock
    from gevent.monkey import is_module_patched
    from gevent.threadpool import ThreadPool
except ImportError as exc:
    raise ImportError(
        "GeventScheduler requires gevent installed: pip install mainspring[gevent]"
    ) from exc

if TYPE_CHECKING:
    from mainspring.events import SchedulerEvent
    from mainspring.executors.base import BaseExecutor

__all__ = ("GeventScheduler",)


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
            self._hub.threadpool.apply(super()._wait_for_runs)
        else:
            super()._wait_for_runs()

    def _wait_beside(self, future: Future[Any]) -> None:
        if self._is_here() and not is_module_patched("threading"):
            self._hub.threadpool.apply(futures.wait, ((future,),))

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
        self._pool = ThreadPool(1)
        super().__init__(self._pool.apply(new_own_loop))
        #: A result of gevent's, which is there when the thread has ended.
        self.ended = self._pool.spawn(self._run)

    def _run(self) -> None:
        try:
            super()._run()
        finally:
            # Where asyncio is patched this thread's hub closes its sockets, and looks names up in threads.
            gevent.get_hub().threadpool.kill()
            gevent.sleep(0)

    def _join(self) -> None:
        if gevent.get_hub() is self._pool.hub:
            self.ended.wait()
            self._pool.kill()
