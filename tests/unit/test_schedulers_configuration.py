from __future__ import annotations

import logging
import warnings
from datetime import timezone
from typing import Any
from unittest.mock import MagicMock, Mock
from zoneinfo import ZoneInfo

import pytest

from mainspring._scheduler.configuration import nest
from mainspring.executors.base import BaseExecutor
from mainspring.executors.debug import DebugExecutor
from mainspring.jobstores.base import BaseJobStore
from mainspring.jobstores.memory import MemoryJobStore
from mainspring.schedulers import SchedulerAlreadyRunningError
from mainspring.schedulers.asyncio import AsyncIOScheduler
from mainspring.schedulers.background import BackgroundScheduler
from tests.support import ManualScheduler

pytestmark = pytest.mark.own_grace

logger = logging.getLogger("a logger of the test")


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = ZoneInfo("Asia/Kolkata")
    monkeypatch.setattr("mainspring.schedulers.base.get_localzone", Mock(return_value=zone))
    scheduler = ManualScheduler()
    assert scheduler.timezone is zone
    assert scheduler.jobstore_retry_interval == 10
    assert scheduler._logger.name == "mainspring.scheduler"
    assert scheduler._job_defaults == {
        "misfire_grace_time": 1,
        "coalesce": True,
        "max_instances": 1,
    }


def test_keywords() -> None:
    store = MagicMock(BaseJobStore)
    scheduler = ManualScheduler(
        timezone="Europe/Berlin",
        logger=logger,
        jobstore_retry_interval="2.5",
        job_defaults={"misfire_grace_time": "7", "coalesce": "no", "max_instances": "3"},
        executors={"fast": DebugExecutor(), "pool": {"type": "threadpool", "max_workers": "4"}},
        jobstores={
            "made": {"class": "mainspring.jobstores.memory:MemoryJobStore"},
            "given": store,
        },
    )
    assert scheduler.timezone == ZoneInfo("Europe/Berlin")
    assert scheduler._logger is logger
    assert scheduler.jobstore_retry_interval == 2.5
    assert scheduler._job_defaults == {
        "misfire_grace_time": 7,
        "coalesce": False,
        "max_instances": 3,
    }
    assert isinstance(scheduler._lookup_executor("fast"), DebugExecutor)
    assert scheduler._lookup_executor("pool")._pool.max_workers == 4
    assert isinstance(scheduler._lookup_jobstore("made"), MemoryJobStore)
    assert scheduler._lookup_jobstore("given") is store


def test_dotted_keys() -> None:
    scheduler = ManualScheduler(
        {
            "apscheduler.timezone": "UTC",
            "apscheduler.logger": "tests.unit.test_schedulers_configuration:logger",
            "apscheduler.job_defaults.coalesce": "false",
            "apscheduler.job_defaults.max_instances": "3",
            "apscheduler.executors.default.class": "mainspring.executors.pool:ThreadPoolExecutor",
            "apscheduler.executors.default.max_workers": "20",
            "apscheduler.jobstores.default.type": "memory",
            "other.timezone": "nonsense",
        }
    )
    assert scheduler.timezone is timezone.utc
    assert scheduler._logger is logger
    assert scheduler._job_defaults["coalesce"] is False
    assert scheduler._job_defaults["max_instances"] == 3
    assert scheduler._lookup_executor("default")._pool.max_workers == 20
    assert isinstance(scheduler._lookup_jobstore("default"), MemoryJobStore)


@pytest.mark.parametrize(
    ("prefix", "config"),
    [
        ("apscheduler.", {"foo": 1, "a": {"b": 2}}),
        ("x.", {"timezone": "UTC"}),
        ("", {"apscheduler": {"foo": 1, "a": {"b": 2}}, "x": {"timezone": "UTC"}}),
        (None, {"apscheduler": {"foo": 1, "a": {"b": 2}}, "x": {"timezone": "UTC"}}),
    ],
)
def test_prefix(prefix: str | None, config: dict[str, Any]) -> None:
    gconfig = {"apscheduler.foo": 1, "apscheduler.a.b": 2, "x.timezone": "UTC"}
    scheduler = ManualScheduler(timezone="UTC")
    scheduler._configure = Mock()  # type: ignore[method-assign]
    scheduler.configure(gconfig, prefix)
    scheduler._configure.assert_called_once_with(config)


def test_keywords_take_precedence() -> None:
    scheduler = ManualScheduler({"apscheduler.timezone": "Europe/Berlin"}, timezone="UTC")
    assert scheduler.timezone is timezone.utc


