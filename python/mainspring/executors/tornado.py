"""The executor of :class:`~mainspring.schedulers.tornado.TornadoScheduler`."""

from __future__ import annotations

from mainspring.executors.asyncio import AsyncIOExecutor

__all__ = ("TornadoExecutor",)


class TornadoExecutor(AsyncIOExecutor):
    """Runs coroutine jobs on the scheduler's IOLoop and all others in threads of its own.

    The listeners are told of every run on the IOLoop. Plugin alias: ``tornado``.

    :param max_workers: how many threads there may be
    """

    def __init__(self, max_workers: int = 10) -> None:
        super().__init__()
        self._max_workers = int(max_workers)
