"""A gate on real Redis, straight and healthy, beside the ones that a test makes suffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from gate import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def gate(redis_url: str) -> AsyncIterator[Gate]:
    """A gate to an empty Redis."""
    async with Gate.connect(redis_url) as gate:
        yield gate
