"""Libraries with a synchronous face, used by sync jobs in worker threads.

They look at the thread's event loop to see whether they may wait. What public ones do is here as patterns;
gql and Tornado are here themselves.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
import tornado.util
from tornado.ioloop import IOLoop

from mainspring import BackgroundScheduler
from mainspring._threads.loop import ThreadLoop
from mainspring.events import EVENT_SCHEDULER_PAUSED
from mainspring.executors.debug import DebugExecutor
from tests.loops.apps import APPS, App, background_app
from tests.support import PATIENCE, ManualScheduler, listen

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def assert_it_is_not_running(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        loop = asyncio.get_event_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    assert not loop.is_running(), "await it instead"
    return loop.run_until_complete(coroutine)


def await_or_wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.get_event_loop_policy().get_event_loop()
    return coroutine if loop.is_running() else loop.run_until_complete(coroutine)


def schedule_or_wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.get_event_loop()
    task = asyncio.ensure_future(coroutine, loop=loop)
    return task if loop.is_running() else loop.run_until_complete(task)


def refuse_or_wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
    task = asyncio.ensure_future(coroutine)
    if task.get_loop().is_running():
        raise RuntimeError("use `async with` inside of a coroutine")
    return task.get_loop().run_until_complete(task)


def use_another_thread_or_wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
    results: list[Any] = []
    if asyncio.get_event_loop().is_running():
        thread = threading.Thread(target=lambda: results.append(asyncio.run(coroutine)))
        thread.start()
        thread.join()
        return results.pop()
    return asyncio.get_event_loop().run_until_complete(coroutine)


def run_or_wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    raise AssertionError("no loop is running in this thread")


def make_a_loop_where_there_is_none(coroutine: Coroutine[Any, Any, Any]) -> Any:
    made = None
    try:
        loop = asyncio.get_event_loop()
    except RuntimeError:
        loop = made = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        if made is not None:
            made.close()


PATTERNS: list[Run] = [
    assert_it_is_not_running,
    await_or_wait,
    schedule_or_wait,
    refuse_or_wait,
    use_another_thread_or_wait,
    run_or_wait,
    make_a_loop_where_there_is_none,
]


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("run", PATTERNS)
def test_the_result_is_there_when_the_function_returns(app: App, run: Run) -> None:
    def job() -> list[int]:
        # A list of what could be awaited would not be awaited.
        return [run(double(number)) for number in range(3)]

    assert app.run(job) == [0, 2, 4]


def test_what_was_wrapped_elsewhere(app: App) -> None:
    # The face is put on in the program's thread, as at an import, with the loop of that.
    def face(method: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        main_loop = app.loop

        @functools.wraps(method)
        def call(*args: Any) -> Any:
            result = method(*args)
            loop = asyncio.get_event_loop()
            if threading.current_thread() is not threading.main_thread() and main_loop.is_running():
                if loop.is_running():
                    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(result, main_loop))  # type: ignore[arg-type]
                return asyncio.run_coroutine_threadsafe(result, main_loop).result()  # type: ignore[arg-type]
            return loop.run_until_complete(result)

        return call

    assert app.run(lambda: [face(double)(21)]) == [42]


def test_where_the_loop_runs_it_says_so(app: App) -> None:
    def job() -> Any:
        proxy = asyncio.get_event_loop()
        assert isinstance(proxy, ThreadLoop)

        async def on_the_loop() -> tuple[bool, bool]:
            return proxy.is_running(), asyncio.get_event_loop().is_running()

        async def on_another_loop() -> bool:
            return proxy.is_running()

        return (
            proxy.is_running(),
            proxy.run_until_complete(on_the_loop()),
            asyncio.run(on_another_loop()),
            proxy.is_running(),
        )

    assert app.run(job) == (False, (True, True), False, False)


def test_asking_does_not_wait_for_a_loop() -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    assert not ThreadLoop(scheduler).is_running()  # type: ignore[abstract]


class TestTornado:
    """``IOLoop.current()`` of a worker thread runs on its event loop, until it is stopped."""

    def test_run_sync(self, app: App) -> None:
        def job() -> Any:
            loop = IOLoop.current()
            assert loop is IOLoop.current()
            return [loop.run_sync(functools.partial(double, number)) for number in range(20)]

        assert app.run(job) == list(range(0, 40, 2))
        assert app.loop.is_running()

    def test_what_it_raises(self, app: App) -> None:
        async def fail() -> None:
            raise ValueError("no good")

        def job() -> None:
            with pytest.raises(tornado.util.TimeoutError):
                IOLoop.current().run_sync(asyncio.Event().wait, timeout=0.01)
            IOLoop.current().run_sync(fail)

        with pytest.raises(ValueError, match="no good"):
            app.run(job)

    def test_start_and_stop(self, app: App) -> None:
        def job() -> Any:
            loop = IOLoop.current()
            loop.add_callback(loop.stop)
            loop.start()
            threading.Timer(0, loop.add_callback, [loop.stop]).start()
            loop.start()
            return asyncio.get_event_loop().is_running()

        assert app.run(job) is False


@pytest.fixture
def graphql_server() -> Iterator[str]:
    """A server that answers every query, in an application of its own; its address."""
    from aiohttp import web

    async def answer(request: Any) -> Any:
        return web.json_response({"data": {"path": request.path}})

    async def serve() -> tuple[Any, int]:
        application = web.Application()
        application.router.add_post("/graphql", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server: Any = site._server
        return runner, server.sockets[0].getsockname()[1]

    with background_app() as application:
        runner, port = application.on_loop(serve())
        yield f"http://127.0.0.1:{port}/graphql"
        application.on_loop(runner.cleanup())


def test_gql(app: App, graphql_server: str) -> None:
    gql = pytest.importorskip("gql")
    from gql.transport.aiohttp import AIOHTTPTransport

    def job() -> Any:
        client = gql.Client(transport=AIOHTTPTransport(url=graphql_server))
        return [client.execute(gql.gql("{path}")) for _ in range(2)]

    assert app.run(job) == [{"path": "/graphql"}] * 2


@pytest.mark.parametrize("run", [run_or_wait, make_a_loop_where_there_is_none])
def test_a_scheduler_of_ones_own_that_has_no_loop(run: Run) -> None:
    scheduler = ManualScheduler(timezone="UTC", executors={"default": {"type": "threadpool"}})
    recorder = listen(scheduler, 1 << 12 | 1 << 13)
    scheduler.start()
    scheduler.add_job(
        lambda: [asyncio.get_event_loop().is_running(), run(double(21))], misfire_grace_time=None
    )
    scheduler._process_jobs()
    (event,) = recorder.wait_for(1 << 12 | 1 << 13)
    assert event.retval == [False, 42]
    scheduler.shutdown()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("where", ["job", "listener"])
@pytest.mark.parametrize("kind", ["background", "blocking"])
@pytest.mark.parametrize(
    "run", [run for run in PATTERNS if run not in (schedule_or_wait, refuse_or_wait)]
)
def test_on_the_schedulers_own_loop(kind: str, where: str, run: Run) -> None:
    """Listeners and jobs of the debug executor may block that loop, and see that they may wait."""
    seen: list[Any] = []
    done = threading.Event()

    def call(*_: Any) -> None:
        try:
            seen.append(asyncio.get_event_loop().is_running())
            asyncio.ensure_future(set_done())  # noqa: RUF006 - the loop keeps it
            seen.append(run(double(21)))
        except BaseException as exc:
            seen.append(exc)
            done.set()

    async def set_done() -> None:
        done.set()

    with APPS[kind](executors={"default": DebugExecutor()}) as app:
        if where == "listener":
            app.scheduler.add_listener(call, EVENT_SCHEDULER_PAUSED)
            app.scheduler.add_job(app.scheduler.pause, misfire_grace_time=None)
        else:
            app.start(call)
        assert done.wait(PATIENCE)
    assert seen == [False, 42]
