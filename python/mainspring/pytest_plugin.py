"""The pytest plugin: schedules tested in virtual time; see docs/testing.md.

pytest imports this module in every project that has mainspring installed. So it imports nothing of the
package before a test asks for one of the fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mainspring.testing import AsyncIOTestScheduler, BackgroundTestScheduler, ManualClock
    from mainspring.testing._guard import Guard

_GUARD: pytest.StashKey[Guard] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "mainspring(start=..., timezone=..., seed=..., patience=...): the arguments of the ManualClock "
        "that the fixtures mainspring_clock and mainspring_scheduler give the test",
    )


@pytest.fixture
def mainspring_clock(request: pytest.FixtureRequest) -> Iterator[ManualClock]:
    """A clock that the test moves, for any scheduler: ``AsyncIOScheduler(clock=mainspring_clock)``.

    ``@pytest.mark.mainspring(start="2026-03-29T00:00", timezone="Europe/Berlin", seed=1)`` says what it
    shows first; it takes the arguments of :class:`~mainspring.testing.ManualClock`. The test fails if a job
    has raised an exception that was not expected, a run has not ended, or a coroutine was never awaited.
    """
    from mainspring.testing import ManualClock
    from mainspring.testing._guard import Guard

    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("mainspring"))):
        if mark.args:
            raise pytest.UsageError("@pytest.mark.mainspring takes keyword arguments only")
        options.update(mark.kwargs)
    try:
        clock = ManualClock(**options)
    except (TypeError, ValueError, LookupError) as exc:
        raise pytest.UsageError(f"@pytest.mark.mainspring: {exc}") from exc
    guard = request.node.stash[_GUARD] = Guard(clock)
    with guard:
        yield clock
        complaint = guard.late_complaint()
    if complaint:
        pytest.fail(complaint, pytrace=False)


@pytest.fixture
def mainspring_scheduler(
    request: pytest.FixtureRequest, mainspring_clock: ManualClock
) -> AsyncIOTestScheduler | BackgroundTestScheduler:
    """A started scheduler on ``mainspring_clock``, in the clock's time zone.

    In a coroutine an :class:`~mainspring.schedulers.asyncio.AsyncIOScheduler` on the test's event loop,
    else a :class:`~mainspring.schedulers.background.BackgroundScheduler`.
    """
    from mainspring.testing._guard import is_coroutine_test
    from mainspring.testing._schedulers import make_scheduler

    scheduler = make_scheduler(mainspring_clock, is_coroutine_test(request.function))
    request.node.stash[_GUARD].start(scheduler)
    return scheduler


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    guard = item.stash.get(_GUARD, None)
    if guard is None or not hasattr(item, "obj"):
        return (yield)
    function = item.obj
    item.obj = guard.guarded(function)
    try:
        result = yield
    finally:
        item.obj = function
    complaint = guard.complaint()
    if complaint:
        pytest.fail(complaint, pytrace=False)
    return result
