"""The futures and tasks that a worker thread is given: which loop they belong to, and from where they
may be used."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from typing import Any

import pytest

from mainspring._threads.futures import ThreadTask
from tests.loops.apps import (
    AS_COMPLETED_NEEDS_NO_LOOP,
    App,
    asyncio_app,
    double,
    fail,
    loop_in_thread,
)
from tests.support import PATIENCE


def make_all() -> list[Any]:
    """One of each kind of future that a job is given, none of which ends by itself."""
    loop = asyncio.get_event_loop()
    task = loop.create_task(asyncio.Event().wait())
    return [
        loop.create_future(),
        task,
        asyncio.gather(loop.create_future()),
        asyncio.shield(loop.create_future()),
        asyncio.wrap_future(__import__("concurrent.futures").futures.Future()),
        asyncio.ensure_future(asyncio.Event().wait()),
    ]


def test_they_belong_to_the_loop_of_the_thread_that_asks(app: App) -> None:
    async def loops(futures: Any) -> Any:
        return [future.get_loop() for future in futures]

    def job() -> None:
        proxy = asyncio.get_event_loop()
        futures = make_all()
        assert all(asyncio.isfuture(future) for future in futures)
        assert [future.get_loop() for future in futures] == [proxy] * len(futures)
        there = proxy.run_until_complete(loops(futures))
        assert there == [app.loop] * len(futures)
        for future in futures:
            future.cancel()
            with pytest.raises(asyncio.CancelledError):
                proxy.run_until_complete(future)

    app.run(job)


def test_each_can_be_awaited_on_the_loop_and_cancelled_in_the_thread(app: App) -> None:
    async def wait(future: Any, waiting: threading.Event) -> str:
        asyncio.get_running_loop().call_soon(waiting.set)
        try:
            await future
        except asyncio.CancelledError:
            return "cancelled"
        return "ended"

    def job() -> None:
        loop = asyncio.get_event_loop()
        for future in make_all():
            waiting = threading.Event()
            task = loop.create_task(wait(future, waiting))
            assert waiting.wait(PATIENCE)
            assert future.cancel()
            assert loop.run_until_complete(task) == "cancelled"
            assert future.done()
            assert not future.cancel()

    app.run(job)


def test_a_future_that_the_thread_ends_while_the_loop_waits(app: App) -> None:
    async def wait(future: Any, waiting: threading.Event) -> Any:
        asyncio.get_running_loop().call_soon(waiting.set)
        return await future

    def job() -> Any:
        loop = asyncio.get_event_loop()
        future = loop.create_future()
        waiting = threading.Event()
        task = loop.create_task(wait(future, waiting))
        assert waiting.wait(PATIENCE)
        future.set_result("from the thread")
        assert future.result() == "from the thread"
        failed = loop.create_future()
        failed.set_exception(ValueError("from the thread"))
        with pytest.raises(ValueError, match="from the thread"):
            loop.run_until_complete(failed)
        return loop.run_until_complete(task)

    assert app.run(job) == "from the thread"


def test_callbacks_are_called_on_the_loops_thread(app: App) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def job() -> None:
        loop = asyncio.get_event_loop()
        called: list[Any] = []
        done = threading.Event()

        def callback(future: Any) -> None:
            called.append((future, asyncio.get_running_loop(), variable.get()))
            if len(called) == 2:
                done.set()

        def removed(future: Any) -> None:
            called.append("removed")

        variable.set("the job's")
        for future in (loop.create_future(), loop.create_task(asyncio.Event().wait())):
            del called[:]
            done.clear()
            future.add_done_callback(removed)
            future.add_done_callback(removed)
            future.add_done_callback(callback)
            assert future.remove_done_callback(removed) == 2
            assert future.remove_done_callback(removed) == 0
            future.cancel()
            future.add_done_callback(callback, context=contextvars.Context())
            assert done.wait(PATIENCE)
            assert sorted(called, key=lambda call: call[2]) == [
                (future, app.loop, "the job's"),
                (future, app.loop, "unset"),
            ]

    app.run(job)


def test_what_a_task_tells_of_itself(app: App) -> None:
    async def work(going: threading.Event) -> None:
        going.set()
        await asyncio.Event().wait()

    def job() -> None:
        loop = asyncio.get_event_loop()
        going = threading.Event()
        coroutine = work(going)
        task = loop.create_task(coroutine, name="a name")
        assert isinstance(task, ThreadTask)
        assert task.get_name() == "a name"
        assert task.get_coro() is coroutine
        assert "work" in repr(task)
        assert going.wait(PATIENCE)
        task.set_name("another")
        assert task.get_name() == "another"
        assert task.get_stack()
        assert task.cancelling() == task.uncancel() == 0
        assert not task.done()
        with pytest.raises(asyncio.InvalidStateError):
            task.result()
        for change in (task.set_result, task.set_exception):
            with pytest.raises(RuntimeError, match="does not support"):
                change(ValueError())  # type: ignore[operator]
        task.cancel("a message")
        with pytest.raises(asyncio.CancelledError) as raised:
            loop.run_until_complete(task)
        assert raised.value.args in (("a message",), ())
        unnamed = loop.create_task(double(1))
        assert unnamed.get_name()
        loop.run_until_complete(unnamed)
        assert loop.run_until_complete(unnamed) == (2, app.loop)

    app.run(job)


def test_a_task_that_is_cancelled_before_it_starts(app: App) -> None:
    # Its coroutine is closed: nothing tells that it was never awaited.
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)

    def job() -> None:
        loop = asyncio.get_event_loop()
        blocked, release = threading.Event(), threading.Event()
        loop.call_soon(lambda: (blocked.set(), release.wait(PATIENCE)))
        assert blocked.wait(PATIENCE)
        task = loop.create_task(work())
        assert task.cancel("not needed")
        assert task.cancelled()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

    app.run(job)
    assert ran == []


def test_errors_in_making_a_task(app: App) -> None:
    def job() -> None:
        loop = asyncio.get_event_loop()
        with pytest.raises(TypeError, match="a coroutine was expected"):
            loop.create_task(5)  # noqa: RUF006

        def factory(loop: Any, coro: Any, **options: Any) -> Any:
            raise ZeroDivisionError

        loop.set_task_factory(factory)
        with pytest.raises(ZeroDivisionError):
            loop.run_until_complete(double(1))
        loop.set_task_factory(None)

    app.run(job)


def test_a_future_of_another_jobs_thread(app: App) -> None:
    made: list[Any] = []
    is_made = threading.Event()
    waited = threading.Event()

    def makes() -> Any:
        made.append(asyncio.get_event_loop().create_task(double(1)))
        made.append(asyncio.get_event_loop().create_future())
        is_made.set()
        assert waited.wait(PATIENCE)
        return threading.get_ident()

    def waits() -> Any:
        assert is_made.wait(PATIENCE)
        loop = asyncio.get_event_loop()
        try:
            assert loop.run_until_complete(made[0]) == (2, app.loop)
            made[1].add_done_callback(lambda _: waited.set())
            made[1].set_result(None)
            return threading.get_ident()
        finally:
            is_made.set()

    first, second = app.start(makes), app.start(waits)
    assert app.result(first) != app.result(second)


def test_futures_of_other_loops(app: App) -> None:
    def job() -> None:
        wait = asyncio.get_event_loop().run_until_complete
        with loop_in_thread("asyncio") as other:
            for make, expected in ((double(1), (2, other)), (fail("there"), ValueError("there"))):
                tasks: list[Any] = []
                is_made = threading.Event()

                def start(make: Any = make, tasks: Any = tasks, is_made: Any = is_made) -> None:
                    tasks.append(other.create_task(make))
                    is_made.set()

                other.call_soon_threadsafe(start)
                assert is_made.wait(PATIENCE)
                if isinstance(expected, Exception):
                    with pytest.raises(ValueError, match="there"):
                        wait(tasks[0])
                else:
                    assert wait(tasks[0]) == expected

        async def make_one() -> Any:
            return asyncio.ensure_future(double(3))

        # And one that the application has made on its own loop.
        assert wait(app.on_loop(make_one())) == (6, app.loop)

    app.run(job)


def test_a_plain_future_made_in_the_thread(app: App) -> None:
    def job() -> Any:
        loop = asyncio.get_event_loop()
        for future in (asyncio.Future(), asyncio.Future(loop=loop)):
            loop.call_soon(future.set_result, 5)
            assert loop.run_until_complete(future) == 5

    app.run(job)


def test_a_plain_future_made_in_the_thread_is_awaited_on_the_loop(app: App) -> None:
    async def awaits(future: Any, seconds: float | None) -> Any:
        try:
            return await asyncio.wait_for(shielded(future), seconds)
        except LookupError as exc:
            return str(exc)

    async def shielded(future: Any) -> Any:
        return await future

    def job() -> Any:
        loop = asyncio.get_event_loop()
        results = []
        for end in ("result", "error", "cancel", "done before", "wait is cancelled"):
            future: asyncio.Future[Any] = asyncio.Future()
            if end == "done before":
                future.set_result(end)
            waiting = loop.create_task(awaits(future, None))
            if end == "result":
                loop.call_soon(future.set_result, end)
            elif end == "error":
                loop.call_soon(future.set_exception, LookupError(end))
            elif end == "cancel":
                loop.call_soon(future.cancel)
            elif end == "wait is cancelled":
                loop.call_later(0.01, waiting.cancel)
            try:
                results.append(loop.run_until_complete(waiting))
            except asyncio.CancelledError:
                results.append("cancelled")
                assert future.cancelled()
        return results

    assert app.run(job) == ["result", "error", "cancelled", "done before", "cancelled"]


def test_the_loop_keeps_a_task_that_nobody_else_keeps(app: App) -> None:
    done = threading.Event()
    collected = threading.Event()

    async def work(loop: Any) -> None:
        future = loop.create_future()
        loop.call_soon(lambda: (gc.collect(), collected.set()))
        wake = threading.Thread(target=lambda: collected.wait(PATIENCE))
        wake.start()
        loop.call_later(0, future.set_result, None)
        await future
        wake.join()
        done.set()

    def job() -> None:
        asyncio.ensure_future(work(app.loop))  # noqa: RUF006

    app.run(job)
    assert done.wait(PATIENCE)


def test_many_threads_at_once() -> None:
    async def add(numbers: list[int], lock: asyncio.Lock) -> int:
        async with lock:
            before = numbers[0]
            await asyncio.sleep(0)
            numbers[0] = before + 1
        return 1

    async def make_lock() -> asyncio.Lock:
        return asyncio.Lock()

    with asyncio_app("asyncio") as app:
        app.loop.call_soon_threadsafe(app.loop.set_debug, False)
        lock = app.on_loop(make_lock())
        numbers = [0]

        def job() -> int:
            loop = asyncio.get_event_loop()
            done = 0
            for _ in range(20):
                done += sum(
                    loop.run_until_complete(
                        asyncio.wait_for(
                            asyncio.gather(*(add(numbers, lock) for _ in range(5))), None
                        )
                    )
                )
                futures = [asyncio.ensure_future(add(numbers, lock)) for _ in range(5)]
                each = asyncio.as_completed(futures) if AS_COMPLETED_NEEDS_NO_LOOP else futures
                done += sum(map(loop.run_until_complete, each))
            return done

        jobs = [app.start(job) for _ in range(6)]
        assert [app.result(job) for job in jobs] == [200] * 6
        assert numbers == [1200]
