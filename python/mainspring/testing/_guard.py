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

from mainspring._loops.find import running_loop
from mainspring._scheduler.state import STATE_STOPPED
from mainspring.schedulers.asyncio import AsyncIOScheduler

if TYPE_CHECKING:
    from mainspring._loops.guess import LoopGuess
    from mainspring._scheduler.driven import DrivenScheduler
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
        self._own: list[DrivenScheduler] = []
        #: The loop that a scheduler was started with when there was none.
        self._guess: LoopGuess | None = None
        self._has_looked = self._is_content = False
        self._left: list[str] = []
        self._unawaited: list[str] = []

    def owns(self, scheduler: DrivenScheduler) -> None:
        """Have a scheduler shut down when the test is over."""
        self._own.append(scheduler)

    def start(self, scheduler: DrivenScheduler) -> None:
        """Start a scheduler, perhaps before there is the loop of the test, and have it shut down."""
        self.owns(scheduler)
        scheduler.start()
        self._guess = scheduler._guess

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
            self._bind()
            result = await test
            await self._look()
            return result
        finally:
            test.close()
            await self._cancel_runs()

    def _bind(self) -> None:
        """Have the schedulers use the test's loop, also where a fixture has run jobs on another."""
        here = running_loop()
        for scheduler in self._own:
            scheduler._note_running_loop()
            if not isinstance(scheduler, AsyncIOScheduler) or not scheduler.running:
                continue
            if here is not None and scheduler._eventloop is not here:
                scheduler.bind_loop(here)
                if self._guess is not None:
                    self._guess.drop()

    async def _look(self) -> None:
        """Note what has been left behind, while the loop of the test still runs."""
        if running_loop() is not None:  # and not a loop of another kind, trio's
            await self._clock._rest()
        self._note(self._clock.unfinished())

    async def _cancel_runs(self) -> None:
        """Cancel the runs on this loop, which may not run again.

        The schedulers go on, since fixtures may use them.
        """
        here = running_loop()
        for scheduler in self._own:
            if here is not None and scheduler._coroutine_loop() is here:
                await scheduler._runs_at_end.cancel_and_await(set())
        self._clock._seen.update(run._key for run in self._clock.unexpected_errors())

    def shut_down(self) -> None:
        """Shut down the schedulers that are still running, and cancel their runs."""
        for scheduler in self._own:
            if scheduler.state != STATE_STOPPED:
                scheduler.shutdown(wait=False)
        self._own.clear()

    def complaint(self) -> str | None:
        """Return what is wrong with what the test has left behind, or ``None``."""
        self._note([] if self._has_looked else self._clock._rest_here())
        lines = self._left + [f"coroutine {name!r} was never awaited" for name in self._unawaited]
        self._is_content = not lines
        if not lines:
            return None
        return "\n".join(["What the test has left behind:", *(f"- {line}" for line in lines)])

    def late_complaint(self) -> str | None:
        """Return the same of what fixtures have left behind after a test that gave no cause for complaint."""
        return self.complaint() if self._is_content else None

    def _note(self, unfinished: list[str]) -> None:
        self._has_looked = True
        self._left += [
            # To look at the exception is to have it expected from now on.
            f"{run.job_id!r} (fire time {run.scheduled_run_time}) raised {run.exception!r}, which the test "
            "did not expect: it has looked neither at the outcome of this run nor at its exception"
            for run in self._clock.unexpected_errors()
        ]
        self._left += [f"{run[0].upper()}{run[1:]}, and has not ended" for run in unfinished]

    def _note_unawaited(self, coroutine: Any) -> None:
        self._unawaited.append(getattr(coroutine, "__qualname__", repr(coroutine)))