def test_key_that_is_both_value_and_section() -> None:
    with pytest.raises(ValueError, match=r'"a\.b" is at odds with the value 1 of "a"'):
        nest({"a": 1, "a.b": 2}, None)


def test_configuring_again_starts_anew() -> None:
    scheduler = ManualScheduler(timezone="UTC", executors={"a": DebugExecutor()})
    scheduler.configure(timezone="Europe/Berlin", executors={"b": DebugExecutor()})
    assert scheduler.timezone == ZoneInfo("Europe/Berlin")
    assert list(scheduler._executors) == ["b"]


def test_configuring_while_running() -> None:
    scheduler = ManualScheduler(timezone="UTC")
    scheduler.start(paused=True)
    with pytest.raises(SchedulerAlreadyRunningError):
        scheduler.configure(timezone="UTC")
    scheduler.shutdown()


def test_configuration_is_not_changed_by_reading_it() -> None:
    # DIFFERENCE: APScheduler takes "type" and "class" out of the dictionaries it is given, so that
    # the same configuration cannot be read twice.
    config: dict[str, Any] = {"timezone": "UTC", "executors": {"default": {"type": "debug"}}}
    for _ in range(2):
        assert isinstance(ManualScheduler(**config)._lookup_executor("default"), DebugExecutor)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (
            {"executors": {"x": {"max_workers": 3}}},
            ValueError,
            'Cannot create executor "x" -- either "type" or "class" must be defined',
        ),
        (
            {"jobstores": {"x": {}}},
            ValueError,
            'Cannot create job store "x" -- either "type" or "class" must be defined',
        ),
        (
            {"executors": {"x": 5}},
            TypeError,
            r"Expected executor instance or dict for executors\['x'\], got int instead",
        ),
        (
            {"jobstores": {"x": "memory"}},
            TypeError,
            r"Expected job store instance or dict for jobstores\['x'\], got str instead",
        ),
        ({"executors": {"x": {"type": "nosuch"}}}, LookupError, "nosuch"),
        ({"timezone": "Nowhere/Land"}, Exception, "Nowhere/Land"),
        ({"timezone": 5}, TypeError, "Expected tzinfo, got int instead"),
        ({"job_defaults": {"coalesce": "maybe"}}, ValueError, '"maybe" as boolean'),
    ],
)
def test_bad_values(config: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ManualScheduler(**{"timezone": "UTC", **config})


class TestUnknownOptions:
    # DIFFERENCE: APScheduler ignores an option that it does not know, and says nothing.

    @pytest.mark.parametrize(
        ("scheduler", "option", "nearest"),
        [
            (ManualScheduler, "job_default", "job_defaults"),
            (BackgroundScheduler, "deamon", "daemon"),
            (AsyncIOScheduler, "eventloop", "event_loop"),
            (ManualScheduler, "time_zone", "timezone"),
        ],
    )
    def test_nearest_is_named(self, scheduler: Any, option: str, nearest: str) -> None:
        message = f"{scheduler.__name__}: unknown option '{option}'; did you mean '{nearest}'"
        with pytest.warns(UserWarning, match=message) as caught:
            scheduler(timezone="UTC", **{option: 1}) if option != "time_zone" else scheduler(
                time_zone="UTC"
            )
        assert caught[0].filename == __file__

    def test_option_like_no_other(self) -> None:
        with pytest.warns(
            UserWarning, match=r"'qwxz'; it has no effect \(known: clock, executors, "
        ):
            ManualScheduler(timezone="UTC", qwxz=1)

    def test_job_defaults(self) -> None:
        with pytest.warns(UserWarning, match="job_defaults: unknown option 'max_instance'; did"):
            ManualScheduler(timezone="UTC", job_defaults={"max_instance": 3})

    def test_dotted_key(self) -> None:
        with pytest.warns(UserWarning, match="unknown option 'jobstore'; did you mean 'jobstores'"):
            ManualScheduler({"apscheduler.jobstore.default.type": "memory"}, timezone="UTC")

    def test_options_of_a_users_own_class(self) -> None:
        class Scheduler(ManualScheduler):
            def _configure(self, config: dict[str, Any]) -> None:
                self.colour = config.pop("colour", None)
                super()._configure(config)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Scheduler(timezone="UTC", colour="red").colour == "red"


def test_executor_class_given_as_a_class() -> None:
    scheduler = ManualScheduler(timezone="UTC", executors={"default": {"class": DebugExecutor}})
    assert isinstance(scheduler._lookup_executor("default"), BaseExecutor)
