from __future__ import annotations

import pytest

from mainspring.jobstores.rethinkdb import RethinkDBJobStore
from tests.stores.conformance import OpenStore, PersistentConformance
from tests.stores.rethink_server import RethinkServer


class TestRethinkDB(PersistentConformance):
    @pytest.fixture
    def open_store(self, rethink_server: RethinkServer) -> OpenStore:
        return lambda **options: RethinkDBJobStore(port=rethink_server.port, **options)
