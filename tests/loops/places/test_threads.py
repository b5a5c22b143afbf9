"""Loops that run in other threads than the main one."""

from __future__ import annotations

from tests.loops.places.running import loops, run_program


@loops
def test_a_loop_in_a_thread_that_is_not_the_main_one(loop: str) -> None:
    assert run_program("threads.py", loop) == "done\n"


@loops
def test_two_schedulers_on_two_loops(loop: str) -> None:
    assert run_program("threads.py", "asyncio", loop) == "done\n"
