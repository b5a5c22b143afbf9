from __future__ import annotations

import pytest

from mainspring.jobstores.memory import MemoryJobStore
from tests.stores.conformance import Conformance, OpenStore


class Overriding(MemoryJobStore):
    """Is served as a store written in Python."""

    def update_job(self, job: object) -> None:
        super().update_job(job)  # type: ignore[arg-type]


class TestMemory(Conformance):
    @pytest.fixture(params=[MemoryJobStore, Overriding])
    def open_store(self, request: pytest.FixtureRequest) -> OpenStore:
        store: OpenStore = request.param
        return store
