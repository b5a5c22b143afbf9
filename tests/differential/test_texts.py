"""Texts and numbers that a trigger, an executor or a job refuses or takes, as with APScheduler 3.11.3."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from mainspring.triggers.cron import CronTrigger
from tests.support import nothing

LIBRARIES = ("apscheduler", "mainspring")
#: As the name of a file is given by the operating system, where its encoding is unknown.
NAME = "caf\udce9"
HUGE = 10**30


class Parts:
    """What of a library the cases here name."""

    def __init__(self, library: str) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        folders = ["triggers.cron", "triggers.interval", "triggers.date", "triggers.combining"]
        folders += ["triggers.calendarinterval", "executors.pool", "schedulers.background"]
        for folder in folders:
            try:
                return getattr(import_module(f"{self._library}.{folder}"), name)
            except AttributeError:
                continue
        raise AttributeError(name)

    def job(self) -> Any:
        scheduler = self.BackgroundScheduler(timezone="UTC")
        return scheduler.add_job(nothing, "interval", hours=1, id="a")

    def add(self, trigger: str, **options: Any) -> str:
        """Return the trigger of a job that a running scheduler gets."""
        scheduler = self.BackgroundScheduler(timezone="UTC")
        scheduler.start(paused=True)
        try:
            return str(scheduler.add_job(nothing, trigger, **options).trigger)
        finally:
            scheduler.shutdown()


def outcome(call: Callable[[Parts], object], library: str) -> object:
    """Return what a call returns, or the names of the exception's classes and its text."""
    try:
        return str(call(Parts(library)))
    except Exception as exc:
        return [each.__name__ for each in type(exc).__mro__], str(exc)


def both(call: Callable[[Parts], object]) -> None:
    theirs, ours = (outcome(call, library) for library in LIBRARIES)
    if isinstance(theirs, tuple) and isinstance(ours, tuple) and theirs[0] == ours[0]:
        # What CPython 3.15 adds is its own: what may have been meant, and why there can be no attribute.
        theirs = (theirs[0], theirs[1][: len(ours[1])])
    if theirs != ours:
        # DIFFERENCE: the whole of an expression must match, and not its beginning alone.
        kind, text = ours
        assert kind[0] == "ValueError", (theirs, ours)
        beginning = re.match(r'Unrecognized expression "(last|\w+(?: \w+)?)[^\w ]', text)
        assert beginning, (theirs, ours)
        assert theirs[0] != kind or "Invalid" in theirs[1], (theirs, ours)


FIELDS = ["year", "month", "day", "week", "day_of_week", "hour", "minute", "second"]
#: Full-width, Arabic, Devanagari, and of a plane beyond the first.
DIGITS = ["\uff13", "\u0663", "1\u0969", "\U0001d7db", "\uff13-\uff15/\uff12", "*/\u0662,\uff14"]
TEXTS = [NAME, f"1,{NAME}", "\udc80", f"2nd {NAME}", f"last {NAME}", "\U0010ffff", "mon\udc80"]
BLANKS = [
    "\x1c3\x1f",
    "\u30003\u2003",
    "3 ,\x1d4",
    "\xb2",
    "\u2167",
    "\uff13\uff10\uff10\uff10\uff10",
]


@pytest.mark.parametrize("text", [*DIGITS, *TEXTS, *BLANKS], ids=ascii)
@pytest.mark.parametrize("field", FIELDS)
def test_fields_of_cron_triggers(field: str, text: str) -> None:
    both(lambda parts: parts.CronTrigger(**{field: text}, timezone="UTC"))
    both(lambda parts: parts.add("cron", **{field: text}))


@pytest.mark.parametrize(
    "text",
    [
        *("\uff15 \u0664 * * *", f"{NAME} * * * *", f"* * {NAME} * *", NAME, f"\udc80 {NAME}", ""),
        *(
            "1\x1c2\x1d3\x1e4\x1f5",
            "1\x852\xa03\u20284\u30005",
            "* * last\udc80 * *",
            "* * * * 2nd",
        ),
    ],
    ids=ascii,
)
def test_crontabs(text: str) -> None:
    both(lambda parts: parts.CronTrigger.from_crontab(text, "UTC"))


@pytest.mark.parametrize("text", [None, 5, b"1 2 3 4 5"])
def test_crontabs_that_are_no_text(text: Any) -> None:
    both(lambda parts: parts.CronTrigger.from_crontab(text, "UTC"))


