"""Fetch a list of URLs every few seconds with a coroutine job on the program's own event loop.

    python examples/fetch_urls.py                         a server of its own, ends after 13 s
    python examples/fetch_urls.py URL [URL ...]           the URLs given, until Ctrl-C
    python examples/fetch_urls.py --every 5 --for 60 URL  every 5 s, for a minute

Needs aiohttp: ``pip install 'mainspring[examples]'``. The scheduler is used through
APScheduler's own names alone, so the program is the same with ``apscheduler`` for ``mainspring`` in
its imports.
"""

from __future__ import annotations

import argparse
import asyncio
import calendar
import signal
import statistics
import time
import zoneinfo
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from mainspring.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
    JobExecutionEvent,
)
from mainspring.schedulers.asyncio import AsyncIOScheduler


@dataclass
class Page:
    """What one fetch brought: a status and a size, or the error in its place."""

    url: str
    seconds: float
    status: int = 0
    size: int = 0
    error: str = ""

    def __str__(self) -> str:
        took = f"{self.seconds * 1000:8.1f} ms"
        if self.error:
            return f"      -                {took}  {self.url}  {self.error}"
        return f"    {self.status:>3} {self.size:>10,} B  {took}  {self.url}"


@dataclass
class Run:
    """What one run of the job returns, and its event carries to the listener."""

    started: datetime
    pages: list[Page]


@dataclass
class Report:
    """A listener that prints each run and keeps the figures for the summary."""

    lateness_ms: list[float] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    skipped: int = 0

    def __call__(self, event: JobEvent) -> None:
        if isinstance(event, JobExecutionEvent) and event.code == EVENT_JOB_EXECUTED:
            run: Run = event.retval
            late = (run.started - event.scheduled_run_time).total_seconds() * 1000
            self.lateness_ms.append(late)
            self.pages += run.pages
            due = event.scheduled_run_time.astimezone().strftime("%H:%M:%S.%f")[:-3]
            print(f"run {len(self.lateness_ms):>3}  scheduled {due}  started {late:+.2f} ms late")
            print(*run.pages, sep="\n", flush=True)
        elif isinstance(event, JobExecutionEvent) and event.code == EVENT_JOB_ERROR:
            print(f"the job failed: {event.exception!r}", flush=True)
        else:
            self.skipped += 1
            why = "missed" if event.code == EVENT_JOB_MISSED else "the last one still runs"
            print(f"a run was skipped: {why}", flush=True)

    def summary(self) -> str:
        """A line on the runs and a line on the pages."""
        if not self.lateness_ms:
            return "\nno run came to its end"
        outcomes = Counter(page.error.split(":")[0] or str(page.status) for page in self.pages)
        each = ", ".join(f"{count} x {outcome}" for outcome, count in sorted(outcomes.items()))
        return (
            f"\n{len(self.lateness_ms)} runs ({self.skipped} skipped), lateness"
            f" median {statistics.median(self.lateness_ms):.2f} ms,"
            f" worst {max(self.lateness_ms):.2f} ms\n"
            f"{len(self.pages)} fetches ({each}), {sum(page.size for page in self.pages):,} bytes"
        )


async def fetch(session: ClientSession, url: str) -> Page:
    """Fetches one URL; what goes wrong is part of the answer."""
    begin = time.perf_counter()
    try:
        async with session.get(url) as response:
            body = await response.read()
        return Page(url, time.perf_counter() - begin, response.status, len(body))
    except (ClientError, asyncio.TimeoutError, ValueError) as error:
        return Page(url, time.perf_counter() - begin, error=f"{type(error).__name__}: {error}")


async def fetch_all(session: ClientSession, urls: list[str], running: asyncio.Lock) -> Run:
    """The job: fetches all URLs at the same time."""
    started = datetime.now(timezone.utc)
    async with running:
        return Run(started, await asyncio.gather(*(fetch(session, url) for url in urls)))


async def serve(stack: AsyncExitStack) -> list[str]:
    """Starts an HTTP server on a free port of this machine and returns the URLs of its pages."""

    async def source(_: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__))

    async def year(_: web.Request) -> web.Response:
        page = calendar.HTMLCalendar().formatyearpage(datetime.now().year)
        return web.Response(body=page, content_type="text/html")

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.7)
        return web.json_response(zones)

    zones = sorted(zoneinfo.available_timezones())

    app = web.Application()
    app.add_routes(
        [web.get("/source.py", source), web.get("/year.html", year), web.get("/slow.json", slow)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    pages = ["source.py", "year.html", "slow.json", "not-there.html"]
    return [f"http://127.0.0.1:{port}/{page}" for page in pages]


async def main(urls: list[str], every: float, duration: float | None) -> None:
    """Schedules the job, waits for the end or for Ctrl-C, prints the summary."""
    report = Report()
    stop = asyncio.Event()
    with suppress(NotImplementedError):  # Windows: Ctrl-C ends the program with KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async with AsyncExitStack() as stack:
        if not urls:
            urls = await serve(stack)
            duration = 13.0 if duration is None else duration
        session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=10)))

        name = AsyncIOScheduler.__module__.partition(".")[0]
        until = "until Ctrl-C" if duration is None else f"for {duration:g} s"
        print(f"{name} {version(name)}: {len(urls)} URLs every {every:g} s, {until}\n", flush=True)

        running = asyncio.Lock()
        scheduler = AsyncIOScheduler()
        scheduler.add_listener(
            report,
            EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES,
        )
        scheduler.add_job(
            fetch_all,
            "interval",
            args=[session, urls, running],
            seconds=every,
            next_run_time=datetime.now(timezone.utc) + timedelta(seconds=0.5),
        )
        scheduler.start()
        try:
            await asyncio.wait_for(stop.wait(), duration)
        except asyncio.TimeoutError:
            pass
        finally:
            scheduler.pause()
            async with running:  # a run that is going on comes to its end
                scheduler.shutdown()
    print(report.summary())


def seconds(text: str) -> float:
    """A length of time from the command line."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("--every", type=seconds, default=2.0, metavar="SECONDS")
    parser.add_argument("--for", type=seconds, dest="duration", metavar="SECONDS")
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    with suppress(KeyboardInterrupt):
        asyncio.run(main(options.urls, options.every, options.duration))
