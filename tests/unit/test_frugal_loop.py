"""The loop with few descriptors that a scheduler's own thread runs."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from mainspring._loops.find import finish_loop, new_own_loop
from mainspring._loops.frugal import MOST_POLLED, new_frugal_loop

if sys.platform == "linux":
    from mainspring._loops.frugal import FrugalLoop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asyncio's own loop is used there")

WAIT = 30


def descriptors() -> dict[str, str]:
    """Return what is open; others may close theirs meanwhile."""
    files = {}
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the listing
            files[number] = os.readlink(f"/proc/self/fd/{number}")
    return files


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    before = descriptors()
    loop = new_frugal_loop()
    assert len(descriptors().items() - before.items()) == 1
    yield loop
    loop.close()
    assert not descriptors().items() - before.items()


def test_calls_from_other_threads(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> int:
        return await asyncio.wait_for(
            asyncio.gather(*(asyncio.to_thread(threading.get_ident) for _ in range(20))), WAIT
        )

    assert threading.get_ident() not in loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())


@pytest.mark.parametrize("count", [1, MOST_POLLED - 1, MOST_POLLED, 3 * MOST_POLLED])
def test_so_many_sockets(loop: asyncio.AbstractEventLoop, count: int) -> None:
    pairs = [socket.socketpair() for _ in range(count)]

    async def main() -> list[bytes]:
        for pair in pairs:
            for end in pair:
                end.setblocking(False)
        reads = [asyncio.ensure_future(loop.sock_recv(theirs, 9)) for _, theirs in pairs]
        await asyncio.sleep(0)
        for number, (ours, _) in enumerate(pairs):
            await loop.sock_sendall(ours, b"%d" % number)
        return await asyncio.wait_for(asyncio.gather(*reads), WAIT)

    assert loop.run_until_complete(main()) == [b"%d" % number for number in range(count)]
    for pair in pairs:
        for end in pair:
            end.close()


def test_a_transport_and_a_subprocess(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> bytes:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        program = await asyncio.create_subprocess_exec("echo", "done", stdout=-1)
        return (await program.communicate())[0]

    assert loop.run_until_complete(main()) == b"done\n"


def test_signals(loop: asyncio.AbstractEventLoop) -> None:
    came = asyncio.Event()

    async def main() -> None:
        for _ in range(2):
            came.clear()
            loop.add_signal_handler(signal.SIGUSR1, came.set)
            await asyncio.to_thread(os.kill, os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(came.wait(), WAIT)
        assert loop.remove_signal_handler(signal.SIGUSR1)
        await asyncio.to_thread(threading.get_ident)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of policies, from CPython 3.14 on
def test_a_loop_of_another_policy_is_kept() -> None:
    class Loop(asyncio.SelectorEventLoop):
        pass

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> Loop:
            return Loop()

    asyncio.set_event_loop_policy(Policy())
    try:
        loop = new_frugal_loop()
        assert type(loop) is Loop
        loop.close()
    finally:
        asyncio.set_event_loop_policy(None)


@pytest.mark.filterwarnings("error")  # what a loop says where it cannot be let go of
@pytest.mark.parametrize("method", ["_make_self_pipe", "set_debug"])
def test_an_interrupt_while_it_is_made(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FrugalLoop, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        FrugalLoop()
    gc.collect()


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_an_interrupt_while_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(loop: Any) -> None:
        loop._csock.close()
        raise KeyboardInterrupt

    loop = new_own_loop()
    monkeypatch.setattr(FrugalLoop, "_close_self_pipe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finish_loop(loop)
    monkeypatch.undo()
    del loop
    gc.collect()


KEPT = """
import asyncio, gc, sys, threading, weakref
from mainspring._loops.find import finish_loop, keep_made_loops, new_own_loop

loop = new_own_loop()
known = weakref.ref(loop)

async def waits():
    threading.Thread(target=exit).start()
    await told.wait()

def exit():  # while this loop runs, and another does not
    keep_made_loops()
    loop.call_soon_threadsafe(told.set)

told = asyncio.Event()
idle, later = new_own_loop(), None
loop.run_until_complete(waits())
finish_loop(loop)
print(loop.is_closed(), idle.is_closed())
later = new_own_loop()
loop = idle = later = None
gc.collect()
"""


def test_the_exit_neither_closes_a_loop_nor_lets_go_of_it() -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", KEPT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True False\n", "")
