"""Both servers, looked at from beside the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from gate.ledger.pool import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gate.ledger.connection import Connection


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to `database_url` with all rights."""
    async with connected(database_url) as opened:
        yield opened


@pytest.fixture
def store(redis_url: str) -> Iterator[Redis]:
    """The Redis of `redis_url`, by another client."""
    with Redis.from_url(redis_url) as store:
        yield store
