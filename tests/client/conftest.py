"""A gate on real Redis in which org_a has 1,000 credits, and databases to load accounts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from gate import Gate
from tests.support.accounts import account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a test that says so loads from PostgreSQL."""
    monkeypatch.delenv("PG_URL", raising=False)


@pytest_asyncio.fixture
async def gate(redis_url: str) -> AsyncIterator[Gate]:
    """A gate with the account of org_a loaded: 1,000 credits."""
    async with Gate.connect(redis_url) as gate:
        await gate.load(account("org_a"))
        yield gate
