"""Sync jobs in worker threads that use asyncio: how they wait for coroutines, and what becomes of those."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mainspring.executors.debug import DebugExecutor
from mainspring.executors.pool import ThreadPoolExecutor
from tests.loops.apps import (
    APPS,
    AS_COMPLETED_NEEDS_NO_LOOP,
    App,
    AwaitableObject,
    asyncio_app,
    double,
    fail,
)
from tests.support import PATIENCE, ListJobStore

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_a_job_waits_for_a_coroutine(app: App) -> None:
    assert app.run(lambda: asyncio.get_event_loop().run_until_complete(double(21))) == (
        42,
        app.loop,
    )


def test_a_job_starts_a_coroutine_and_goes_on(app: App) -> None:
    done = threading.Event()

    async def work() -> None:
        done.set()

    def job() -> None:
        asyncio.ensure_future(work())  # noqa: RUF006 - the loop keeps it

    app.run(job)
    assert done.wait(PATIENCE)


def test_a_job_may_return_what_it_started(app: App) -> None:
    assert app.run(lambda: asyncio.ensure_future(double(1))) == (2, app.loop)
    assert app.run(lambda: asyncio.gather(double(1), double(2))) == [(2, app.loop), (4, app.loop)]


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_gather(app: App, timeout: float | None) -> None:
    async def pair(loop: Any) -> Any:
        return await asyncio.wait_for(asyncio.gather(double(1), double(2)), timeout)

    def job() -> Any:
        loop = asyncio.get_event_loop()
        one = loop.run_until_complete(asyncio.gather(double(1), double(2)))
        two = loop.run_until_complete(
            asyncio.wait_for(asyncio.gather(double(1), double(2)), timeout)
        )
        three = loop.run_until_complete(pair(loop))
        four = loop.run_until_complete(asyncio.gather(asyncio.gather(double(1)), double(2)))
        return one, two, three, [*four[0], four[1]]

    expected = [(2, app.loop), (4, app.loop)]
    assert app.run(job) == (expected, expected, expected, expected)


def test_gather_of_many_that_end_at_once(app: App) -> None:
    async def at_once(number: int) -> int:
        return number

    def job() -> Any:
        loop = asyncio.get_event_loop()
        return [
            loop.run_until_complete(asyncio.gather(*map(at_once, range(50)))) for _ in range(20)
        ]

    assert app.run(job) == [list(range(50))] * 20


def test_gather_ends_also_while_the_job_does_not_wait_for_it(app: App) -> None:
    def job() -> Any:
        gathered = asyncio.gather(double(1), double(2))
        done = threading.Event()
        gathered.add_done_callback(lambda _: done.set())
        assert done.wait(PATIENCE)
        return gathered.result()

    assert app.run(job) == [(2, app.loop), (4, app.loop)]


def test_the_other_ways_to_wait(app: App) -> None:
    async def outside(futures: Any) -> Any:
        done, pending = await asyncio.wait(futures)
        assert not pending
        return sorted(future.result()[0] for future in done)

    def job() -> Any:
        loop = asyncio.get_event_loop()
        wait = loop.run_until_complete
        assert wait(AwaitableObject()) == "awaited"
        assert wait(asyncio.shield(double(1))) == (2, app.loop)
        assert wait(asyncio.wait_for(loop.create_task(double(1)), PATIENCE)) == (2, app.loop)
        if AS_COMPLETED_NEEDS_NO_LOOP:
            completed = [wait(each) for each in asyncio.as_completed(map(double, range(20)))]
            assert sorted(number for number, _ in completed) == list(range(0, 40, 2))
        assert asyncio.run_coroutine_threadsafe(double(3), loop).result(PATIENCE) == (6, app.loop)
        with pytest.raises(asyncio.TimeoutError):
            wait(asyncio.wait_for(asyncio.Event().wait(), 0.01))
        with pytest.raises(TypeError, match="awaitable is required"):
            wait(5)
        with pytest.raises(ValueError, match="no good"):
            wait(fail("no good"))
        return wait(outside([asyncio.ensure_future(double(n)) for n in range(3)]))

    assert app.run(job) == [0, 2, 4]


@pytest.mark.skipif(not AS_COMPLETED_NEEDS_NO_LOOP, reason="CPython refuses it outside a loop")
def test_a_timeout_of_as_completed(app: App) -> None:
    def job() -> Any:
        loop = asyncio.get_event_loop()
        task = loop.create_task(asyncio.Event().wait())
        (next_one,) = asyncio.as_completed([task], timeout=0.01)
        with pytest.raises(asyncio.TimeoutError):
            loop.run_until_complete(next_one)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    app.run(job)


def test_the_application_shares_its_queue_and_lock(app: App) -> None:
    async def make() -> Any:
        return asyncio.Queue(), asyncio.Lock()

    async def use(queue: Any, lock: Any) -> None:
        async with lock:
            await queue.put("from the job")

    async def hold(queue: Any, lock: Any, held: threading.Event) -> Any:
        async with lock:
            held.set()
            await asyncio.sleep(0)
            assert queue.empty()
        return await queue.get()

    queue, lock = app.on_loop(make())
    held = threading.Event()
    got = asyncio.run_coroutine_threadsafe(hold(queue, lock, held), app.loop)
    assert held.wait(PATIENCE)
    app.run(lambda: asyncio.get_event_loop().run_until_complete(use(queue, lock)))
    assert got.result(PATIENCE) == "from the job"


def test_the_articles_job_with_the_applications_session() -> None:
    web = pytest.importorskip("aiohttp.web")
    from aiohttp import ClientSession

    async def hello(request: Any) -> Any:
        return web.Response(text=f"hello {request.path}")

    async def serve() -> Any:
        application = web.Application()
        application.router.add_get("/{name}", hello)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        return runner, ClientSession(), f"http://127.0.0.1:{port}/"

    for kind in ("asyncio", "uvloop"):
        if kind not in APPS:
            continue
        with asyncio_app(kind) as app:
            runner, session, base = app.on_loop(serve())
            told: list[str] = []
            all_told = threading.Event()

            async def fetch(url: str, session: Any = session) -> str:
                async with session.get(url) as response:
                    text: str = await response.text()
                    return text

            async def fetch_all(urls: list[str], fetch: Any = fetch) -> list[str]:
                return await asyncio.gather(*map(fetch, urls))

            async def tell(
                urls: list[str], fetch_all: Any = fetch_all, told: Any = told, done: Any = all_told
            ) -> None:
                told.extend(await fetch_all(urls))
                done.set()

            urls = [base + name for name in ("a", "b", "c")]
            expected = ["hello /a", "hello /b", "hello /c"]
            assert (
                app.run(
                    lambda f, u: asyncio.get_event_loop().run_until_complete(f(u)), fetch_all, urls
                )
                == expected
            )

            def job(tell: Any = tell, urls: Any = urls) -> None:
                asyncio.ensure_future(tell(urls))  # noqa: RUF006

            app.run(job)
            assert all_told.wait(PATIENCE)
            assert told == expected
            app.on_loop(session.close())
            app.on_loop(runner.cleanup())


def test_a_coroutine_sees_the_jobs_context_and_its_own_name(app: App) -> None:
    async def work() -> Any:
        before = VARIABLE.get()
        VARIABLE.set("the coroutine's")
        task = asyncio.current_task()
        assert task is not None
        return before, task.get_name(), task.get_coro().__name__  # type: ignore[union-attr]

    def job() -> Any:
        VARIABLE.set("the job's")
        loop = asyncio.get_event_loop()
        seen = loop.run_until_complete(loop.create_task(work(), name="named"))
        return seen, VARIABLE.get()

    assert app.run(job) == (("the job's", "named", "work"), "the job's")
    assert app.run(VARIABLE.get) == "unset"


def test_the_loops_task_factory_makes_the_tasks() -> None:
    with asyncio_app("asyncio") as app:
        made: list[Any] = []

        def factory(loop: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
            made.append(loop)
            return asyncio.Task(coro, loop=loop, **options)

        def job() -> Any:
            loop = asyncio.get_event_loop()
            loop.set_task_factory(factory)
            del made[:]
            result = loop.run_until_complete(double(1))
            made_here = list(made)
            loop.set_task_factory(None)
            return result, made_here

        assert app.run(job) == ((2, app.loop), [app.loop])


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="CPython 3.12 has them")
def test_tasks_that_start_eagerly() -> None:
    with asyncio_app("asyncio") as app:
        app.loop.call_soon_threadsafe(app.loop.set_task_factory, asyncio.eager_task_factory)

        async def at_once() -> int:
            return 5

        def job() -> Any:
            loop = asyncio.get_event_loop()
            return loop.run_until_complete(asyncio.gather(at_once(), double(1)))

        assert app.run(job) == [5, (2, app.loop)]


@pytest.mark.parametrize("gathered", [False, True])
def test_an_error_in_a_task_nobody_waits_for_is_logged_with_the_jobs_id(
    app: App, gathered: bool
) -> None:
    records: list[logging.LogRecord] = []
    logged = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)
            logged.set()

    def job() -> None:
        asyncio.gather(fail("lost?")) if gathered else asyncio.ensure_future(fail("lost?"))

    loggers = logging.getLogger("mainspring.executors"), logging.getLogger("asyncio")
    handler = Handler(logging.ERROR)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        app.run(job, id="the-job's-id")
        assert logged.wait(PATIENCE)
        app.on_loop(asyncio.sleep(0))
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    (record,) = records
    assert record.levelno == logging.ERROR
    assert '"the-job\'s-id"' in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "lost?"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_in_a_coroutine_reaches_the_job_alone(app: App, error: type[BaseException]) -> None:
    async def leave() -> None:
        await asyncio.sleep(0)
        raise error("out")

    def job() -> str:
        with pytest.raises(error, match="out"):
            asyncio.get_event_loop().run_until_complete(leave())
        return "went on"

    assert app.run(job) == "went on"
    assert app.on_loop(double(1)) == (2, app.loop)


def test_opting_out() -> None:
    with asyncio_app("asyncio", loop_in_threads=False) as app:

        def job() -> None:
            with pytest.raises(RuntimeError, match="no current event loop"):
                asyncio.get_event_loop()

        app.run(job)


@pytest.mark.parametrize("make_store", [None, ListJobStore])
@pytest.mark.parametrize("make_executor", [None, ThreadPoolExecutor])
def test_every_way_into_a_worker_thread(
    make_store: Callable[[], Any] | None, make_executor: Callable[[], Any] | None
) -> None:
    options: dict[str, Any] = {}
    if make_store:
        options["jobstores"] = {"default": make_store()}
    if make_executor:
        options["executors"] = {"default": make_executor()}
    with asyncio_app("asyncio", **options) as app:
        for job in (importable_job, importable_asyncio_run, importable_job):
            number, loop = app.run(job)
            assert number == 42
            assert (loop is app.loop) is (job is importable_job)


def importable_job() -> Any:
    return asyncio.get_event_loop().run_until_complete(double(21))


def importable_asyncio_run() -> Any:
    return asyncio.run(double(21))


def test_a_job_on_the_loops_own_thread_has_the_real_loop() -> None:
    def job() -> Any:
        loop = asyncio.get_event_loop()
        assert loop is asyncio.get_running_loop()
        return loop

    with asyncio_app("asyncio", executors={"default": DebugExecutor()}) as app:
        assert app.run(job) is app.loop


def test_create_task_in_a_worker_says_what_to_do_instead(app: App) -> None:
    # A warning that the coroutine was never awaited would be an error here.
    with pytest.raises(RuntimeError, match="no running event loop") as raised:
        app.run(lambda: asyncio.create_task(double(1)))
    gc.collect()
    if sys.version_info >= (3, 11):
        assert "ensure_future" in raised.value.__notes__[0]
