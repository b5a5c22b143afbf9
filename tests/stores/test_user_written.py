"""A store as a user would write one for APScheduler, with the methods that its documentation names."""

from __future__ import annotations

import pytest

from tests.stores.conformance import Conformance, OpenStore
from tests.support import ListJobStore


class TestUserWritten(Conformance):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        return ListJobStore
