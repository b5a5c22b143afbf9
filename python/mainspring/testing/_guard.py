"""What must not be left behind by a test: errors, runs, coroutines.

Ground rules: a guard is entered and left in the thread of the test. While it is entered, the function by
which the interpreter tells of a coroutine that was never awaited is replaced; it is called in whichever
thread drops the coroutine, and only appends to a list.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any

from mainspring.schedulers._loops import running_loop
from mainspring.schedulers.asyncio import AsyncIOScheduler

if TYPE_CHECKING:
    from mainspring.schedulers.base import BaseScheduler
    from mainspring.testing._clock import ManualClock

_HOOK = "_warn_unawaited_coroutine"


def is_coroutine_test(function: Callable[..., object]) -> bool:
    """Tell whether a test is a coroutine function, perhaps one that hypothesis calls."""
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    return inspect.iscoroutinefunction(inner)


class Guard:
    """Looks after what a test leaves behind.

    :param clock: the test's clock
    """

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._own: list[BaseScheduler] = []
        self._unfinished: list[str] | None = None
        self._unawaited: list[str] = []

    def owns(self, scheduler: BaseScheduler) -> None:
        """Have a scheduler shut down when the test is over."""
        self._own.append(scheduler)

    def __enter__(self) -> Guard:
        self._hook = getattr(warnings, _HOOK, None)
        if self._hook is not None:
            setattr(warnings, _HOOK, self._note_unawaited)
        return self

    def __exit__(self, *exc: object) -> None:
        self.shut_down()
        if self._hook is not None:
            setattr(warnings, _HOOK, self._hook)

    def guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a test's function that looks at its runs while the test's event loop still runs."""
        if not inspect.iscoroutinefunction(function):
            return function

        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self.run(function(*args, **kwargs))

        return call

    async def run(self, test: Coroutine[Any, Any, Any]) -> Any:
        """Run a test that is a coroutine."""
        try:
            for scheduler in self._own:
                scheduler._note_running_loop()
            result = await test
            await self.look()
            return result
        finally:
            await self.close()

    async def look(self) -> None:
        """Note which runs have not ended; on the loop of the test."""
        if running_loop() is not None:  # and not a loop of another kind, trio's
            await self._clock._rest()
        self._unfinished = self._clock.unfinished()

    async def close(self) -> None:
        """Close the schedulers on this loop, and cancel their runs."""
        for scheduler in self._own:
            if isinstance(scheduler, AsyncIOScheduler) and scheduler._eventloop is running_loop():
                await scheduler.aclose(deadline=0)

    def shut_down(self) -> None:
        """Shut down the schedulers that are still running, and cancel their runs."""
        for scheduler in self._own:
            if scheduler.running:
                scheduler.shutdown(wait=False)
        self._own.clear()

    def complaint(self) -> str | None:
        """Return what is wrong with what the test has left behind, or ``None``."""
        if self._unfinished is None:
            self._unfinished = self._clock._rest_here()
        lines = [
            f"{run.job_id!r} (fire time {run.scheduled_run_time}) raised {run._value!r}, which the test "
            "did not expect: it has looked neither at the outcome of this run nor at its exception"
            for run in self._clock.unexpected_errors()
        ]
        lines += [f"{run[0].upper()}{run[1:]}, and has not ended" for run in self._unfinished]
        lines += [f"coroutine {name!r} was never awaited" for name in self._unawaited]
        if not lines:
            return None
        return "\n".join(["What the test has left behind:", *(f"- {line}" for line in lines)])

    def _note_unawaited(self, coroutine: Any) -> None:
        self._unawaited.append(getattr(coroutine, "__qualname__", repr(coroutine)))
