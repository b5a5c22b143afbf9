"""Functions that tests have run in child processes, which import them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def waits(number: int) -> int:
    return asyncio.get_event_loop().run_until_complete(double(number))


def waits_for_a_task(number: int) -> int:
    loop = asyncio.get_event_loop()
    assert not loop.is_running()
    assert threading.current_thread() is threading.main_thread()
    return loop.run_until_complete(asyncio.ensure_future(double(number)))


def waits_for_many(number: int) -> list[int]:
    return asyncio.get_event_loop().run_until_complete(asyncio.gather(double(number), double(1)))


def returns_a_task(number: int) -> Any:
    return asyncio.ensure_future(double(number))


def returns_a_coroutine(number: int) -> Any:
    return double(number)


def waits_and_closes(number: int) -> int:
    loop = asyncio.get_event_loop()
    try:
        return loop.run_until_complete(double(number))
    finally:
        loop.close()


def runs(number: int) -> int:
    return asyncio.run(double(number))


def unsets_the_loop(number: int) -> int:
    asyncio.set_event_loop(None)
    return 2 * number


def waits_after(before: Callable[[int], Any], number: int) -> Any:
    before(number)
    return waits(number)


def sets_a_loop(number: int) -> int:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(double(number))
    finally:
        loop.close()


def fails() -> NoReturn:
    waits(1)
    raise ValueError("no good")


def leaves_a_task(path: str) -> None:
    async def later() -> None:
        await asyncio.sleep(0.01)
        asyncio.get_running_loop().create_task(at_last())

    async def at_last() -> None:
        os.mkdir(path)

    asyncio.ensure_future(later())  # noqa: RUF006 - the loop keeps it


def leaves_a_task_that_fails() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("in what was left")

    asyncio.ensure_future(fail())  # noqa: RUF006


def leaves_a_task_for_ever() -> None:
    from mainspring._threads import own_loop

    own_loop.PATIENCE = 0.01
    asyncio.ensure_future(asyncio.Event().wait())  # noqa: RUF006


def drops_a_coroutine() -> None:
    double(1)


#: Set in each child by :func:`set_loop`.
own_loop: asyncio.AbstractEventLoop


def set_loop() -> None:
    """The initializer of a pool whose functions share a loop."""
    global own_loop
    own_loop = asyncio.new_event_loop()
    asyncio.set_event_loop(own_loop)


def finds_the_programs_loop(number: int) -> int:
    assert asyncio.get_event_loop() is own_loop
    return own_loop.run_until_complete(double(number))


async def awaits_on_the_programs_loop(number: int) -> int:
    assert asyncio.get_running_loop() is own_loop
    return await double(number)


def ends_the_process() -> NoReturn:
    if sys.platform == "win32":
        os._exit(1)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


def returns_a_lambda() -> Any:
    return lambda: None


class Unloadable:
    def __reduce__(self) -> Any:
        return int, ("no number",)


def returns_what_cannot_be_loaded() -> Unloadable:
    return Unloadable()


class OwnError(Exception):
    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{what}: {number}")


def raises_what_cannot_be_loaded() -> NoReturn:
    raise OwnError("code", 5)


class LockingError(Exception):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


def raises_what_cannot_be_pickled() -> NoReturn:
    raise LockingError


calls = 0


def returns_every_other_time() -> Any:
    """Return what can be pickled and what cannot, by turns."""
    global calls
    calls += 1
    return (lambda: None) if calls % 2 else calls
