"""A program that is followed by Sentry: prints what it reports of two jobs, the first of which leaves a tag.

tracer_program.py mainspring|apscheduler asyncio|background jobs executor early|late
"""

from __future__ import annotations

import asyncio
import importlib
import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.asyncio import AsyncioIntegration

library, kind, function, executor, when = sys.argv[1:]
ended: queue.Queue[Any] = queue.Queue()
reports: list[str] = []


def report(event: Any, hint: Any) -> None:
    (exception,) = event["exception"]["values"]
    how = exception["mechanism"]["type"]
    tags = ", ".join(sorted(event.get("tags", ())))
    reports.append(f"{how}: {exception['type']}({exception['value']}) tags: {tags}")


def follow() -> None:
    sentry_sdk.init(
        dsn="https://key@localhost/1",
        before_send=report,
        auto_enabling_integrations=False,
        integrations=[AsyncioIntegration()],
    )


def sync(name: str) -> None:
    sentry_sdk.set_tag(f"of {name}", "yes")
    raise ValueError(name)


async def coroutine(name: str) -> None:
    sync(name)


async def suspended(name: str) -> None:
    sentry_sdk.set_tag(f"of {name}", "yes")
    await asyncio.sleep(0)
    raise ValueError(name)


class Awaited:
    def __init__(self, name: str) -> None:
        self._name = name

    def __await__(self) -> Any:
        return suspended(self._name).__await__()


FUNCTIONS = {
    "sync": sync,
    "coroutine": coroutine,
    "suspended": suspended,
    "returned": lambda name: suspended(name),
    "awaitable": lambda name: Awaited(name),
}


def fill(scheduler: Any) -> None:
    scheduler.add_listener(lambda event: ended.put(event.job_id), 2**12 | 2**13 | 2**14)
    pool = importlib.import_module(f"{library}.executors.pool")
    if executor == "python":

        class Own(pool.ThreadPoolExecutor):  # type: ignore[misc,name-defined]
            def _run_job_success(self, *args: Any) -> None:
                super()._run_job_success(*args)

        scheduler.add_executor(Own(1), "default")
    elif executor == "pool":
        scheduler.add_executor(pool.ThreadPoolExecutor(1), "default")


def run_one(scheduler: Any, name: str) -> None:
    scheduler.add_job(
        FUNCTIONS[function], args=[name], id=name, misfire_grace_time=None, max_instances=2
    )
    assert ended.get(timeout=60) == name


def run_jobs(scheduler: Any) -> None:
    for name in ("first", "second"):
        run_one(scheduler, name)


async def main() -> None:
    loop = asyncio.get_running_loop()
    if executor == "set":
        loop.set_default_executor(ThreadPoolExecutor(2))
    if when == "early":
        follow()
    scheduler = importlib.import_module(f"{library}.schedulers.asyncio").AsyncIOScheduler(
        timezone="UTC"
    )
    fill(scheduler)
    scheduler.start()
    if when == "late":
        scheduler.add_job(print, id="before", misfire_grace_time=None)
        assert await asyncio.to_thread(ended.get) == "before"
        follow()
    # In a thread without a scope of its own, that the jobs are not followed from here.
    done: asyncio.Future[None] = loop.create_future()
    threading.Thread(
        target=lambda: (run_jobs(scheduler), loop.call_soon_threadsafe(done.set_result, None))
    ).start()
    await done
    scheduler.shutdown()


if kind == "asyncio":
    asyncio.run(main())
else:
    background = importlib.import_module(f"{library}.schedulers.background").BackgroundScheduler(
        timezone="UTC"
    )
    fill(background)
    if when == "early":
        follow()
    background.start()
    if when == "late":
        background.add_job(print, id="before", misfire_grace_time=None)
        assert ended.get() == "before"
        follow()
    run_jobs(background)
    background.shutdown()
print("\n".join(reports))
