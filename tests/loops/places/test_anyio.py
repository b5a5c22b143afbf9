"""anyio on asyncio, its task groups, and its worker threads."""

from __future__ import annotations

import pytest

from tests.loops.places.running import loops, run_program

pytest.importorskip("anyio", reason="anyio cannot be installed here")


@loops
def test_a_scheduler_among_task_groups(loop: str) -> None:
    assert run_program("with_anyio.py", loop) == "done\n"
