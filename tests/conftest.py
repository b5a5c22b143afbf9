"""What the whole suite shares: hypothesis profiles, chosen by HYPOTHESIS_PROFILE."""

import os

from hypothesis import settings

# A slow machine is not a failure, so there are no deadlines. The default profile draws the same
# examples on each run; the nightly one new ones.
settings.register_profile("default", max_examples=2_000, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=20_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
