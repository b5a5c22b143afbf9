"""A tracer or debugger that watches the tasks of a loop sees no exception leave the task of a job."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mainspring.executors.pool import ThreadPoolExecutor
from tests.loops.apps import asyncio_app, fail


class Awaited:
    def __await__(self) -> Any:
        return fail("suspended").__await__()


async def fail_at_once() -> None:
    raise ValueError("at once")


async def fail_when_resumed() -> None:
    await fail("suspended")


async def exit_when_resumed() -> None:
    await asyncio.sleep(0)
    raise SystemExit(3)


@pytest.mark.parametrize("executor", ["native", "own"])
@pytest.mark.parametrize("factory", [False, True])
@pytest.mark.parametrize(
    "job", [fail_at_once, fail_when_resumed, exit_when_resumed, lambda: fail(""), lambda: Awaited()]
)
def test_no_exception_leaves_the_task_of_a_job(job: Any, factory: bool, executor: str) -> None:
    class Own(ThreadPoolExecutor):
        def _run_job_success(self, job_id: str, events: Any) -> None:
            super()._run_job_success(job_id, events)

    made: list[asyncio.Task[Any]] = []
    left: list[BaseException] = []

    async def watched(coroutine: Any) -> Any:
        try:
            return await coroutine
        except BaseException as exc:
            left.append(exc)
            raise

    def make_task(loop: Any, coroutine: Any, **options: Any) -> Any:
        made.append(asyncio.Task(watched(coroutine), loop=loop, **options))
        return made[-1]

    async def noted() -> None:
        made.append(asyncio.current_task())  # type: ignore[arg-type]
        await job()

    async def ended() -> None:
        await asyncio.wait(made)

    executors = {"native": ThreadPoolExecutor(1), "own": Own(1)}
    with asyncio_app("asyncio", executors=executors) as app:
        app.loop.call_soon_threadsafe(app.loop.set_task_factory, make_task if factory else None)
        with pytest.raises((ValueError, SystemExit)):
            app.run(job if factory else noted, executor=executor)
        app.loop.call_soon_threadsafe(app.loop.set_task_factory, None)
        app.on_loop(ended())
        assert [task.exception() for task in made] == [None] * len(made)
        assert made
        assert left == []
