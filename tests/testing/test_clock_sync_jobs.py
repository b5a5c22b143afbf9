"""Functions in worker threads under a clock that is moved by hand, and runs that are missed."""

from __future__ import annotations

import threading
from datetime import timedelta

from mainspring.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from mainspring.executors.pool import ThreadPoolExecutor
from tests.support import (
    PATIENCE,
    listen,
    nothing,
)
from tests.testing.clocks import START, times


class TestSyncJobs:
    def test_a_month_of_days(self, clock, start):
        scheduler = start()
        seen = []
        job = scheduler.add_job(lambda: seen.append(clock.now()), "cron", hour=7, id="daily")
        result = clock.advance("31 days")
        assert seen == [START + timedelta(days=day, hours=7) for day in range(31)]
        assert result.run_count == len(result.runs) == len(scheduler._engine.runs("daily")) == 31
        assert [run.scheduled_run_time for run in clock.runs(job)] == seen
        assert {run.outcome for run in clock.runs()} == {"executed"}
        assert clock.now() == START + timedelta(days=31)
        assert job.next_run_time == START + timedelta(days=31, hours=7)

    def test_nothing_runs_while_the_clock_stands(self, clock, start):
        scheduler = start()
        ran = threading.Event()
        scheduler.add_job(ran.set)
        assert not ran.wait(0.05)
        assert clock.advance(0).run_count == 1
        assert ran.is_set()

    def test_runs_in_a_worker_thread(self, clock, start):
        scheduler = start()
        threads = []
        scheduler.add_job(lambda: threads.append(threading.current_thread()), "interval", hours=1)
        clock.advance("3h")
        assert len(set(threads)) == 1
        assert threading.main_thread() not in threads

    def test_ties_run_in_the_order_of_adding(self, clock, start):
        scheduler = start(
            executors={"default": ThreadPoolExecutor(), "other": ThreadPoolExecutor()}
        )
        order = []

        async def coroutine(name: str) -> None:
            order.append(name)

        for name in "dcabef":
            func = coroutine if name in "ae" else order.append
            executor = "other" if name == "b" else "default"
            scheduler.add_job(func, "interval", hours=1, args=[name], id=name, executor=executor)
        clock.advance("2h")
        assert "".join(order) == "dcabef" * 2

    def test_a_run_may_add_a_job_that_is_due_at_once(self, clock, start):
        scheduler = start()
        seen = []
        scheduler.add_job(
            lambda: scheduler.add_job(lambda: seen.append(clock.now())),
            "date",
            run_date="2026-01-02",
        )
        result = clock.advance("3 days")
        assert seen == [START + timedelta(days=1)]
        assert result.run_count == 2

    def test_what_it_returns_and_raises(self, clock, start):
        scheduler = start()
        scheduler.add_job(lambda: 5, "date", run_date="2026-01-02", id="five")
        scheduler.add_job(lambda: 1 / 0, "date", run_date="2026-01-03", id="error")
        clock.advance("5 days")
        (five,) = clock.runs("five")
        assert (five.value, five.exception, five.outcome) == (5, None, "executed")
        (error,) = clock.runs("error")
        assert [run.job_id for run in clock.unexpected_errors()] == ["error"]
        assert (error.value, error.outcome) == (None, "error")
        assert isinstance(error.exception, ZeroDivisionError)
        assert clock.unexpected_errors() == []

    def test_a_run_that_blocks_its_thread_is_parked_and_named(self, start, clock):
        clock.patience = 0.05
        scheduler = start()
        release = threading.Event()
        scheduler.add_job(release.wait, "date", run_date="2026-01-02", id="blocks", args=[PATIENCE])
        scheduler.add_job(nothing, "interval", days=1, id="others")
        result = clock.advance("3 days")
        assert [run.job_id for run in result.parked] == ["blocks"]
        assert result.parked[0].scheduled_run_time == START + timedelta(days=1)
        assert len(clock.runs("others")) == 3
        assert [run.outcome for run in clock.runs("blocks")] == ["running"]
        release.set()
        clock.patience = PATIENCE
        assert clock.drain().parked == ()
        assert [run.value for run in clock.runs("blocks")] == [True]

    def test_no_more_runs_go_on_than_the_pool_has_workers(self, start, clock):
        clock.patience = 0.05
        scheduler = start(executors={"default": ThreadPoolExecutor(1)})
        release = threading.Event()
        scheduler.add_job(release.wait, args=[PATIENCE], id="blocks")
        scheduler.add_job(nothing, id="waits", misfire_grace_time=None)
        assert len(clock.advance("1h").parked) == 2
        assert clock.runs("waits") == []
        release.set()
        clock.patience = PATIENCE
        clock.drain()
        assert [run.outcome for run in clock.runs()] == ["executed"] * 2

    def test_overlapping_runs_are_skipped(self, start, clock):
        clock.patience = 0.05
        scheduler = start()
        release = threading.Event()
        recorder = listen(scheduler, EVENT_JOB_MAX_INSTANCES)
        scheduler.add_job(
            release.wait, "interval", minutes=1, max_instances=2, args=[PATIENCE], id="slow"
        )
        clock.advance("4m")
        assert [run.outcome for run in clock.runs("slow")] == ["running"] * 2 + ["skipped"] * 2
        assert len(recorder.events) == 2
        release.set()


class TestMisfires:
    def test_after_a_suspension_coalesced(self, clock, start):
        scheduler = start()
        scheduler.add_job(nothing, "interval", hours=1, id="strict")
        scheduler.add_job(nothing, "interval", hours=1, id="late", misfire_grace_time=None)
        recorder = listen(scheduler, EVENT_JOB_MISSED)
        clock.suspend("8h30m")
        assert times(clock.runs("strict")) == times(clock.runs("late")) == ["01 08:00:00"]
        assert [run.outcome for run in clock.runs("strict")] == ["missed"]
        assert [run.outcome for run in clock.runs("late")] == ["executed"]
        assert len(recorder.events) == 1

    def test_after_a_suspension_not_coalesced(self, clock, start):
        scheduler = start()
        scheduler.add_job(nothing, "interval", hours=1, misfire_grace_time=7_200, coalesce=False)
        clock.suspend("4h")
        assert [run.outcome for run in clock.runs()] == ["missed"] + ["executed"] * 3
        assert {run.started for run in clock.runs()} == {START + timedelta(hours=4)}

    def test_a_step_forward_and_backward(self, clock, start, caplog):
        caplog.set_level("INFO")
        scheduler = start()
        scheduler.add_job(nothing, "interval", hours=1, misfire_grace_time=None)
        clock.step(+3600)
        assert times(clock.runs()) == ["01 01:00:00"]
        clock.step("-1h")
        clock.advance("1h")
        assert times(clock.runs()) == ["01 01:00:00"]
        clock.advance("1h")
        assert times(clock.runs()) == ["01 01:00:00", "01 02:00:00"]
        stepped = [r.message for r in caplog.records if "stepped" in r.message]
        assert stepped == [
            "The wall clock stepped forward by 1:00:00",
            "The wall clock stepped backward by 1:00:00",
        ]
