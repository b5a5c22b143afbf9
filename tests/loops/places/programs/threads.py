"""Loops in other threads than the main one: one of them, or one for each of two schedulers."""

from __future__ import annotations

import asyncio
import sys
import threading

from jobs import PATIENCE, Jobs, run

from mainspring import AsyncIOScheduler


class Place:
    """A thread with a loop of its own, on which a scheduler runs the three kinds of job."""

    def __init__(self, loop: str) -> None:
        self.jobs = Jobs()
        self.scheduler = AsyncIOScheduler(timezone="UTC")
        self.started = threading.Event()
        self._kind = loop
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        run(self._main(), self._kind)

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.scheduler.start()
        self.started.set()
        await self._stop.wait()

    def shut_down(self) -> None:
        self.scheduler.shutdown()
        assert not self.scheduler.running

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


places = [Place(loop) for loop in sys.argv[1:]]
for place in places:
    assert place.started.wait(PATIENCE)
    place.jobs.add_to(place.scheduler)
for place in places:
    place.jobs.wait()
first, *others = places
first.shut_down()
for place in others:
    # The end of the first is nothing to the others.
    place.jobs.wait()
    place.shut_down()
for place in places:
    place.end()
    place.jobs.check(place.loop)
assert len({place.jobs.loop() for place in places}) == len(places)
print("done")
