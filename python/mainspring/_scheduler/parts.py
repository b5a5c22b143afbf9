"""How a scheduler's executors, job stores and listeners are added, removed, looked up and called.

Ground rules:

- Any thread may call these methods. ``_executors`` and ``_jobstores`` are changed under the lock of
  each, which a start holds while it starts what is in there, and puts the pending jobs into the stores.
  They are read without it, by one look-up or from a copy. The lock of the stores is taken under that of
  one store by a sweep.
- A store written in Python is called under a lock of its own, made when it is first needed. A native
  store has its own in Rust, under which no Python code runs.
- ``_listeners`` is changed, and the engine told what they want, under ``_listeners_lock``, under which
  nothing is waited for. Who calls the listeners takes no lock: those are called that there were when
  the event came. No lock of these is held meanwhile, but those of a start, and that of a store where a
  job in it is swept or resumed.
- ``_state`` is one assignment, and may be another one right after it was read.
- All locks are re-entrant, and are made anew in a forked child, which has no other thread.
"""

from __future__ import annotations

import os
from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, cast

from mainspring._logs import message, names_caller
from mainspring._mainspring import call_listeners
from mainspring._process.fork import note_fork
from mainspring._scheduler.listeners import Listener, Listeners, discard, mask_of
from mainspring._scheduler.plugins import EXECUTORS, JOBSTORES, TRIGGERS, Plugin
from mainspring._scheduler.registry import Registry
from mainspring._scheduler.replaced import TELLING, native_store
from mainspring._scheduler.state import STATE_STOPPED
from mainspring.events import (
    EVENT_ALL,
    EVENT_EXECUTOR_ADDED,
    EVENT_EXECUTOR_REMOVED,
    EVENT_JOBSTORE_ADDED,
    EVENT_JOBSTORE_REMOVED,
    SchedulerEvent,
)
from mainspring.executors.base import BaseExecutor
from mainspring.jobstores.base import BaseJobStore
from mainspring.triggers.base import BaseTrigger
from mainspring.util import with_note

if TYPE_CHECKING:
    from logging import Logger

    from mainspring._contract import Scheduler
    from mainspring._mainspring import Engine, NativeJobs, WorkerPool
    from mainspring._scheduler.sweep import StoreSweeper

_NOTHING = nullcontext()


EXECUTOR_REGISTRY = Registry[BaseExecutor]("executor", "an", BaseExecutor)  # type: ignore[type-abstract]
JOBSTORE_REGISTRY = Registry[BaseJobStore]("job store", "a", BaseJobStore)  # type: ignore[type-abstract]


