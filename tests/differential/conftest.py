"""Both sides have their own grace time here."""

import pytest


@pytest.fixture(autouse=True)
def _patience() -> None:
    """Replace the fixture of the whole suite."""