def test_quartz_expression_of_a_name() -> None:
    for text in (f"0 0 0 {NAME} * ?", NAME):
        with pytest.raises(ValueError, match="Quartz|Wrong number of fields"):
            CronTrigger.from_quartz(text)


TRIGGERS = {
    "CronTrigger": "cron",
    "IntervalTrigger": "interval",
    "DateTrigger": "date",
    "CalendarIntervalTrigger": "calendarinterval",
}


@pytest.mark.parametrize("name", TRIGGERS)
def test_unknown_arguments_of_triggers(name: str) -> None:
    both(lambda parts: getattr(parts, name)(**{NAME: 1}))
    both(lambda parts: parts.add(TRIGGERS[name], **{NAME: 1}))
    both(lambda parts: parts.add(TRIGGERS[name], **{"hours": 1, NAME: 1}))


@pytest.mark.parametrize("number", [HUGE, -HUGE, 2**63, 2**31, True, 2.5, "7", HUGE * 1.0])
@pytest.mark.parametrize("field", FIELDS)
def test_numbers_of_cron_triggers(field: str, number: Any) -> None:
    both(lambda parts: parts.CronTrigger(**{field: number}, timezone="UTC"))
    both(lambda parts: parts.add("cron", **{field: number}))


@pytest.mark.parametrize("number", [HUGE, -HUGE, 2**63, -(2**63), 10**14])
@pytest.mark.parametrize("unit", ["weeks", "days", "hours", "minutes", "seconds"])
def test_lengths_of_intervals(unit: str, number: int) -> None:
    def ends(call: Callable[[Parts], object]) -> list[Any]:
        # What Python says of a number differs with its type.
        told = [outcome(call, library) for library in LIBRARIES]
        return [each[0] if isinstance(each, tuple) else each for each in told]

    theirs, ours = ends(lambda parts: parts.IntervalTrigger(**{unit: number}, timezone="UTC"))
    assert ours == theirs
    theirs, ours = ends(lambda parts: parts.add("interval", **{unit: number}))
    assert ours == theirs


@pytest.mark.parametrize("workers", [HUGE, -HUGE, 2**63, 2**64, 0, "3", 2.5, True])
def test_sizes_of_thread_pools(workers: Any) -> None:
    def made(parts: Parts) -> object:
        return parts.ThreadPoolExecutor(workers)._pool._max_workers > 1

    both(made)


@pytest.mark.parametrize("prefix", [NAME, 5, b"a", None, ""])
def test_names_of_threads(prefix: Any) -> None:
    def named(parts: Parts) -> object:
        executor = parts.ThreadPoolExecutor(1, {"thread_name_prefix": prefix})
        try:
            name = executor._pool.submit(lambda: threading.current_thread().name).result(30)
            return name if prefix else re.sub("-[0-9]+", "-N", name)
        finally:
            executor.shutdown()

    both(named)


@pytest.mark.parametrize(
    "change",
    [
        lambda job: job.modify(**{NAME: 1}),
        lambda job: setattr(job, NAME, 1),
        lambda job: getattr(job, NAME),
        lambda job: delattr(job, NAME),
        lambda job: setattr(job.trigger, NAME, 1),
        lambda job: job._scheduler.modify_job("a", **{NAME: 1}),
    ],
    ids=range(6),
)
def test_attributes_of_jobs(change: Callable[[Any], object]) -> None:
    both(lambda parts: change(parts.job()))


@pytest.mark.parametrize("mask", [-1, HUGE, 1 << 40, True, -HUGE])
def test_masks_of_listeners(mask: int) -> None:
    def heard(parts: Parts) -> object:
        codes: list[int] = []
        scheduler = parts.BackgroundScheduler(timezone="UTC")
        scheduler.add_listener(lambda event: codes.append(event.code), mask)
        scheduler.start()
        scheduler.shutdown()
        return codes

    both(heard)


def test_members_whose_text_is_a_name() -> None:
    def shown(parts: Parts) -> object:
        base = import_module(f"{parts._library}.triggers.base").BaseTrigger

        class Named(base):  # type: ignore[misc]
            def get_next_fire_time(self, previous: Any, now: Any) -> None: ...

            def __str__(self) -> str:
                return NAME

            __repr__ = __str__

        trigger = parts.OrTrigger([Named()])
        return f"{trigger} {trigger!r}"

    both(shown)
