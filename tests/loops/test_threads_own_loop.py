"""Jobs that make event loops of their own, and what they leave to the next job: nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import anyio
import pytest

from mainspring._loops.current import current_loop
from mainspring.executors.asyncio import AsyncIOExecutor
from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from tests.loops.apps import APPS, NEW_LOOP, App, asyncio_app, background_app, double
from tests.support import PATIENCE, ListJobStore, without_slow

OWN: list[asyncio.AbstractEventLoop] = []


@pytest.fixture(params=APPS)
def app(request: pytest.FixtureRequest) -> Iterator[App]:
    # One thread, so that the next job finds what the last one left.
    with APPS[request.param](executors={"default": ThreadPoolExecutor(1)}) as app:
        yield app
    while OWN:
        OWN.pop().close()


def set_a_new_loop() -> Any:
    loop = asyncio.new_event_loop()
    OWN.append(loop)
    asyncio.set_event_loop(loop)
    assert asyncio.get_event_loop() is loop
    return loop.run_until_complete(double(21))


def set_a_new_loop_and_close_it() -> Any:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(double(21))
    finally:
        loop.close()


def use_a_loop_without_setting_it() -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(double(21))
    finally:
        loop.close()


def call_asyncio_run() -> Any:
    return asyncio.run(double(21))


def use_a_runner() -> Any:
    if sys.version_info < (3, 11):
        return asyncio.run(double(21))
    with asyncio.Runner() as runner:
        runner.run(double(1))
        return runner.run(double(21))


def unset_the_loop() -> Any:
    asyncio.set_event_loop(None)
    return 42, None


def set_a_new_loop_and_fail() -> Any:
    set_a_new_loop()
    raise ValueError("after setting a loop")


def change_the_policy() -> Any:
    class Policy(asyncio.DefaultEventLoopPolicy):  # type: ignore[name-defined,misc]
        pass

    asyncio.set_event_loop_policy(Policy())
    return asyncio.run(double(21))


JOBS = [
    set_a_new_loop,
    set_a_new_loop_and_close_it,
    use_a_loop_without_setting_it,
    call_asyncio_run,
    use_a_runner,
    unset_the_loop,
]


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("in_python_store", [False, True])
def test_a_job_with_a_loop_of_its_own(
    app: App, job: Callable[[], Any], in_python_store: bool
) -> None:
    options = {}
    if in_python_store:
        app.scheduler.add_jobstore(ListJobStore(), "python")
        options = {"jobstore": "python"}
    proxy = app.run(asyncio.get_event_loop)
    number, loop = app.run(job, **options)
    assert number == 42
    assert loop is not app.loop
    assert app.run(asyncio.get_event_loop) is proxy
    if loop in OWN:
        assert not loop.is_closed()


def call_anyio_run() -> Any:
    return anyio.run(double, 21)


def call_async_to_sync() -> Any:
    return pytest.importorskip("asgiref.sync").async_to_sync(double)(21)


def call_uvloop_run() -> Any:
    return pytest.importorskip("uvloop").run(double(21))


ENDS_WITHOUT_A_LOOP = [
    call_asyncio_run,
    use_a_runner,
    unset_the_loop,
    call_anyio_run,
    call_async_to_sync,
    call_uvloop_run,
]


def waits_after(job: Callable[[], Any]) -> Any:
    for _ in range(2):
        assert job()[0] == 42
        found = asyncio.get_event_loop().run_until_complete(double(21))
    return found


@pytest.mark.parametrize("job", ENDS_WITHOUT_A_LOOP)
@pytest.mark.parametrize("in_python_store", [False, True])
def test_within_a_job_that_has_run_a_loop_of_its_own(
    app: App, job: Callable[[], Any], in_python_store: bool
) -> None:
    options = {}
    if in_python_store:
        app.scheduler.add_jobstore(ListJobStore(), "python")
        options = {"jobstore": "python"}
    assert app.run(waits_after, job, **options) == (42, app.loop)
    assert app.run(waits) == (42, app.loop)


@pytest.mark.parametrize("job", ENDS_WITHOUT_A_LOOP)
def test_within_such_a_job_in_the_schedulers_own_thread(job: Callable[[], Any]) -> None:
    with background_app(executors={"default": DebugExecutor()}) as app:
        # Its thread is that of the loop, which a coroutine so cannot be waited for on.
        number, loop = app.run(waits_after, job)
        assert number == 42
        assert loop is not app.loop
        assert app.run(asyncio.get_event_loop).loop() is app.loop


def test_a_thread_of_the_programs_has_no_loop_when_it_sets_none() -> None:
    with asyncio_app("asyncio", executors={"default": ThreadPoolExecutor(1)}) as app:
        app.run(waits_after, call_asyncio_run)
        # In the pool's own thread it is kept, in others not.
        with futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(current_after_none).result() is None
            app.scheduler.add_executor(AsyncIOExecutor(), "other")
        app.on_loop(set_default_executor(pool := futures.ThreadPoolExecutor(1)))
        app.scheduler.shutdown()
        app.scheduler.start()
        app.run(waits_after, call_asyncio_run, executor="other")
        assert pool.submit(current_after_none).result() is None


async def set_default_executor(pool: futures.ThreadPoolExecutor) -> None:
    asyncio.get_running_loop().set_default_executor(pool)


def current_after_none() -> Any:
    asyncio.set_event_loop(None)
    return current_loop()


def test_after_a_job_that_failed(app: App) -> None:
    with pytest.raises(ValueError, match="after setting a loop"):
        app.run(set_a_new_loop_and_fail)
    assert app.run(waits) == (42, app.loop)


def waits() -> Any:
    return asyncio.get_event_loop().run_until_complete(double(21))


def test_the_loop_is_put_back_when_the_run_ends(app: App) -> None:
    # Not only when the next begins: the job's own loop is let go.
    import weakref

    reference = app.run(lambda: (set_a_new_loop(), weakref.ref(OWN.pop()))[1])
    loop = reference()
    if loop is not None:  # something else may keep it for a moment
        loop.close()
        del loop
    app.run(lambda: None)
    import gc

    gc.collect()
    assert reference() is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", NEW_LOOP)
def test_a_policy_that_is_set_meanwhile(kind: str) -> None:
    before = asyncio.get_event_loop_policy()
    with asyncio_app(kind, executors={"default": ThreadPoolExecutor(1)}) as app:
        try:
            assert app.run(waits) == (42, app.loop)
            app.run(change_the_policy)
            for _ in range(3):
                assert app.run(waits) == (42, app.loop)
        finally:
            asyncio.set_event_loop_policy(before)
        assert app.run(waits) == (42, app.loop)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_policy_that_keeps_its_loops_elsewhere() -> None:
    import threading

    class Policy(asyncio.AbstractEventLoopPolicy):  # type: ignore[name-defined,misc]
        loops: dict[int, Any] = {}  # noqa: RUF012

        def get_event_loop(self) -> Any:
            if self.loops.get(threading.get_ident()) is None:
                raise RuntimeError("no loop")
            return self.loops[threading.get_ident()]

        def set_event_loop(self, loop: Any) -> None:
            self.loops[threading.get_ident()] = loop

        def new_event_loop(self) -> Any:
            return asyncio.SelectorEventLoop()

    before = asyncio.get_event_loop_policy()
    with asyncio_app("asyncio", executors={"default": ThreadPoolExecutor(1)}) as app:
        asyncio.set_event_loop_policy(Policy())
        try:
            assert app.run(waits) == (42, app.loop)
            assert app.run(waits_after, call_asyncio_run) == (42, app.loop)
            for job in JOBS:
                app.run(job)
                assert app.run(waits) == (42, app.loop)
        finally:
            asyncio.set_event_loop_policy(before)
            while OWN:
                OWN.pop().close()


nest_asyncio_works = pytest.mark.skipif(
    sys.version_info >= (3, 14),
    reason="the last release of nest_asyncio does not know the tasks of CPython 3.14",
)

NESTED = """
import asyncio, logging, sys, threading
import nest_asyncio
from mainspring import AsyncIOScheduler, BackgroundScheduler
from mainspring.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED

