"""A program that a storm of signals strikes: starts a scheduler, lets it work, shuts it down and ends.

It says that it is ready when all that it needs has been imported, which an interrupt must not cut short.
Usage: ``storm_program.py KIND``.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
import threading
from typing import Any

from mainspring import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler

#: For how long a program works before it ends by itself, in seconds.
WORK = 0.05
#: After which time a program that hangs says where, and ends, in seconds.
STUCK = 90
OFTEN: dict[str, Any] = {"seconds": 0.005, "misfire_grace_time": None, "max_instances": 1_000_000}


def plain() -> None:
    sum(range(2_000))


async def coroutine() -> None:
    await asyncio.sleep(0.002)


def busy(scheduler: Any) -> Any:
    for func in (plain, coroutine, lambda: coroutine()):
        scheduler.add_job(func, "interval", **OFTEN)
    return scheduler


def end(scheduler: Any) -> None:
    if scheduler.running:
        scheduler.shutdown()


def blocking() -> Any:
    """Make a scheduler that a job of its own shuts down."""
    scheduler = busy(BlockingScheduler(timezone="UTC"))
    scheduler.add_job(lambda: end(scheduler), "interval", seconds=WORK)
    return scheduler


def blocking_caught() -> None:
    scheduler = blocking()
    try:
        scheduler.start()
    except KeyboardInterrupt:
        pass
    end(scheduler)


def blocking_uncaught() -> None:
    blocking().start()


def blocking_handler() -> None:
    scheduler = blocking()
    signal.signal(signal.SIGINT, lambda *_: end(scheduler))
    scheduler.start()


def blocking_exit() -> None:
    signal.signal(signal.SIGINT, lambda *_: sys.exit())
    blocking().start()


def background_caught() -> None:
    scheduler = busy(BackgroundScheduler(timezone="UTC"))
    try:
        scheduler.start()
        threading.Event().wait(WORK)
    except KeyboardInterrupt:
        pass
    end(scheduler)


def background_uncaught() -> None:
    busy(BackgroundScheduler(timezone="UTC")).start()
    threading.Event().wait(WORK)


def until_stopped() -> None:
    async def main() -> None:
        scheduler = busy(AsyncIOScheduler(timezone="UTC"))
        asyncio.get_running_loop().call_later(WORK, scheduler.stop)
        await scheduler.run_until_stopped()

    asyncio.run(main())


def asyncio_with() -> None:
    async def main() -> None:
        async with busy(AsyncIOScheduler(timezone="UTC")):
            await asyncio.sleep(WORK)

    asyncio.run(main())


def asyncio_uncaught() -> None:
    async def main() -> None:
        busy(AsyncIOScheduler(timezone="UTC")).start()
        await asyncio.sleep(WORK)

    asyncio.run(main())


def asyncio_loop() -> None:
    loop = asyncio.new_event_loop()
    scheduler = busy(AsyncIOScheduler(timezone="UTC", event_loop=loop))
    scheduler.start()
    loop.call_later(WORK, loop.stop)
    try:
        loop.run_forever()
    except KeyboardInterrupt:
        pass
    end(scheduler)


def tornado() -> None:
    async def main() -> None:
        scheduler = busy(TornadoScheduler(timezone="UTC"))
        scheduler.start()
        await asyncio.sleep(WORK)
        scheduler.shutdown()

    IOLoop.current().run_sync(main)


def twisted() -> None:
    scheduler = busy(TwistedScheduler(timezone="UTC"))
    scheduler.start()
    reactor.callLater(WORK, reactor.stop)
    reactor.run()
    end(scheduler)


def qt() -> None:
    app = QCoreApplication([])
    scheduler = busy(QtScheduler(timezone="UTC"))
    signal.signal(signal.SIGINT, lambda *_: app.quit())
    scheduler.start()
    QTimer.singleShot(round(1_000 * WORK), app.quit)
    app.exec()
    end(scheduler)


def gevent() -> None:
    scheduler = busy(GeventScheduler(timezone="UTC"))
    try:
        scheduler.start()
        sleep(WORK)
    except KeyboardInterrupt:
        pass
    end(scheduler)


kind = sys.argv[1]
if kind == "tornado":
    from tornado.ioloop import IOLoop

    from mainspring.schedulers.tornado import TornadoScheduler
elif kind == "twisted":
    from twisted.internet import reactor

    from mainspring.schedulers.twisted import TwistedScheduler
elif kind == "qt":
    from PySide6.QtCore import QCoreApplication, QTimer

    from mainspring.schedulers.qt import QtScheduler
elif kind == "gevent":
    from gevent import sleep

    from mainspring.schedulers.gevent import GeventScheduler

faulthandler.dump_traceback_later(STUCK, exit=True)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
ran = threading.Event()
warm = busy(BackgroundScheduler(timezone="UTC"))
warm.start()
for warmed in (plain, coroutine, ran.set):
    warm.add_job(warmed)
ran.wait()
warm.shutdown()
print("ready", flush=True)
globals()[kind]()
