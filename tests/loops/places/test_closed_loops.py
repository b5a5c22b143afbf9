"""Loops that are closed under a running scheduler, in the midst of runs."""

from __future__ import annotations

import pytest

from tests.loops.places.running import loops, run_program


@loops
@pytest.mark.parametrize("end", ["noticed", "at once"])
def test_the_runs_end_without_a_word_from_asyncio(loop: str, end: str) -> None:
    assert run_program("closed_loop.py", loop, end) == "done\n"


@loops
@pytest.mark.parametrize("wait", ["wait", "at once"])
def test_a_coroutine_that_the_loop_has_not_come_to(loop: str, wait: str) -> None:
    assert run_program("stopped_loop.py", loop, wait) == "done\n"
