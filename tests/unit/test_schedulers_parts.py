"""What a scheduler is made of: executors and job stores, added, removed, and found by their alias."""

from __future__ import annotations

import sys
from unittest.mock import MagicMock, Mock

import pytest

from mainspring.events import (
    EVENT_EXECUTOR_ADDED,
    EVENT_EXECUTOR_REMOVED,
    EVENT_JOB_EXECUTED,
    EVENT_JOBSTORE_ADDED,
    EVENT_JOBSTORE_REMOVED,
)
from mainspring.executors.base import BaseExecutor
from mainspring.executors.debug import DebugExecutor
from mainspring.jobstores.base import BaseJobStore
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.triggers.base import BaseTrigger
from mainspring.triggers.date import DateTrigger
from tests.stores.servers import import_etcd3
from tests.support import ManualScheduler, Recorder, listen, nothing
from tests.unit.schedulers import FAR


class TestExecutors:
    @pytest.mark.parametrize("running", [False, True])
    def test_add(self, running: bool) -> None:
        scheduler = ManualScheduler(timezone="UTC")
        if running:
            scheduler.start(paused=True)
        events = listen(scheduler)
        executor = MagicMock(BaseExecutor)
        scheduler.add_executor(executor, "other")
        if running:
            executor.start.assert_called_once_with(scheduler, "other")
            scheduler.shutdown()
        else:
            executor.start.assert_not_called()
        assert events.events[0].code == EVENT_EXECUTOR_ADDED
        assert events.events[0].alias == "other"

    def test_add_by_alias(self, scheduler: ManualScheduler) -> None:
        scheduler.add_executor("threadpool", "pool", max_workers=3)
        assert scheduler._lookup_executor("pool")._pool.max_workers == 3

    def test_add_twice(self, scheduler: ManualScheduler) -> None:
        with pytest.raises(ValueError, match='already has an executor by the alias of "default"'):
            scheduler.add_executor(DebugExecutor())

    def test_add_something_else(self, scheduler: ManualScheduler) -> None:
        with pytest.raises(TypeError, match="Expected an executor instance or a string, got int"):
            scheduler.add_executor(5, "five")  # type: ignore[arg-type]

    @pytest.mark.parametrize("shutdown", [True, False])
    def test_remove(self, scheduler: ManualScheduler, events: Recorder, shutdown: bool) -> None:
        executor = MagicMock(BaseExecutor)
        scheduler.add_executor(executor, "other")
        events.events.clear()
        scheduler.remove_executor("other", shutdown)
        assert executor.shutdown.called == shutdown
        assert [(e.code, e.alias) for e in events.events] == [(EVENT_EXECUTOR_REMOVED, "other")]
        with pytest.raises(KeyError, match="No such executor: other"):
            scheduler.remove_executor("other")


class TestJobStores:
    @pytest.mark.parametrize("running", [False, True])
    def test_add(self, scheduler: ManualScheduler, running: bool) -> None:
        if running:
            scheduler.start(paused=True)
        events = listen(scheduler)
        store = MagicMock(BaseJobStore)
        wakeups = scheduler.wakeups
        scheduler.add_jobstore(store, "other")
        assert store.start.called == running
        assert scheduler.wakeups == wakeups + running
        assert [(e.code, e.alias) for e in events.events] == [(EVENT_JOBSTORE_ADDED, "other")]

    def test_add_by_alias(self, scheduler: ManualScheduler) -> None:
        scheduler.add_jobstore("memory", "other")
        assert isinstance(scheduler._lookup_jobstore("other"), MemoryJobStore)

    def test_add_twice(self, scheduler: ManualScheduler) -> None:
        scheduler.add_jobstore("memory")
        with pytest.raises(ValueError, match='already has a job store by the alias of "default"'):
            scheduler.add_jobstore("memory")

    def test_add_something_else(self, scheduler: ManualScheduler) -> None:
        with pytest.raises(TypeError, match="Expected a job store instance or a string, got dict"):
            scheduler.add_jobstore({})  # type: ignore[arg-type]

    @pytest.mark.parametrize("shutdown", [True, False])
    def test_remove(self, scheduler: ManualScheduler, events: Recorder, shutdown: bool) -> None:
        store = MagicMock(BaseJobStore)
        scheduler.add_jobstore(store, "other")
        events.events.clear()
        scheduler.remove_jobstore("other", shutdown)
        assert store.shutdown.called == shutdown
        assert [(e.code, e.alias) for e in events.events] == [(EVENT_JOBSTORE_REMOVED, "other")]
        with pytest.raises(KeyError, match="No such job store: other"):
            scheduler.remove_jobstore("other")

    def test_jobs_of_removed_store_do_not_run(
        self, scheduler: ManualScheduler, events: Recorder
    ) -> None:
        scheduler.add_jobstore("memory", "other")
        scheduler.start()
        scheduler.add_job(nothing, jobstore="other")
        scheduler.remove_jobstore("other")
        assert scheduler._process_jobs() is None
        assert not events.of(EVENT_JOB_EXECUTED)


class TestPlugins:
    @pytest.mark.parametrize(
        ("type_", "known"),
        [("trigger", "cron"), ("executor", "threadpool"), ("jobstore", "memory")],
    )
    def test_unknown_alias_names_the_known_ones(
        self, scheduler: ManualScheduler, type_: str, known: str
    ) -> None:
        with pytest.raises(LookupError) as caught:
            scheduler._create_plugin_instance(type_, "x", {})
        assert str(caught.value) == f'No {type_} by the name "x" was found'
        if sys.version_info >= (3, 11):
            (note,) = caught.value.__notes__
            assert known in note

    def test_entry_points(
        self, scheduler: ManualScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trigger = Mock()
        trigger.load.return_value = DateTrigger
        monkeypatch.setattr(ManualScheduler, "_trigger_plugins", {"mine": trigger})
        monkeypatch.setattr(ManualScheduler, "_trigger_classes", {})
        for _ in range(2):
            assert isinstance(scheduler._create_trigger("mine", {"run_date": FAR}), DateTrigger)
        trigger.load.assert_called_once_with()

    def test_entry_point_of_the_wrong_type(
        self, scheduler: ManualScheduler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = Mock()
        wrong.load.return_value = dict
        monkeypatch.setattr(ManualScheduler, "_executor_plugins", {"wrong": wrong})
        with pytest.raises(TypeError, match="executor entry point does not point to a executor"):
            scheduler.add_executor("wrong", "x")

    def test_all_built_in_plugins_load(self, scheduler: ManualScheduler) -> None:
        import_etcd3()  # which does not go by itself beside the protobuf of other packages
        for plugins, base in (
            (scheduler._trigger_plugins, BaseTrigger),
            (scheduler._executor_plugins, BaseExecutor),
            (scheduler._jobstore_plugins, BaseJobStore),
        ):
            for alias in plugins._builtin:  # type: ignore[attr-defined]
                assert issubclass(plugins[alias].load(), base)

    def test_installed_packages_are_looked_at_last(self) -> None:
        from mainspring._scheduler.plugins import Plugins

        plugins = Plugins("trigger", {"cron": "mainspring.triggers.cron:CronTrigger"})
        assert "cron" in plugins
        assert "_installed" not in vars(plugins)
        assert "nosuch" not in plugins
        assert "_installed" in vars(plugins)
        # APScheduler is installed here, and its own entry points are not taken.
        assert list(plugins) == ["cron"]
        assert len(plugins) == 1
