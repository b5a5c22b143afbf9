from __future__ import annotations

from typing import Any

import pytest

from mainspring.jobstores.redis import RedisJobStore
from tests.stores.conformance import OpenStore, PersistentConformance


class TestRedis(PersistentConformance):
    @pytest.fixture
    def open_store(self, redis_server: dict[str, Any]) -> OpenStore:
        return lambda **options: RedisJobStore(**redis_server, **options)