where, kind = sys.argv[1:]
results = []

async def double(number):
    await asyncio.sleep(0)
    return 2 * number

def applies_it():
    nest_asyncio.apply()

def waits():
    loop = asyncio.get_event_loop()
    return loop.run_until_complete(asyncio.wait_for(asyncio.gather(double(1), double(20)), 30))

def runs():
    return asyncio.run(double(21))

def starts():
    return asyncio.ensure_future(double(21))

async def nested():
    # What nest_asyncio is for.
    return asyncio.get_event_loop().run_until_complete(double(21)) if where == "main" else 42

async def main():
    all_done = asyncio.Event()
    loop = asyncio.get_running_loop()
    expected = 4 if where == "main" else 5

    def take(event):
        results.append((event.job_id, event.retval, event.exception))
        if len(results) == expected:
            loop.call_soon_threadsafe(all_done.set)

    scheduler = {"asyncio": AsyncIOScheduler, "background": BackgroundScheduler}[kind](
        timezone="UTC", executors={"default": {"type": "threadpool", "max_workers": 1}}
    )
    scheduler.add_listener(take, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
    jobs = (waits, runs, starts, nested)
    for job in jobs if where == "main" else (applies_it, *jobs):
        scheduler.add_job(job, id=job.__name__, misfire_grace_time=None)
    scheduler.start()
    await asyncio.wait_for(all_done.wait(), 30)
    scheduler.shutdown()

if where == "main":
    nest_asyncio.apply()
    asyncio.get_event_loop().run_until_complete(main())
    asyncio.get_event_loop().close()
else:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
print(sorted((name, retval, exception) for name, retval, exception in results if name != "applies_it"))
"""


@nest_asyncio_works
@pytest.mark.parametrize("where", ["main", "job"])
@pytest.mark.parametrize("kind", ["asyncio", "background"])
def test_nest_asyncio(where: str, kind: str) -> None:
    command = [sys.executable, "-X", "dev", "-c", NESTED, where, kind]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    expected = [
        ("nested", 42, None),
        ("runs", 42, None),
        ("starts", 42, None),
        ("waits", [2, 40], None),
    ]
    assert (ended.returncode, ended.stdout) == (0, f"{expected}\n"), ended.stderr


NESTED_IN_DRAINS = """
import asyncio, sys
import nest_asyncio
from mainspring import AsyncIOScheduler, BackgroundScheduler

nest_asyncio.apply()

async def main():
    loop = asyncio.get_running_loop()
    others, ended = [], asyncio.Event()

    async def other():
        others.append(1)

    async def nested():
        # Others become due while the loop is run in here.
        asyncio.get_running_loop().run_until_complete(until_others_ran())
        loop.call_soon_threadsafe(ended.set)

    async def until_others_ran():
        while len(others) < 5:
            await asyncio.sleep(0.001)

    scheduler = {"asyncio": AsyncIOScheduler, "background": BackgroundScheduler}[sys.argv[1]](
        timezone="UTC"
    )
    if sys.argv[1] == "background":
        await asyncio.to_thread(scheduler.start)  # on a loop of its own
    else:
        scheduler.start()
    scheduler.add_job(nested, misfire_grace_time=None)
    scheduler.add_job(other, "interval", seconds=0.01, max_instances=1_000_000, misfire_grace_time=None)
    await asyncio.wait_for(ended.wait(), 30)
    await asyncio.to_thread(scheduler.shutdown)

loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
"""


@nest_asyncio_works
@pytest.mark.parametrize("kind", ["asyncio", "background"])
def test_jobs_become_due_while_one_runs_the_loop_itself(kind: str) -> None:
    command = [sys.executable, "-X", "dev", "-c", NESTED_IN_DRAINS, kind]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert (ended.returncode, ended.stdout, without_slow(ended.stderr)) == (0, "", "")
