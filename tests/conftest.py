"""What the whole suite shares: hypothesis profiles, chosen by HYPOTHESIS_PROFILE, names, and patience."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from mainspring.schedulers.base import BaseScheduler

# A slow machine is not a failure, so there are no deadlines. The default profile draws the same
# examples on each run; the nightly one new ones.
settings.register_profile("default", max_examples=2_000, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "own_grace: schedulers that are told no grace time have their own default, 1 s"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    if " at 0x" in item.nodeid:  # is another one in each of pytest-xdist's workers
        raise pytest.UsageError(
            f"an object's address is no name, give the parameter an id: {item.nodeid}"
        )


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no run be missed that a test waits for.

    A job that was given no grace time is missed where the machine stands still for a second, which a busy
    one does. A test that waits for its run would never end.
    """
    if request.node.get_closest_marker("own_grace"):
        yield
        return
    configure = BaseScheduler._configure

    def patiently(self: BaseScheduler, config: dict[str, Any]) -> None:
        configure(self, config)
        # Under a clock that is moved by hand nothing stands still by itself.
        if self._clock._is_the_systems and "misfire_grace_time" not in config.get(
            "job_defaults", {}
        ):
            self._job_defaults = {**self._job_defaults, "misfire_grace_time": None}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseScheduler, "_configure", patiently)
        yield
