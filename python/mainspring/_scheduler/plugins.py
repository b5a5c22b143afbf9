"""Plugins: the triggers, executors and job stores that can be named by an alias."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from mainspring.util import ref_to_obj


class Plugin(Protocol):
    """What an alias stands for: an entry point, or something that loads a class as one does."""

    def load(self) -> Any: ...


class Reference(NamedTuple):
    """A plugin that comes with mainspring, as ``module:class``."""

    value: str

    def load(self) -> Any:
        return ref_to_obj(self.value)


class Plugins(Mapping[str, Plugin]):
    """The plugins of one type by alias: the built-in ones, then those of installed packages.

    Packages register them in the entry-point groups ``apscheduler.<type>s`` and
    ``mainspring.<type>s``. Since looking there is slow it is put off until an alias is asked for
    that is not built in. APScheduler's own entry points are left out: its classes are not ours.

    :param type_: ``trigger``, ``executor`` or ``jobstore``
    :param builtin: the built-in ones, alias to ``module:class``
    """

    def __init__(self, type_: str, builtin: Mapping[str, str]) -> None:
        self._type = type_
        self._builtin = {alias: Reference(value) for alias, value in builtin.items()}

    @cached_property
    def _installed(self) -> dict[str, Plugin]:
        from importlib.metadata import entry_points

        return {
            point.name: point
            for project in ("apscheduler", "mainspring")
            for point in entry_points(group=f"{project}.{self._type}s")
            if not point.value.startswith("apscheduler.")
        }

    def __getitem__(self, alias: str) -> Plugin:
        builtin = self._builtin.get(alias)
        return builtin if builtin is not None else self._installed[alias]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._installed, **self._builtin})

    def __len__(self) -> int:
        return len({**self._installed, **self._builtin})


TRIGGERS: Plugins = Plugins(
    "trigger",
    {
        "and": "mainspring.triggers.combining:AndTrigger",
        "calendarinterval": "mainspring.triggers.calendarinterval:CalendarIntervalTrigger",
        "cron": "mainspring.triggers.cron:CronTrigger",
        "date": "mainspring.triggers.date:DateTrigger",
        "interval": "mainspring.triggers.interval:IntervalTrigger",
        "or": "mainspring.triggers.combining:OrTrigger",
    },
)
EXECUTORS: Plugins = Plugins(
    "executor",
    {
        "asyncio": "mainspring.executors.asyncio:AsyncIOExecutor",
        "debug": "mainspring.executors.debug:DebugExecutor",
        "gevent": "mainspring.executors.gevent:GeventExecutor",
        "processpool": "mainspring.executors.pool:ProcessPoolExecutor",
        "threadpool": "mainspring.executors.pool:ThreadPoolExecutor",
        "tornado": "mainspring.executors.tornado:TornadoExecutor",
        "twisted": "mainspring.executors.twisted:TwistedExecutor",
    },
)
JOBSTORES: Plugins = Plugins(
    "jobstore",
    {
        "etcd": "mainspring.jobstores.etcd:EtcdJobStore",
        "memory": "mainspring.jobstores.memory:MemoryJobStore",
        "mongodb": "mainspring.jobstores.mongodb:MongoDBJobStore",
        "redis": "mainspring.jobstores.redis:RedisJobStore",
        "rethinkdb": "mainspring.jobstores.rethinkdb:RethinkDBJobStore",
        "sqlalchemy": "mainspring.jobstores.sqlalchemy:SQLAlchemyJobStore",
        "zookeeper": "mainspring.jobstores.zookeeper:ZooKeeperJobStore",
    },
)
