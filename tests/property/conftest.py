"""The verbs for random tests; every example empties Redis again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.lua import Verbs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def verbs(redis_url: str) -> Iterator[Verbs]:
    """An empty Redis."""
    with Verbs(redis_url) as verbs:
        yield verbs
