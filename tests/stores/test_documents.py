"""The parts of the stores of documents that need no server."""

from __future__ import annotations

from mainspring.jobstores._documents import Change, batches


def test_batches() -> None:
    changes = [Change(str(n), b"x" * n if n else None) for n in range(6)]
    sizes = [[len(c.data or b"") for c in batch] for batch in batches(changes, 2, 100)]
    assert sizes == [[0, 1], [2, 3], [4, 5]]
    sizes = [[len(c.data or b"") for c in batch] for batch in batches(changes, 9, 13)]
    assert sizes == [[0, 1], [2, 3], [4], [5]]
    assert list(batches([], 9, 9)) == []
