"""Records of runs are made where the caller is known, and say what the logger would have had them say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

import mainspring.executors.base as executors
import mainspring.schedulers.base as schedulers
from mainspring.events import EVENT_JOB_EXECUTED
from mainspring.schedulers.asyncio import AsyncIOScheduler
from tests.support import PATIENCE

LOGGERS = ("mainspring.executors.default", "mainspring.scheduler")
MESSAGES = (
    'Running job "%s" (scheduled at %s)',
    'Job "%s" executed successfully',
    "Removed job %s",
)


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg in MESSAGES:
            self.records.append(record)


@pytest.fixture
def kept() -> Iterator[Kept]:
    logger, handler = logging.getLogger("mainspring"), Kept()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def run_once() -> None:
    """Run a coroutine job, and return when its records have been made."""

    async def main() -> None:
        told = asyncio.Event()

        async def work() -> None: ...

        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.add_listener(lambda event: told.set(), EVENT_JOB_EXECUTED)
        scheduler.start()
        scheduler.add_job(work, "date", run_date=datetime.now(timezone.utc), id="once")
        await asyncio.wait_for(told.wait(), PATIENCE)
        scheduler.shutdown()

    asyncio.run(main())


def facts(records: list[logging.LogRecord]) -> list[tuple[Any, ...]]:
    found = [
        (
            record.name,
            record.levelno,
            record.msg,
            tuple(map(type, record.args or ())),
            record.pathname,
            record.lineno,
            record.funcName,
            record.exc_info,
            record.stack_info,
        )
        for record in records
    ]
    return sorted(found, key=str)


def test_they_say_what_those_of_the_logger_say(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    run_once()
    ours = facts(kept.records)
    kept.records.clear()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "info", logger.info, raising=False)

    run_once()

    assert ours == facts(kept.records)
    assert sorted(msg for _, _, msg, *_ in ours) == sorted(MESSAGES)
    assert {path for *_, path, _, _, _, _ in ours} == {executors.__file__, schedulers.__file__}


def calling(function: Callable[..., Any], called: list[str]) -> Callable[..., Any]:
    def replacement(*args: Any, **kwargs: Any) -> Any:
        called.append(function.__name__)
        return function(*args, **kwargs)

    return replacement


@pytest.mark.parametrize(
    "name", ["info", "isEnabledFor", "_log", "findCaller", "makeRecord", "handle", "callHandlers"]
)
def test_a_method_in_the_place_of_the_class_own_is_called(
    name: str, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(logging.Logger, name, calling(getattr(logging.Logger, name), called))

    run_once()

    assert called.count(name) >= len(MESSAGES)
    assert len(kept.records) == len(MESSAGES)


@pytest.mark.parametrize("name", ["info", "_log", "findCaller", "makeRecord", "handle"])
def test_so_is_one_of_a_logger(name: str, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for each in LOGGERS:
        logger = logging.getLogger(each)
        monkeypatch.setattr(logger, name, calling(getattr(logger, name), called), raising=False)

    run_once()

    assert called.count(name) >= len(MESSAGES)


def test_records_are_of_the_factory_that_is_set(kept: Kept) -> None:
    class Record(logging.LogRecord):
        pass

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Record)
    try:
        run_once()
    finally:
        logging.setLogRecordFactory(before)

    assert {type(record) for record in kept.records} == {Record}


def test_no_caller_is_named_where_logging_is_told_not_to_look(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "_srcfile", None)

    run_once()

    assert {record.funcName for record in kept.records} == {"(unknown function)"}


def test_a_logger_that_is_disabled_by_what_it_said_says_no_more(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger(LOGGERS[0])
    monkeypatch.setattr(logger, "disabled", False)

    def disable(record: logging.LogRecord) -> bool:
        logger.disabled = True
        return True

    logger.addFilter(disable)
    try:
        run_once()
    finally:
        logger.removeFilter(disable)

    assert [record.msg for record in kept.records if record.name == logger.name] == [MESSAGES[0]]
