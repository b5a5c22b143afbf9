"""Arguments of other types than the annotated ones, which APScheduler takes as Python code does."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

LIBRARIES = ("apscheduler", "mainspring")


def nothing() -> None: ...


def background(library: str) -> Any:
    return import_module(f"{library}.schedulers.background").BackgroundScheduler(timezone="UTC")


def outcome(call: Callable[[], object]) -> object:
    """Return what a call returns, or the names of the exception's classes and its text."""
    try:
        return call()
    except Exception as exc:
        return [each.__name__ for each in type(exc).__mro__], str(exc)


def both(ask: Callable[[str], object]) -> None:
    theirs, ours = (ask(library) for library in LIBRARIES)
    assert ours == theirs


@pytest.mark.parametrize("truth", [0, 1, None, "x", ""])
@pytest.mark.parametrize("where", ["paused", "wait"])
def test_flags_of_start_and_shutdown(where: str, truth: object) -> None:
    def ask(library: str) -> object:
        scheduler = background(library)
        scheduler.start(**({"paused": truth} if where == "paused" else {}))
        state = scheduler.state
        return state, scheduler.shutdown(**({"wait": truth} if where == "wait" else {}))

    both(ask)


@pytest.mark.parametrize("truth", [0, 1, None, "x", ""])
@pytest.mark.parametrize("kind", ["ThreadPoolExecutor", "ProcessPoolExecutor"])
def test_flag_of_an_executors_shutdown(kind: str, truth: object) -> None:
    def ask(library: str) -> object:
        executor = getattr(import_module(f"{library}.executors.pool"), kind)(1)
        executor.start(background(library), "pool")
        return executor.shutdown(truth)

    both(ask)


@pytest.mark.parametrize("job_id", [5, 1.5, None, b"a", object])
@pytest.mark.parametrize("alias", [None, "default"])
@pytest.mark.parametrize(
    "method", ["get_job", "remove_job", "pause_job", "resume_job", "modify_job", "reschedule_job"]
)
@pytest.mark.parametrize("running", [False, True])
def test_an_id_that_is_no_text_is_that_of_no_job(
    method: str, job_id: object, alias: str | None, running: bool
) -> None:
    def ask(library: str) -> object:
        scheduler = background(library)
        scheduler.add_job(nothing, "interval", hours=1, id="a")
        if running:
            scheduler.start()
        try:
            return outcome(lambda: getattr(scheduler, method)(job_id, alias))
        finally:
            if running:
                scheduler.shutdown()

    both(ask)


@pytest.mark.parametrize("job_id", [5, None])
@pytest.mark.parametrize("method", ["lookup_job", "remove_job"])
def test_a_memory_store_asked_by_what_is_no_text(method: str, job_id: object) -> None:
    def ask(library: str) -> object:
        store = import_module(f"{library}.jobstores.memory").MemoryJobStore()
        store.start(background(library), "default")
        return outcome(lambda: getattr(store, method)(job_id))

    both(ask)
