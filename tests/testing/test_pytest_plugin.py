"""The pytest plugin, as a user's suite has it."""

from __future__ import annotations

import pytest

from tests.testing.suites import run_suite

HEAD = """
    import asyncio
    import threading
    from datetime import datetime, timezone
    import pytest
    from mainspring import AsyncIOScheduler, BackgroundScheduler
    START = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""
SYNC = (
    HEAD
    + """
    def test_a_month(mainspring_scheduler, mainspring_clock):
        assert isinstance(mainspring_scheduler, BackgroundScheduler)
        assert mainspring_scheduler.running
        job = mainspring_scheduler.add_job(lambda: 1, "cron", hour=7)
        mainspring_clock.advance("31 days")
        assert [run.value for run in mainspring_scheduler.runs(job)] == [1] * 31

    @pytest.mark.mainspring(start="2026-03-29T00:00", timezone="Europe/Berlin", seed=1)
    def test_dst(mainspring_scheduler, mainspring_clock):
        assert mainspring_clock.seed == 1
        job = mainspring_scheduler.add_job(lambda: 1, "cron", hour="*")
        mainspring_clock.advance_to("2026-03-30T00:00")
        assert len(mainspring_scheduler.runs(job)) == 24

    @pytest.mark.mainspring(start="2026-05-01T00:00", seed=1)
    class TestMarkedTwice:
        @pytest.mark.mainspring(seed=2)
        def test_the_nearer_one_counts(self, mainspring_clock):
            assert mainspring_clock.seed == 2
            assert mainspring_clock.now().month == 5

    def test_an_expected_error(mainspring_scheduler, mainspring_clock):
        job = mainspring_scheduler.add_job(lambda: 1 / 0)
        mainspring_clock.advance(0)
        with pytest.raises(ZeroDivisionError):
            raise mainspring_scheduler.runs(job)[0].exception
"""
)
ASYNC = (
    HEAD
    + """
    MARK

    async def test_a_month(mainspring_scheduler, mainspring_clock):
        assert isinstance(mainspring_scheduler, AsyncIOScheduler)
        assert mainspring_scheduler.running
        loops = []
        async def job():
            await asyncio.sleep(60)
            loops.append(asyncio.get_running_loop())
        mainspring_scheduler.add_job(job, "cron", hour=7)
        await mainspring_clock.aadvance("31 days")
        assert loops == [asyncio.get_running_loop()] * 31
        assert mainspring_scheduler._eventloop is loops[0]

    async def test_another_scheduler(mainspring_clock):
        async with AsyncIOScheduler(clock=mainspring_clock) as scheduler:
            scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[1])
            await mainspring_clock.aadvance("1h1s")
        assert len(mainspring_clock.runs()) == 1

    @FIXTURE
    async def app(mainspring_scheduler):
        mainspring_scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[1], id="tick")
        yield mainspring_scheduler

    async def test_a_fixture_of_the_users(app, mainspring_clock):
        await mainspring_clock.aadvance("2h1s")
        assert len(app.runs("tick")) == 2
        await app.drain()

    @FIXTURE
    async def stopped_app(mainspring_scheduler, mainspring_clock):
        mainspring_scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[1], id="tick")
        yield mainspring_scheduler
        await mainspring_clock.aadvance("1h1s")
        assert len(mainspring_scheduler.runs("tick")) == 2
        mainspring_scheduler.shutdown()

    async def test_the_scheduler_goes_on_for_fixtures(stopped_app, mainspring_clock):
        await mainspring_clock.aadvance("1h1s")

    @pytest.fixture
    def app_that_ran(mainspring_scheduler, mainspring_clock):
        mainspring_scheduler.add_job(asyncio.sleep, "interval", hours=1, args=[1], id="tick")
        mainspring_clock.advance("1h1s")
        yield mainspring_scheduler
        mainspring_scheduler.remove_job("tick")

    async def test_a_sync_fixture_that_ran_jobs(app_that_ran, mainspring_clock):
        await mainspring_clock.aadvance("1h1s")
        assert len(app_that_ran.runs("tick")) == 2

    class TestMethods:
        async def test_in_a_class(self, mainspring_scheduler, mainspring_clock):
            mainspring_scheduler.add_job(asyncio.sleep, args=[1])
            assert (await mainspring_clock.aadvance("1s")).run_count == 1

    def test_a_sync_one(mainspring_scheduler, mainspring_clock):
        mainspring_scheduler.add_job(asyncio.sleep, args=[1])
        assert mainspring_clock.advance("1s").run_count == 1
