"""What is done with jobs in Rust is what the methods of a scheduler do in Python, step by step."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainspring import BackgroundScheduler
from mainspring.job import Job
from mainspring.triggers.date import DateTrigger
from mainspring.triggers.interval import IntervalTrigger
from mainspring.util import undefined
from tests.support import ListJobStore
from tests.unit.native_jobs.samples import (
    ARGUMENTS,
    AUDIENCES,
    BERLIN,
    CALLABLES,
    DAY,
    TRIGGERS,
    Audience,
    coroutine,
    facts,
    nothing,
    one,
    optional,
    outcome,
    some,
)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(func=st.sampled_from(CALLABLES), trigger=TRIGGERS, arguments=ARGUMENTS, audience=AUDIENCES)
def test_add_job_does_the_same(
    scheduler: BackgroundScheduler,
    ordinary: BackgroundScheduler,
    func: Any,
    trigger: tuple[Any, dict[str, Any]],
    arguments: dict[str, Any],
    audience: Audience,
) -> None:
    results = []
    for each in (scheduler, ordinary):
        each.remove_all_jobs()
        if "python" not in each._jobstores:
            each.add_jobstore(ListJobStore(), "python")
        alias, trigger_args = trigger
        with audience.of(each) as told:
            results.append(
                [
                    outcome(lambda: each.add_job(func, alias, **arguments, **trigger_args)),  # noqa: B023
                    # A second one of the same id.
                    outcome(lambda: each.add_job(func, alias, **arguments, **trigger_args)),  # noqa: B023
                    [facts(job) for job in each.get_jobs()],
                    told,
                ]
            )
    assert results[0] == results[1]


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    specs=st.lists(
        st.one_of(
            # Few of what is drawn from all there is can be added.
            st.builds(
                lambda func, trigger, given: {"func": func, **trigger, **given},
                st.sampled_from([nothing, coroutine, some, print]),
                st.sampled_from(
                    [
                        {},
                        {"trigger": "interval", "seconds": 5},
                        {"trigger": "interval", "seconds": 7, "timezone": BERLIN},
                        {"trigger": "cron", "hour": 4},
                        {"trigger": "cron", "hour": "4", "minute": 5},
                        {"trigger": DateTrigger(DAY)},
                    ]
                ),
                optional(
                    jobstore=["default", "other", "python"],
                    executor=["default", "other"],
                    id=["an id", "another id"],
                    args=[(), []],
                ),
            ),
            st.builds(
                lambda func, trigger, given: {
                    **given,
                    "func": func,
                    "trigger": trigger[0],
                    **trigger[1],
                },
                st.sampled_from(CALLABLES),
                TRIGGERS,
                ARGUMENTS,
            ),
        ),
        max_size=8,
    ),
    audience=AUDIENCES,
)
def test_add_jobs_does_the_same(
    scheduler: BackgroundScheduler,
    ordinary: BackgroundScheduler,
    specs: list[dict[str, Any]],
    audience: Audience,
) -> None:
    results = []
    for each in (scheduler, ordinary):
        if "python" not in each._jobstores:
            each.add_jobstore(ListJobStore(), "python")
            each.add_jobstore("memory", "other")
        each.remove_all_jobs()
        with audience.of(each) as told:
            try:
                added: Any = [facts(job) for job in each.add_jobs(specs)]
            except Exception as exc:
                added = type(exc), str(exc)
        in_stores = {
            # Sorted anew: by random ids, where they are due at the same time.
            alias: sorted(repr(facts(job)) for job in each.get_jobs(alias))
            for alias in ("default", "other", "python")
        }
        results.append([added, in_stores, told])
    assert results[0] == results[1]


def pending_facts(job: Job) -> dict[str, Any]:
    """What a job is that has only what it was given."""
    fields = {name: getattr(job, name, undefined) for name in Job.__slots__ if name[0] != "_"}
    state = getattr(job.trigger, "__getstate__", dict)()
    if isinstance(state, dict):
        state.pop("start_date", None)
        state.pop("run_date", None)
    return {
        **fields,
        "id": len(job.id),
        "trigger": (type(job.trigger), state if isinstance(state, dict) else None),
        "str": str(job).partition("[")[0],
        "pending": job.pending,
        "context": job.context is None,
    }


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    func=st.sampled_from(CALLABLES),
    trigger=TRIGGERS,
    arguments=ARGUMENTS,
    audience=AUDIENCES,
    many=st.booleans(),
)
def test_pending_jobs_are_the_same(
    func: Any,
    trigger: tuple[Any, dict[str, Any]],
    arguments: dict[str, Any],
    audience: Audience,
    many: bool,
) -> None:
    alias, trigger_args = trigger
    results = []
    for is_open in (True, False):
        scheduler = BackgroundScheduler(
            timezone="UTC", jobstores={"python": ListJobStore()}, job_defaults={"coalesce": False}
        )
        if not is_open:
            scheduler._native_jobs.close()
        # Without a job of the same function before it, and with one.
        arguments_of_all = [
            {"func": func, "trigger": alias, **arguments, **trigger_args},
            {"func": func, "trigger": alias, **arguments, **trigger_args, "replace_existing": True},
            {"func": nothing, "trigger": alias, **arguments, **trigger_args, "id": "another"},
        ]
        with audience.of(scheduler) as told:
            added: list[Any] = []
            for each in arguments_of_all:
                try:
                    jobs = scheduler.add_jobs([each]) if many else [scheduler.add_job(**each)]
                except Exception as exc:
                    added.append((type(exc), str(exc)))
                else:
                    added += jobs
            found = [pending_facts(each) if isinstance(each, Job) else each for each in added]
            waiting = [(job in added, *others) for job, *others in scheduler._pending_jobs]
            try:
                scheduler.start(paused=True)
            except Exception as exc:
                began: Any = type(exc), str(exc)
            else:
                began = sorted(repr(facts(job)) for job in scheduler.get_jobs())
                began += [facts(each) for each in added if isinstance(each, Job)]
        results.append([found, waiting, began, told])
        if scheduler.running:
            scheduler.shutdown()
    assert results[0] == results[1]


CHANGES = optional(
    name=["new", "", 3],
    args=[(), (1,), "text"],
    func=[nothing, one, 3],
    misfire_grace_time=[7, None, 0],
    coalesce=[False],
    max_instances=[4, 0],
    trigger=[IntervalTrigger(days=1, timezone="UTC"), 3],
    executor=["other", 3],
    next_run_time=[DAY, None, "x"],
    id=["another"],
    odd=[1],
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("modify_job"), st.tuples(), CHANGES),
            st.tuples(
                st.sampled_from(["pause_job", "resume_job", "get_job"]), st.tuples(), st.just({})
            ),
            st.tuples(
                st.just("reschedule_job"),
                st.tuples(),
                TRIGGERS.map(lambda trigger: {"trigger": trigger[0], **trigger[1]}),
            ),
            st.tuples(st.just("remove_job"), st.tuples(), st.just({})),
        ),
        max_size=6,
    ),
    jobstore=st.sampled_from([None, "default", "none", 3]),
    job_id=st.sampled_from(["job", "job", "job", "none", 3]),
    audience=AUDIENCES,
)
def test_changes_do_the_same(
    scheduler: BackgroundScheduler,
    ordinary: BackgroundScheduler,
    steps: list[tuple[str, tuple[Any, ...], dict[str, Any]]],
    jobstore: Any,
    job_id: Any,
    audience: Audience,
) -> None:
    results = []
    for each in (scheduler, ordinary):
        each.remove_all_jobs()
        each.add_job(nothing, "interval", hours=1, id="job")
        with audience.of(each) as told:
            did = [
                outcome(lambda: getattr(each, name)(job_id, jobstore, **arguments))  # noqa: B023
                for name, _, arguments in steps
            ]
        results.append([did, [facts(job) for job in each.get_jobs()], told])
    assert results[0] == results[1]
