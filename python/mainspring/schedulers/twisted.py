"""The scheduler for programs that run on a Twisted reactor."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from mainspring._scheduler.hosted import HostedScheduler, HostLoop
from mainspring.util import maybe_ref

try:
    from twisted.internet.interfaces import IReadDescriptor
    from twisted.python import log
    from twisted.python.threadable import isInIOThread
    from zope.interface import implementer
except ImportError as exc:
    raise ImportError(
        "TwistedScheduler requires Twisted installed: pip install mainspring[twisted]"
    ) from exc

if TYPE_CHECKING:
    from mainspring.executors.base import BaseExecutor

__all__ = ("TwistedScheduler", "run_in_reactor")


def run_in_reactor(func: Callable[..., Any]) -> Callable[..., None]:
    """Decorate a method of a scheduler so that each call of it is made on the reactor's thread.

    :param func: the method
    :return: a method for any thread, which returns ``None`` at once; what ``func`` returns is dropped
    """

    @wraps(func)
    def wrapper(self: TwistedScheduler, *args: Any, **kwargs: Any) -> None:
        assert self._reactor is not None, "The scheduler has no reactor before it is started"
        self._reactor.callFromThread(func, self, *args, **kwargs)

    return wrapper


class TwistedScheduler(HostedScheduler):
    """Runs on a Twisted reactor: coroutine jobs on it, all others in its thread pool.

    Besides the options of :class:`~mainspring.schedulers.base.BaseScheduler` it has

    - ``reactor`` (a reactor, or a reference to one): the reactor to use; by default the global one,
      which is not imported, and so not installed, before :meth:`start`
    - ``loop_in_threads`` (default true): whether a sync function finds a proxy of an asyncio loop as
      the event loop of its worker thread
    - ``loop_response_timeout`` (seconds, default 10): for how long that loop may leave a worker
      thread that waits for it without a sign of life before the wait ends with an error

    A coroutine job may await Deferreds, and on the asyncio reactor also whatever asyncio awaits.
    Listeners are called on the reactor's thread.
    """

    _options = ("reactor",)
    # A reactor on an asyncio loop has one timer there for all of its own, those of other code too.
    _loop_may_follow_clock = False
    _reactor: Any = None

    def _configure(self, config: dict[str, Any]) -> None:
        self._given_reactor = self._reactor = maybe_ref(config.pop("reactor", None))
        super()._configure(config)

    def _find_host(self) -> HostLoop | AbstractEventLoop:
        if self._given_reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        loop = getattr(self._reactor, "_asyncioEventloop", None)
        return loop if isinstance(loop, AbstractEventLoop) else ReactorLoop(self._reactor)

    def _create_default_executor(self) -> BaseExecutor:
        from mainspring.executors.twisted import TwistedExecutor

        return TwistedExecutor()


class ReactorLoop(HostLoop):
    """Stands for a reactor.

    :param reactor: the reactor
    """

    runs_jobs = True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._reactor!r}>"

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._readers: dict[int, Reader] = {}

    def _post(self, func: Callable[[], object]) -> None:
        self._reactor.callFromThread(func)

    def _mainspring_is_here(self) -> bool:
        return super()._mainspring_is_here() or bool(
            self._reactor.running and isInIOThread()  # type: ignore[no-untyped-call]
        )

    def is_running(self) -> bool:
        return super().is_running() and bool(self._reactor.running)

    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        if not hasattr(self._reactor, "addReader"):
            raise NotImplementedError("This reactor watches no file descriptors")
        self._readers[fd] = Reader(fd, callback)
        self._reactor.addReader(self._readers[fd])

    def remove_reader(self, fd: int) -> None:
        reader = self._readers.pop(fd, None)
        if reader is not None:
            self._reactor.removeReader(reader)


@implementer(IReadDescriptor)
class Reader:
    """Has a reactor call a function whenever a file descriptor is readable.

    :param fd: the file descriptor
    :param callback: the function; what it raises is logged
    """

    def __init__(self, fd: int, callback: Callable[[], object]) -> None:
        self._fd = fd
        self._callback = callback

    def fileno(self) -> int:
        return self._fd

    def doRead(self) -> None:  # noqa: N802 - Twisted's name
        try:
            self._callback()
        except BaseException:
            # It must not go on to the reactor, which would not watch the descriptor any longer.
            log.err(None, "Error in the scheduler")  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        """Do nothing: the descriptor is the scheduler's to close."""

    def logPrefix(self) -> str:  # noqa: N802
        return "mainspring"
