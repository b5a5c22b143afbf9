"""One of the two libraries under comparison, and the record of what a scenario does with it."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

PAST = datetime(2020, 1, 1, tzinfo=timezone.utc)
FAR = datetime(2999, 1, 1, tzinfo=timezone.utc)


class Library(logging.Handler):
    """The classes of a library by name, and everything a scenario observes of it, in order.

    :param name: the library's package
    """

    HOMES = (
        "events",
        "job",
        "executors.base",
        "executors.debug",
        "executors.pool",
        "jobstores.base",
        "jobstores.memory",
        "schedulers",
        "schedulers.base",
        "schedulers.asyncio",
        "schedulers.background",
        "triggers.base",
        "triggers.calendarinterval",
        "triggers.combining",
        "triggers.cron",
        "triggers.date",
        "triggers.interval",
        "util",
    )

    def __init__(self, name: str) -> None:
        super().__init__(logging.INFO)
        self.package = name
        self.seen: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        for home in self.HOMES:
            try:
                return getattr(import_module(f"{self.package}.{home}"), name)
            except AttributeError:
                continue
        raise AttributeError(name)

    def see(self, *observation: Any) -> None:
        self.seen.append(observation)

    def emit(self, record: logging.LogRecord) -> None:
        name = record.name.replace(self.package, "<package>")
        # DIFFERENCE: when a job that is due is named, mainspring has set its next run time already.
        text = re.sub(r"next run at: [^)]*\)", "next run at: <time>)", record.getMessage())
        self.see("log", name, record.levelname, self.plain(text))

    def on_event(self, event: Any) -> None:
        fields = {k: v for k, v in vars(event).items() if k not in ("exception", "traceback")}
        error = getattr(event, "exception", None)
        self.see("event", type(event).__name__, self.plain(str(fields)), repr(error))

    def attempt(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call, and see what is returned or raised."""
        try:
            result = function(*args, **kwargs)
        except Exception as exc:
            self.see("raised", type(exc).__name__, self.plain(str(exc)))
            return None
        self.see("returned", self.plain(repr(result)))
        return result

    def process(self, scheduler: Any) -> None:
        """Process the due jobs, and see what happens without regard to its order.

        DIFFERENCE: of a job whose trigger has ended mainspring tells that it is removed before
        it is run, APScheduler when it has been handed to its executor.
        """
        before = len(self.seen)
        wait = scheduler._process_jobs()
        self.seen[before:] = sorted(self.seen[before:], key=str)
        self.see("nothing more to do" if wait is None else "more to do")

    def see_jobs(self, scheduler: Any) -> None:
        out = io.StringIO()
        scheduler.print_jobs(out=out)
        self.see("printed", out.getvalue())
        for job in sorted(scheduler.get_jobs(), key=lambda job: job.id):
            names = (
                "id name args kwargs executor misfire_grace_time coalesce max_instances "
                "next_run_time pending _jobstore_alias func_ref"
            )
            values = [getattr(job, name, "unset") for name in names.split()]
            self.see("job", *values, str(job.trigger), repr(job))

    def plain(self, text: str) -> str:
        text = text.replace(self.package, "<package>")
        text = re.sub(r"\bat 0x[0-9a-f]+", "at <address>", text)
        return re.sub(r"missed by [\d:., days]+", "missed by <time>", text)

    def manual_scheduler(self, **options: Any) -> Any:
        """A scheduler whose jobs are processed when the scenario says so, in its thread."""
        library = self

        class Scheduler(self.BaseScheduler):  # type: ignore[misc, name-defined]
            def wakeup(self) -> None:
                library.see("wakeup")

            def shutdown(self, wait: bool = True) -> None:
                super().shutdown(wait)

        options.setdefault("timezone", "UTC")
        options.setdefault("executors", {"default": self.DebugExecutor()})
        scheduler = Scheduler(**options)
        scheduler.add_listener(self.on_event)
        return scheduler


@contextmanager
def observed(name: str) -> Iterator[Library]:
    """A library whose log records are observed."""
    library = Library(name)
    logger = logging.getLogger(name)
    level = logger.level
    logger.addHandler(library)
    logger.setLevel(logging.INFO)
    try:
        yield library
    finally:
        logger.removeHandler(library)
        logger.setLevel(level)


Scenario = Callable[[Library], None]


class Scenarios(list[Scenario]):
    """The scenarios of a module, each of which it decorates."""

    def __call__(self, function: Scenario) -> Scenario:
        self.append(function)
        return function


def assert_same(function: Scenario) -> None:
    """Run a scenario with both libraries, and check that it sees no difference."""
    records = {}
    for name in ("apscheduler", "mainspring"):
        with observed(name) as library:
            function(library)
        records[name] = library.seen
    ours, theirs = records["mainspring"], records["apscheduler"]
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        if our[0] in ("raised", "log") and our != their:
            # DIFFERENCE: a message may go on to say what was given and what is allowed, or of which
            # job and listener a log record tells.
            assert our[:-1] == their[:-1]
            assert our[-1].startswith(their[-1])
        else:
            assert our == their
    assert ours
