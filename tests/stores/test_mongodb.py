from __future__ import annotations

import pytest

from mainspring.jobstores.mongodb import MongoDBJobStore
from tests.stores.conformance import OpenStore, PersistentConformance
from tests.stores.mongo_server import MongoServer


class TestMongoDB(PersistentConformance):
    @pytest.fixture
    def open_store(self, mongo_server: MongoServer) -> OpenStore:
        return lambda **options: MongoDBJobStore(port=mongo_server.port, **options)
