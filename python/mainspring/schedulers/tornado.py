"""The scheduler for programs that run on Tornado's IOLoop."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.util import maybe_ref

try:
    from tornado.ioloop import IOLoop
except ImportError as exc:
    raise ImportError(
        "TornadoScheduler requires tornado installed: pip install mainspring[tornado]"
    ) from exc

if TYPE_CHECKING:
    from mainspring.executors.base import BaseExecutor

__all__ = ("TornadoScheduler", "run_in_ioloop")


def run_in_ioloop(func: Callable[..., Any]) -> Callable[..., None]:
    """Decorate a method of a scheduler so that each call of it is made on the scheduler's IOLoop.

    :param func: the method
    :return: a method for any thread, which returns ``None`` at once; what ``func`` returns is dropped
    """

    @wraps(func)
    def wrapper(self: TornadoScheduler, *args: Any, **kwargs: Any) -> None:
        assert self._ioloop is not None, "The scheduler has no IOLoop before it is started"
        self._ioloop.add_callback(func, self, *args, **kwargs)

    return wrapper


class TornadoScheduler(AsyncIOScheduler):
    """Runs coroutine jobs on a Tornado IOLoop, and all others in worker threads.

    An IOLoop is an asyncio loop under another name, so this is an
    :class:`~mainspring.schedulers.asyncio.AsyncIOScheduler`, with all its options and methods, and

    - ``io_loop`` (an IOLoop, or a reference to one): the IOLoop to use. By default it is the one
      that is running where :meth:`start` is called, else the current one of that thread.

    Functions decorated with :func:`tornado.gen.coroutine` are coroutine jobs, too.

    >>> import asyncio
    >>> async def main():
    ...     done = asyncio.Event()
    ...     async def job():
    ...         done.set()
    ...     async with TornadoScheduler(timezone="UTC") as scheduler:
    ...         scheduler.add_job(job)
    ...         await done.wait()
    >>> IOLoop.current().run_sync(main)
    """

    _options = ("io_loop",)
    _given_ioloop: IOLoop | None = None

    def _configure(self, config: dict[str, Any]) -> None:
        self._given_ioloop = maybe_ref(config.pop("io_loop", None))
        super()._configure(config)
        if self._given_ioloop is not None:
            self._eventloop = self._given_loop = _asyncio_loop(self._given_ioloop)

    @property
    def _ioloop(self) -> IOLoop | None:
        """The scheduler's IOLoop; ``None`` while it has none, or one of another thread's choosing."""
        if self._eventloop is None:
            return self._given_ioloop
        for ioloop in (self._given_ioloop, IOLoop.current()):
            if ioloop is not None and _asyncio_loop(ioloop) is self._eventloop:
                return ioloop
        return None

    def _create_default_executor(self) -> BaseExecutor:
        from mainspring.executors.tornado import TornadoExecutor

        return TornadoExecutor()


def _asyncio_loop(ioloop: IOLoop) -> Any:
    return ioloop.asyncio_loop  # type: ignore[attr-defined]  # of the one kind of IOLoop there is
