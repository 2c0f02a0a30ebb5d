"""How long the random tests run: GATE_TEST_PROFILE=long makes a campaign of them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

LONG = os.environ.get("GATE_TEST_PROFILE") == "long"


def profile(examples: int) -> settings:
    """Settings for a test with so many examples, a hundred times as many in a campaign."""
    return settings(
        max_examples=examples * (100 if LONG else 1),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate, Phase.shrink],
    )
