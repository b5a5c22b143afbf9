"""``loop.set_task_factory``, CPython's eager factory, ``uvloop.run`` and asyncio's debug mode."""

from __future__ import annotations

import sys

import pytest

from tests.loops.places.running import loops, run_program


@loops
@pytest.mark.parametrize("place", ["before", "after", "raising"])
def test_runs_are_tasks_of_the_loops_own_making(loop: str, place: str) -> None:
    assert run_program("task_factories.py", loop, place) == "done\n"


# uvloop gives every factory a context (CPython 3.11), so it takes no such factory itself.
def test_a_factory_that_takes_no_context() -> None:
    assert run_program("task_factories.py", "asyncio", "bare") == "done\n"


@loops
@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio.eager_task_factory is new in 3.12")
def test_the_eager_factory(loop: str) -> None:
    if loop == "uvloop" and (3, 13) <= sys.version_info < (3, 13, 3):
        pytest.skip("this CPython's eager factory does not take what uvloop gives it")
    assert run_program("task_factories.py", loop, "eager") == "done\n"
