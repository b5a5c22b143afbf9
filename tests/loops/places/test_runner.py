"""``asyncio.Runner``: a loop that runs, pauses and runs again."""

from __future__ import annotations

import sys

import pytest

from tests.loops.places.running import loops, run_program


@loops
@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner is new in 3.11")
def test_a_scheduler_lives_across_several_runs(loop: str) -> None:
    assert run_program("runner.py", loop) == "done\n"