"""
)
LEFT_BEHIND = (
    HEAD
    + """
    MARK

    async def test_error(mainspring_scheduler, mainspring_clock):
        def job():
            raise ValueError("no good")
        mainspring_scheduler.add_job(job, id="the one")
        await mainspring_clock.aadvance(0)

    async def test_sleeping(mainspring_scheduler, mainspring_clock):
        mainspring_scheduler.add_job(asyncio.sleep, args=[100], id="the one")
        await mainspring_clock.aadvance(0)

    @pytest.mark.mainspring(patience=0.05)
    async def test_parked(mainspring_scheduler, mainspring_clock):
        async def job():
            await asyncio.Event().wait()
        mainspring_scheduler.add_job(job, id="the one")
        await mainspring_clock.aadvance(0)

    async def test_unawaited(mainspring_scheduler, mainspring_clock):
        async def forgotten():
            pass
        def job():
            forgotten()
        mainspring_scheduler.add_job(job)
        await mainspring_clock.aadvance(0)

    async def test_what_fails_anyway(mainspring_scheduler, mainspring_clock):
        mainspring_scheduler.add_job(asyncio.sleep, args=[100])
        await mainspring_clock.aadvance(0)
        assert False, "by itself"
"""
)
SYNC_LEFT_BEHIND = LEFT_BEHIND.replace("async def test_", "def test_").replace(
    "await mainspring_clock.aadvance", "mainspring_clock.advance"
)
PLUGINS = [
    pytest.param("", "pytest.fixture", ["-o", "asyncio_mode=auto"], id="pytest-asyncio auto"),
    pytest.param(
        "pytestmark = pytest.mark.asyncio",
        "pytest_asyncio.fixture",
        ["-o", "asyncio_mode=strict"],
        id="pytest-asyncio strict",
    ),
    pytest.param(
        "pytestmark = pytest.mark.asyncio(loop_scope='module')",
        "pytest_asyncio.fixture(loop_scope='module')",
        ["-o", "asyncio_mode=strict"],
        id="pytest-asyncio, one loop for all",
    ),
    pytest.param(
        "pytestmark = pytest.mark.anyio", "pytest.fixture", ["-p", "no:asyncio"], id="anyio"
    ),
]


def options(plugin: list[str]) -> list[str]:
    scope = ["-o", "asyncio_default_fixture_loop_scope=function"]
    return plugin if "no:asyncio" in plugin else [*plugin, *scope]


def fill(suite: str, mark: str, fixture: str) -> str:
    if "anyio" in mark:
        mark += "\n    @pytest.fixture\n    def anyio_backend(): return 'asyncio'"
    # A mark of the whole module would concern the sync tests, too.
    mark = mark.replace("pytestmark =", "import warnings; pytestmark =")
    suite = suite.replace("    @FIXTURE", f"    @{fixture}").replace("MARK", mark)
    return "    import pytest_asyncio\n" + suite if "pytest_asyncio" in fixture else suite


def test_sync_tests(tmp_path):
    outcome = run_suite(tmp_path, SYNC, "-p", "no:asyncio", "-p", "no:anyio")
    assert (outcome.code, outcome.count("passed")) == (0, 4), outcome.output


@pytest.mark.parametrize(("mark", "fixture", "plugin"), PLUGINS)
def test_coroutines(tmp_path, mark, fixture, plugin):
    suite = fill(ASYNC, mark, fixture)
    if "asyncio" in mark:
        suite = suite[: suite.index("    def test_a_sync_one")]
    outcome = run_suite(tmp_path, suite, *options(plugin))
    assert outcome.code == 0, outcome.output
    assert outcome.count("passed") == (6 if "asyncio" in mark else 7), outcome.output


@pytest.mark.parametrize(("mark", "fixture", "plugin"), [PLUGINS[0], PLUGINS[3]])
def test_what_must_not_be_left_behind(tmp_path, mark, fixture, plugin):
    check_left_behind(run_suite(tmp_path, fill(LEFT_BEHIND, mark, fixture), *options(plugin)))


def test_what_must_not_be_left_behind_by_sync_tests(tmp_path):
    check_left_behind(run_suite(tmp_path, SYNC_LEFT_BEHIND.replace("MARK", ""), "-p", "no:asyncio"))


def check_left_behind(outcome):
    assert (outcome.count("failed"), outcome.count("passed")) == (5, 0), outcome.output
    for message in (
        "- 'the one' (fire time 2026-01-01 00:00:00+00:00) raised ValueError('no good'), which",
        '- The run of 2026-01-01 00:00:00+00:00 of job "the one" waits for the clock until '
        "2026-01-01 00:01:40+00:00, and has not ended",
        'of job "the one" waits for asyncio.Event.wait',
        "forgotten' was never awaited",
        "AssertionError: by itself",
    ):
        assert message in outcome.output, outcome.output
    assert outcome.output.count("\nWhat the test has left behind:") == 4
    assert "CancelledError" not in outcome.output


def test_what_a_fixture_leaves_behind(tmp_path):
    suite = """
        import pytest

        @pytest.fixture
        def app(mainspring_scheduler, mainspring_clock):
            yield
            mainspring_scheduler.add_job(lambda: 1 / 0, id="late")
            mainspring_clock.advance(0)

        def test_it(app):
            pass
    """
    outcome = run_suite(tmp_path, suite, "-p", "no:asyncio")
    assert (outcome.count("passed"), outcome.count("error")) == (1, 1), outcome.output
    assert "\n- 'late' (fire time" in outcome.output


def test_xdist(tmp_path):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    tests = "\n".join(
        f"    def test_{i}(mainspring_scheduler, mainspring_clock):\n"
        "        mainspring_scheduler.add_job(lambda: 1, 'interval', hours=1)\n"
        "        assert mainspring_clock.advance('5h').run_count == 5\n"
        for i in range(20)
    )
    outcome = run_suite(tmp_path, HEAD + "\n" + tests, "-n", "2", "-p", "no:asyncio")
    assert (outcome.code, outcome.count("passed")) == (0, 20), outcome.output


def test_a_mark_that_makes_no_sense(tmp_path):
    suite = """
        import pytest

        @pytest.mark.mainspring(begin="2026-01-01")
        def test_it(mainspring_clock):
            pass
    """
    outcome = run_suite(tmp_path, suite, "-p", "no:asyncio")
    assert "@pytest.mark.mainspring: " in outcome.output
    assert "unexpected keyword argument 'begin'" in outcome.output
    outcome = run_suite(tmp_path, suite.replace("begin", "timezone"), "-p", "no:asyncio")
    assert "UsageError: @pytest.mark.mainspring: 'No time zone found" in outcome.output


def test_nothing_is_imported_for_a_suite_that_does_not_use_it(tmp_path):
    suite = """
        import sys

        def test_it():
            loaded = {name for name in sys.modules if name.startswith("mainspring")}
            assert loaded == {"mainspring", "mainspring.pytest_plugin"}
    """
    outcome = run_suite(tmp_path, suite, "-p", "no:asyncio")
    assert outcome.code == 0, outcome.output
