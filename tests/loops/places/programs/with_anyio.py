"""anyio's event loop, task groups and worker threads, and jobs that use them."""

from __future__ import annotations

import asyncio
import sys

import anyio
import anyio.to_thread
from jobs import PATIENCE, Jobs

from mainspring import AsyncIOScheduler

loop_kind = sys.argv[1]


async def job_with_anyio(done: anyio.Event) -> None:
    """Use what binds a task to its host: cancel scopes, task groups, worker threads."""
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.001)
            assert await anyio.to_thread.run_sync(lambda: 5) == 5
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
    done.set()


async def in_a_task_group() -> None:
    jobs = Jobs()
    async with AsyncIOScheduler(timezone="UTC") as scheduler, anyio.create_task_group() as group:
        await anyio.to_thread.run_sync(jobs.add_to, scheduler)
        group.start_soon(jobs.ran)
        group.start_soon(jobs.ran)
        done = [anyio.Event(), anyio.Event()]
        scheduler.add_job(job_with_anyio, args=[done[0]], misfire_grace_time=None)
        scheduler.add_job(lambda: job_with_anyio(done[1]), misfire_grace_time=None)
        for event in done:
            await event.wait()
    jobs.check(asyncio.get_running_loop())
    assert not scheduler.running


async def started_in_a_group_that_is_cancelled() -> None:
    """The scheduler belongs to the loop: it outlives the task, and the group, that started it."""
    jobs = Jobs()
    scheduler = AsyncIOScheduler(timezone="UTC")

    async def start(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        jobs.add_to(scheduler)
        scheduler.start()
        task_status.started()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        await group.start(start)
        await jobs.ran()
        group.cancel_scope.cancel()
    await jobs.ran()
    jobs.check(asyncio.get_running_loop())
    await scheduler.aclose()


async def main() -> None:
    loop = asyncio.get_running_loop()
    assert type(loop).__module__.startswith(loop_kind), loop
    assert loop.get_debug()
    await in_a_task_group()
    await started_in_a_group_that_is_cancelled()
    print("done")


anyio.run(main, backend_options={"use_uvloop": loop_kind == "uvloop"})
