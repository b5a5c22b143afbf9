"""The proxy that a worker thread has for the loop, and each of its methods."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import threading
import weakref
from typing import Any

import pytest

from mainspring import AsyncIOScheduler
from mainspring._threads.loop import ThreadLoop
from tests.loops.apps import (
    App,
    asyncio_app,
    double,
)
from tests.support import PATIENCE

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # policies, from CPython 3.14 on
def test_the_threads_loop_is_a_proxy_of_the_applications(app: App) -> None:
    def job() -> Any:
        loop = asyncio.get_event_loop()
        assert loop is asyncio.get_event_loop_policy().get_event_loop()
        assert isinstance(loop, asyncio.AbstractEventLoop)
        return loop, threading.current_thread()

    loop, thread = app.run(job)
    assert loop is not app.loop
    assert thread is not threading.main_thread()
    assert repr(app.loop) in repr(loop)


def test_callbacks_and_timers(app: App) -> None:
    def job() -> Any:
        loop = asyncio.get_event_loop()
        called: list[Any] = []
        done = threading.Event()

        def call(what: Any) -> None:
            called.append((what, asyncio.get_running_loop()))
            if len(called) == 4:
                done.set()

        VARIABLE.set("the job's")
        loop.call_soon(call, "soon")
        loop.call_soon_threadsafe(lambda: call(VARIABLE.get()))
        assert loop.time() >= 0
        later = loop.call_later(0.001, call, "later")
        at = loop.call_at(loop.time() + 0.001, call, "at")
        assert later.when() <= at.when() + 1
        blocked, release = threading.Event(), threading.Event()
        loop.call_soon(lambda: (blocked.set(), release.wait(PATIENCE)))
        assert blocked.wait(PATIENCE)
        for handle in (
            loop.call_soon(call, "never"),
            loop.call_later(0, call, "never"),
            loop.call_later(3600, call, "never"),
            loop.call_at(loop.time(), call, "never"),
        ):
            handle.cancel()
            assert handle.cancelled()
        release.set()
        assert done.wait(PATIENCE)
        return called

    called = app.run(job)
    assert {loop for _, loop in called} == {app.loop}
    assert [what for what, _ in called][:2] in (["soon", "the job's"],)
    assert {what for what, _ in called} == {"soon", "the job's", "later", "at"}


def test_a_cancelled_timer_leaves_the_loop(app: App) -> None:
    class Big:
        pass

    def job() -> Any:
        big = Big()
        reference = weakref.ref(big)
        loop = asyncio.get_event_loop()
        handle = loop.call_later(3600, lambda big: None, big)
        handle.cancel()
        del big, handle
        loop.run_until_complete(asyncio.sleep(0))
        return reference

    reference = app.run(job)
    gc.collect()
    assert reference() is None


def test_run_in_executor_and_wrapped_futures(app: App) -> None:
    import concurrent.futures

    def job() -> Any:
        loop = asyncio.get_event_loop()
        thread = loop.run_until_complete(loop.run_in_executor(None, threading.current_thread))
        assert thread not in (threading.current_thread(), threading.main_thread())
        outside: concurrent.futures.Future[int] = concurrent.futures.Future()
        wrapped = asyncio.wrap_future(outside)
        threading.Thread(target=outside.set_result, args=(5,)).start()
        return loop.run_until_complete(wrapped)

    assert app.run(job) == 5


def test_what_the_proxy_tells_is_the_real_loops(app: App) -> None:
    handled: list[Any] = []
    told = threading.Event()

    def handler(loop: Any, context: Any) -> None:
        handled.append((loop, context["message"]))
        told.set()

    def job() -> Any:
        loop = asyncio.get_event_loop()
        assert not loop.is_closed()
        assert loop.get_debug() is app.loop.get_debug()
        assert loop.get_task_factory() is app.loop.get_task_factory()
        assert loop.slow_callback_duration == app.loop.slow_callback_duration
        loop.set_exception_handler(handler)
        assert loop.get_exception_handler() is handler is app.loop.get_exception_handler()
        loop.call_exception_handler({"message": "a message"})
        assert told.wait(PATIENCE)
        loop.set_exception_handler(None)
        debug = loop.get_debug()
        loop.set_debug(not debug)
        assert app.loop.get_debug() is not debug
        loop.set_debug(debug)
        with pytest.raises(TypeError):
            loop.set_task_factory(5)

    app.run(job)
    assert handled == [(app.loop, "a message")]


@pytest.mark.parametrize(
    ("name", "arguments", "instead"),
    [
        ("run_forever", (), "run_until_complete"),
        ("stop", (), "return"),
        ("close", (), "asyncio.run"),
        ("shutdown_asyncgens", (), "asyncio.run"),
        ("shutdown_default_executor", (), "asyncio.run"),
        ("add_signal_handler", (2, print), "main thread"),
        ("remove_signal_handler", (2,), "main thread"),
    ],
)
def test_what_makes_no_sense_says_why(
    app: App, name: str, arguments: tuple[Any, ...], instead: str
) -> None:
    def job() -> None:
        with pytest.raises(RuntimeError, match=rf"(?s)^{name}\(\) makes no sense.*{instead}"):
            getattr(asyncio.get_event_loop(), name)(*arguments)

    app.run(job)
    # The job may have run before the loop first did.
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), app.loop).result(PATIENCE)
    assert app.loop.is_running()


def test_the_proxy_has_every_method_of_a_loop() -> None:
    # The one that is left is what a loop's own handles call.
    missing = {
        name
        for name, member in vars(asyncio.AbstractEventLoop).items()
        if inspect.isfunction(member) and getattr(ThreadLoop, name) is member
    }
    assert missing - {"_timer_handle_cancelled"} == set()


def test_sockets_and_watched_descriptors(app: App) -> None:
    import socket

    def job() -> Any:
        loop = asyncio.get_event_loop()
        left, right = socket.socketpair()
        left.setblocking(False)
        right.setblocking(False)
        with left, right:
            readable = threading.Event()
            loop.add_reader(left, readable.set)
            right.send(b"x")
            assert readable.wait(PATIENCE)
            loop.remove_reader(left)
            loop.run_until_complete(loop.sock_sendall(left, b"hello"))
            received = loop.run_until_complete(loop.sock_recv(right, 10))
        address = loop.run_until_complete(loop.getaddrinfo("127.0.0.1", 80))
        return received, address[0][4][0]

    assert app.run(job) == (b"hello", "127.0.0.1")


def test_on_the_loops_own_thread_the_proxy_is_another_name_of_it(app: App) -> None:
    async def use(proxy: Any) -> Any:
        task = proxy.create_task(double(1), name="mine")
        assert type(task) is type(asyncio.get_running_loop().create_task(asyncio.sleep(0)))
        assert task.get_name() == "mine"
        future = proxy.create_future()
        assert future.get_loop() is app.loop
        called = asyncio.Event()
        proxy.call_soon(future.set_result, 5)
        proxy.call_later(0, called.set)
        proxy.call_at(proxy.time(), called.set)
        await called.wait()
        await proxy.run_in_executor(None, int)
        proxy.set_debug(proxy.get_debug())
        with pytest.raises(RuntimeError, match="await the coroutine or future instead"):
            proxy.run_until_complete(double(1))
        return await future, await task

    proxy = app.run(asyncio.get_event_loop)
    assert app.on_loop(use(proxy)) == (5, (2, app.loop))


def test_the_proxy_of_a_scheduler_that_was_shut_down_meanwhile() -> None:
    # The run goes on, and so does its use of the loop.
    with asyncio_app("asyncio") as app:
        scheduler = app.scheduler
        assert isinstance(scheduler, AsyncIOScheduler)
        started = threading.Event()
        shut_down = threading.Event()
        results: list[Any] = []
        finished = threading.Event()

        def job() -> None:
            loop = asyncio.get_event_loop()
            loop.run_until_complete(double(1))
            started.set()
            assert shut_down.wait(PATIENCE)
            results.append(loop.run_until_complete(double(21)))
            finished.set()

        app.start(job)
        assert started.wait(PATIENCE)
        scheduler.shutdown(wait=False)
        shut_down.set()
        assert finished.wait(PATIENCE)
        assert results == [(42, app.loop)]
