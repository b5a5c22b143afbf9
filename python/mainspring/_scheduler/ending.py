"""The runs of a scheduler that is to be closed: waiting for them, and cancelling what does not end.

It is here, and not beside the runs, since what it tells is :class:`mainspring.schedulers.CancelledRun`.

Ground rules:

- It has no lock and no state, and waits with no lock held: the runs may need any of the scheduler's to
  end. No job is started any more when it waits.
- :meth:`RunsAtEnd.wait` is for threads that the runs do not need, and
  :meth:`RunsAtEnd.wait_for_workers` for the thread of a loop. The coroutines run on the control loop,
  but for :meth:`RunsAtEnd.cancel_and_await`, which is on the loop of the coroutine jobs: tasks are
  touched there alone.
- What executors have is read from copies. What is called at each end of a submission is called in any
  thread, and only wakes the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mainspring._lazy import asyncio
from mainspring._loops.find import running_loop
from mainspring._loops.greenlets import threads_are_greenlets
from mainspring._mainspring import WorkerPool, runs_in_this_thread
from mainspring._runs.coroutine_run import LOOP_CHECK_INTERVAL
from mainspring.schedulers import CancelledRun

if TYPE_CHECKING:
    from mainspring._contract import ClosingScheduler
    from mainspring._runs.coroutine_run import CoroutineRun
    from mainspring.executors.base import BaseExecutor

#: How often a greenlet that waits for runs looks whether they have ended, in seconds.
GREENLET_INTERVAL = 0.01
#: How often the thread of a loop that waits for worker threads looks at them, in seconds.
WORKER_CHECK_INTERVAL = 0.01


class RunsAtEnd:
    """The runs of a scheduler that is to be closed.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: ClosingScheduler) -> None:
        self._scheduler = scheduler

    def wait(self) -> None:
        """Block until all runs have ended, unless it is this thread that they need for that."""
        loop = self._scheduler._coroutine_loop()
        here = running_loop()
        if loop is None or (
            here is not None and here in (loop, self._scheduler._engine.control.loop)
        ):
            return
        if self._scheduler._clock._stands() and loop.is_running():
            ending = self._scheduler._clock._let_runs_end(self._scheduler, None)
            asyncio.run_coroutine_threadsafe(ending, loop).result()
            self.cancel()  # what is parked would never end
        while not self._wait_idle() and self._scheduler._can_end_runs(loop):
            pass
        while self._scheduler._can_end_runs(loop) and (runs := self.coroutine_runs()):
            wait([run.ended for run in runs], LOOP_CHECK_INTERVAL)

    def _wait_idle(self, seconds: float = LOOP_CHECK_INTERVAL) -> bool:
        """Wait a little while until no run is going on; tell whether that is so."""
        if threads_are_greenlets():
            # Not by a name taken at import: time may have been patched since then.
            time.sleep(GREENLET_INTERVAL)
            seconds = 0
        is_idle: bool = self._scheduler._engine.wait_idle(seconds)
        return is_idle

    def wait_for_workers(self, loop: object) -> None:
        """Block the thread of a loop until nothing is left in worker threads but what waits for that loop."""
        end = time.monotonic() + self._scheduler._loop_response_timeout
        while True:
            busy, queued = self._scheduler._engine.load
            waiting = list(self._scheduler._waiting_for_loop.values()).count(loop)
            if busy <= waiting and (busy or not queued):
                return
            if time.monotonic() > end and getattr(loop, "_ready", None):
                return  # a job may wait for the loop in a way that is not counted here
            self._wait_idle(WORKER_CHECK_INTERVAL)

    def work_in_threads(self) -> Callable[[], bool]:
        """Return what tells whether threads still work on what executors have given to them until now."""
        pools: list[WorkerPool] = []
        others: list[BaseExecutor] = []
        for executor in list(self._scheduler._executors.values()):
            pool = getattr(executor, "_pool", None)
            if isinstance(pool, WorkerPool):
                pools.append(pool)
            elif isinstance(pool, ThreadPoolExecutor) and executor._lock is not None:
                others.append(executor)

        def goes_on() -> bool:
            return any(pool.load != (0, 0) for pool in pools) or any(
                executor._submissions_under_way() > len(executor._coroutine_runs)
                for executor in others
            )

        return goes_on

    def cancel(self) -> None:
        """Cancel the coroutine runs that are going on."""
        self._scheduler._engine.control.cancel_running()
        if self._scheduler._engine.coro is not None:
            self._scheduler._engine.coro.cancel_running()
        for run in self.coroutine_runs():
            run.cancel()

    async def idle(self) -> None:
        """Wait until all runs have ended that need the loop, but for one in which this thread is."""
        await self._scheduler._engine.idle(runs_in_this_thread())
        while runs := self.coroutine_runs():
            await asyncio.wait([asyncio.wrap_future(run.ended) for run in runs])

    async def _ended(self, but: set[object]) -> None:
        """Wait until all runs have ended, but for those of some tasks, or that wait for one of them."""
        from mainspring._threads.loop import waits_in_run

        def own() -> int:
            in_threads = sum(waits_in_run(task, self._scheduler) for task in but)
            return in_threads + sum(
                task in but for task, *_ in self._scheduler._engine.control.running()
            )

        left = -1
        while left != (left := own()):  # those of others, where one has come to its end meanwhile
            await self._scheduler._engine.idle(left)
        for executor in list(self._scheduler._executors.values()):
            await _submissions_ended(executor, but)

    async def end(
        self, deadline: float | None, caller: asyncio.Task[Any] | None
    ) -> list[CancelledRun]:
        """Wait for the runs to end, and cancel the coroutine runs that have not at the deadline.

        :param deadline: in seconds; ``None``: wait for however long they take
        :param caller: the task that has asked for it, and may be waiting in another one
        :return: the runs that were cancelled
        """
        here: set[object] = {task for task in (asyncio.current_task(), caller) if task is not None}
        await asyncio.sleep(0)  # by now a run that has called this is known to be suspended
        try:
            if self._scheduler._clock._stands():
                await self._scheduler._clock._let_runs_end(self._scheduler, deadline)
                deadline = 0
            await asyncio.wait_for(self._ended(here), deadline)
            return []
        except asyncio.TimeoutError:
            loop = self._scheduler._coroutine_loop()
            if loop is None or loop is running_loop():
                return await self.cancel_and_await(here)
            if not loop.is_running():
                return []
            ending = asyncio.run_coroutine_threadsafe(self.cancel_and_await(set()), loop)
            return await asyncio.wrap_future(ending)

    async def cancel_and_await(self, but: set[object]) -> list[CancelledRun]:
        """Cancel the coroutine runs, on their own loop, but for those of some tasks."""
        inbox = self._scheduler._engine.coro or self._scheduler._engine.control
        inbox._drain_all()  # what is due and has not begun would otherwise begin later
        runs = [run for run in inbox.running() if run[0] not in but]
        python_runs = [run for run in self.coroutine_runs() if run._task not in but]
        for task, *_ in runs:
            task.cancel()
        for run in python_runs:
            run.cancel()
        ended = [asyncio.wrap_future(run.ended) for run in python_runs]
        if ends := [*(task for task, *_ in runs), *ended]:
            await asyncio.wait(ends)
        cancelled = [
            CancelledRun(job_id, time, alias)
            for task, job_id, alias, times in runs
            if task.cancelled()
            for time in times
        ]
        for future in ended:
            cancelled += [
                CancelledRun(event.job_id, event.scheduled_run_time, event.jobstore)
                for event in (() if future.exception() else future.result())
                if isinstance(event.exception, asyncio.CancelledError)
            ]
        return cancelled

    def coroutine_runs(self) -> list[CoroutineRun[Any]]:
        """Return the coroutine runs that executors have started without the engine."""
        return [
            run
            for executor in list(self._scheduler._executors.values())
            for run in tuple(getattr(executor, "_coroutine_runs", ()))
        ]


async def _submissions_ended(executor: BaseExecutor, but: set[object]) -> None:
    """Wait until what an executor was given without the engine has ended, but for the runs of some tasks."""
    if executor._lock is None:  # it has never been started
        return
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with suppress(RuntimeError):  # this loop is closed
            loop.call_soon_threadsafe(changed.set)

    executor._at_each_end.append(tell)
    try:
        own = sum(run._task in but for run in tuple(executor._coroutine_runs))
        while executor._submissions_under_way() > own:
            await changed.wait()
            changed.clear()
    finally:
        executor._at_each_end.remove(tell)