class SchedulerParts(metaclass=ABCMeta):
    """What a scheduler consists of, and how its parts are added, removed, started and stopped."""

    _trigger_plugins: ClassVar[Mapping[str, Plugin]] = TRIGGERS
    _executor_plugins: ClassVar[Mapping[str, Plugin]] = EXECUTORS
    _jobstore_plugins: ClassVar[Mapping[str, Plugin]] = JOBSTORES
    _trigger_classes: ClassVar[MutableMapping[str, type]] = {}
    _executor_classes: ClassVar[MutableMapping[str, type]] = {}
    _jobstore_classes: ClassVar[MutableMapping[str, type]] = {}

    _logger: Logger
    _engine: Engine
    _sweeper: StoreSweeper
    #: What adds, finds and changes jobs, and calls the scheduler's own methods where a step needs them.
    _native_jobs: NativeJobs
    #: Whether the scheduler has stopped without being told to, since its loop was closed or this is a
    #: forked process, and keeps its stores open.
    _stopped_by_itself = False
    #: The process that the scheduler runs in, where this one was forked from it and it has not been told.
    _runs_in: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self._state = STATE_STOPPED
        self._executors: dict[str, BaseExecutor] = {}
        self._jobstores: dict[str, BaseJobStore] = {}
        self._listeners: Listeners = []
        self._make_locks()

    @abstractmethod
    def wakeup(self) -> None:
        """Have due jobs started soon."""

    @property
    def state(self) -> int:
        """One of ``STATE_STOPPED``, ``STATE_RUNNING`` and ``STATE_PAUSED``."""
        self._note_closed_loop()
        return self._state

    @state.setter
    def state(self, value: int) -> None:
        self._state = value

    def _note_fork(self, *, tells: bool = True) -> None:
        """Take note that the process has been forked since the scheduler was started.

        :param tells: whether to say so, once, where the scheduler does not run any more
        """
        note_fork()
        if self._runs_in is not None:
            process, self._runs_in = self._runs_in, None
            if tells:
                self._logger.warning(
                    "The scheduler does not run in this forked process (%d), only in the one that "
                    "it was started in (%d); call start() to start it here, too",
                    os.getpid(),
                    process,
                )

    def _note_running_loop(self) -> None:
        """Take note of the process and the loop from which the scheduler is called."""
        self._note_fork()

    def _note_closed_loop(self) -> None:
        """Stop if a loop that the scheduler needs has been closed. Not where a lock of its own is held."""
        self._note_fork()

    def add_executor(
        self, executor: BaseExecutor | str, alias: str = "default", **executor_opts: Any
    ) -> None:
        """Add an executor, which is started at once if the scheduler is running.

        :param executor: the executor, or the alias of an executor plugin
        :param alias: what the ``executor`` argument of jobs names it by
        :param executor_opts: arguments of the plugin's class
        :raises ValueError: if there is an executor under this alias
        :raises TypeError: if ``executor`` is something else
        """
        note_fork()
        with self._executors_lock:
            added = EXECUTOR_REGISTRY.add(
                self._executors,
                executor,
                alias,
                lambda plugin: self._create_plugin_instance("executor", plugin, executor_opts),
            )
            if self._state != STATE_STOPPED:
                self._start_executor(added, alias)
        self._dispatch_event(SchedulerEvent(EVENT_EXECUTOR_ADDED, alias))

    def remove_executor(self, alias: str, shutdown: bool = True) -> None:
        """Remove an executor.

        :param alias: its alias
        :param shutdown: whether to shut it down, which waits for its runs
        :raises KeyError: if there is no executor under this alias
        """
        with self._executors_lock:
            executor = self._lookup_executor(alias)
            del self._executors[alias]
        self._engine.remove_executor(alias)
        if shutdown:
            executor.shutdown()
        self._dispatch_event(SchedulerEvent(EVENT_EXECUTOR_REMOVED, alias))

    def add_jobstore(
        self, jobstore: BaseJobStore | str, alias: str = "default", **jobstore_opts: Any
    ) -> None:
        """Add a job store, which is started at once if the scheduler is running.

        :param jobstore: the store, or the alias of a job store plugin
        :param alias: what the ``jobstore`` argument of methods names it by
        :param jobstore_opts: arguments of the plugin's class
        :raises ValueError: if there is a job store under this alias
        :raises TypeError: if ``jobstore`` is something else
        """
        note_fork()
        with self._jobstores_lock:
            added = JOBSTORE_REGISTRY.add(
                self._jobstores,
                jobstore,
                alias,
                lambda plugin: self._create_plugin_instance("jobstore", plugin, jobstore_opts),
            )
            if self._state != STATE_STOPPED:
                self._start_jobstore(added, alias)
        self._dispatch_event(SchedulerEvent(EVENT_JOBSTORE_ADDED, alias))
        if self._state != STATE_STOPPED:
            self.wakeup()

    def remove_jobstore(self, alias: str, shutdown: bool = True) -> None:
        """Remove a job store; the jobs in it are not run any more.

        :param alias: its alias
        :param shutdown: whether to shut it down
        :raises KeyError: if there is no job store under this alias
        """
        with self._jobstores_lock:
            store = self._lookup_jobstore(alias)
            del self._jobstores[alias]
        if native_store(store) is not None:
            self._engine.detach_store(alias)
        if shutdown:
            with self._store_lock(alias):
                store.shutdown()
        self._dispatch_event(SchedulerEvent(EVENT_JOBSTORE_REMOVED, alias))

    def add_listener(self, callback: Listener, mask: int = EVENT_ALL) -> None:
        """Have a function called with each event of certain kinds.

        :param callback: the function; it gets the event as its only argument
        :param mask: the ``EVENT_*`` codes it wants, joined by ``|``
        """
        with self._listeners_lock:
            self._listeners.append((callback, mask))
            self._engine.set_listener_mask(self._listener_mask())

    def remove_listener(self, callback: Listener) -> None:
        """Have a function not called any more, under whatever mask it was added."""
        with self._listeners_lock:
            discard(self._listeners, callback)
            self._engine.set_listener_mask(self._listener_mask())

    def _make_locks(self) -> None:
        self._executors_lock = self._create_lock()
        self._jobstores_lock = self._create_lock()
        self._listeners_lock = self._create_brief_lock()
        self._store_locks: dict[str, AbstractContextManager[Any]] = {}

    def _create_lock(self) -> AbstractContextManager[Any]:
        """Make a re-entrant lock of the kind that suits the scheduler."""
        return RLock()

    def _create_brief_lock(self) -> AbstractContextManager[Any]:
        """Make such a lock under which nothing is waited for."""
        return self._create_lock()

    def _create_plugin_instance(
        self, type_: str, alias: str, constructor_kwargs: Mapping[str, Any]
    ) -> Any:
        """Make an instance of a plugin.

        :param type_: ``trigger``, ``executor`` or ``jobstore``
        :raises LookupError: if there is no such plugin
        :raises TypeError: if the plugin is not a class of that type
        """
        plugins: Mapping[str, Plugin] = getattr(self, f"_{type_}_plugins")
        classes: MutableMapping[str, type] = getattr(self, f"_{type_}_classes")
        cls = classes.get(alias)
        if cls is None:
            if alias not in plugins:
                raise with_note(
                    LookupError(f'No {type_} by the name "{alias}" was found'),
                    f"known: {', '.join(sorted({*plugins, *classes}))}",
                )
            cls = plugins[alias].load()
            base = {"trigger": BaseTrigger, "executor": BaseExecutor, "jobstore": BaseJobStore}
            if not issubclass(cls, base[type_]):
                raise TypeError(f"The {type_} entry point does not point to a {type_} class")
            classes[alias] = cls
        return cls(**constructor_kwargs)

    def _lookup_executor(self, alias: str) -> BaseExecutor:
        """Return the executor under an alias; KeyError if there is none."""
        return EXECUTOR_REGISTRY.lookup(self._executors, alias)

    def _lookup_jobstore(self, alias: str) -> BaseJobStore:
        """Return the job store under an alias; KeyError if there is none."""
        return JOBSTORE_REGISTRY.lookup(self._jobstores, alias)

    def _dispatch_event(self, event: SchedulerEvent) -> None:
        """Call the listeners that want this event; what they raise is logged.

        What is to end the program, as Ctrl-C, goes on when all have been called.
        """
        self._call_listeners(event)

    def _call_listeners(self, event: SchedulerEvent) -> None:
        if self._listeners:
            with self._calling_out():
                call_listeners(self._listeners, event, self._note_failed_listener)

    def _tells_directly(self) -> bool | None:
        """Tell whether the binding may call the listeners itself: no program has replaced what does.

        ``None``: where no loop runs in the thread, which would have to be hidden from them.
        """
        if any(map(self._is_replaced, TELLING)):
            return False
        return None if self._is_replaced("_calling_out") else True

    def _note_failed_listener(
        self, callback: Listener, event: SchedulerEvent, exc: BaseException
    ) -> None:
        words = message("Error notifying listener", beyond=" %r of %r", of=(callback, event))
        self._logger.error(*words, exc_info=exc)

    def _calling_out(self) -> AbstractContextManager[Any]:
        """Return the context in which listeners are called."""
        return _NOTHING

    def _is_replaced(self, hook: str) -> bool:
        """Tell whether a program has put a method of its own in the place of one of this class."""
        return hook in vars(self) or getattr(type(self), hook) is not getattr(SchedulerParts, hook)

    def _listener_mask(self) -> int:
        """Return the codes of the events that are to be made."""
        if self._is_replaced("_dispatch_event"):
            return EVENT_ALL
        return mask_of(self._listeners)

    def _pool_for(self, executor: BaseExecutor) -> WorkerPool | None:
        """Return the pool with which the engine runs an executor's jobs by itself.

        ``None`` where the user calls :meth:`_process_jobs`: that submits each due job to its
        executor and tells of it before it returns, as in 3.x.
        """
        return None

    def _start_executor(self, executor: BaseExecutor, alias: str) -> None:
        executor.start(cast("Scheduler", self), alias)
        self._name_executor(executor, alias)

    def _name_executor(self, executor: BaseExecutor, alias: str) -> None:
        """Tell the engine how it is to run the jobs of an executor."""
        pool, calls_here = self._pool_for(executor), self._calls_for(executor)
        self._engine.set_executor(alias, pool, calls_here, executor._logger)

    def _calls_for(self, executor: BaseExecutor) -> bool:
        """Tell whether the engine calls the functions of an executor's jobs on its loop."""
        return False

    def _start_jobstore(self, store: BaseJobStore, alias: str) -> None:
        store.start(cast("Scheduler", self), alias)
        core = native_store(store)
        if core is not None:
            self._engine.attach_store(alias, core)

    def _store_methods_have_changed(self, store: BaseJobStore) -> None:
        """Have a store that runs swept anew, by the engine or in Python."""
        if self.state == STATE_STOPPED:
            return
        core = native_store(store)
        for alias, known in self._stores():
            if known is not store:
                continue
            self._engine.detach_store(alias)
            if core is not None:
                # A sweep in Python that is under way has yet to save what it has submitted.
                with self._store_locks.get(alias) or nullcontext():
                    self._engine.attach_store(alias, core)
        self._sweeper.wake()

    def _stop_jobstore(self, store: BaseJobStore, alias: str) -> None:
        if native_store(store) is not None:
            self._engine.detach_store(alias)
        with self._store_lock(alias):
            store.shutdown()
            self._sweeper.handed_over(alias).clear()

    def _stores_are_open(self) -> bool:
        """Tell whether jobs are in the stores, and not pending."""
        return self._state != STATE_STOPPED or self._stopped_by_itself

    def _stores(self, alias: str | None = None) -> list[tuple[str, BaseJobStore]]:
        """Return the job stores, or the one under an alias, as they are now."""
        with self._jobstores_lock:
            return [item for item in self._jobstores.items() if alias in (None, item[0])]

    def _python_stores(self) -> list[tuple[str, BaseJobStore]]:
        """Return the job stores that the engine does not serve by itself."""
        return [item for item in self._stores() if native_store(item[1]) is None]

    def _store_lock(self, alias: str) -> AbstractContextManager[Any]:
        """Return what keeps two threads from calling one store at once.

        It is not the lock of the stores' dictionary, so that a slow store holds up no call that
        deals with another one. A native store needs none.
        """
        store = self._jobstores.get(alias)
        if store is not None and native_store(store) is not None:
            return _NOTHING
        lock = self._store_locks.get(alias)
        return lock or self._store_locks.setdefault(alias, self._create_lock())


names_caller(globals(), "schedulers.base")
