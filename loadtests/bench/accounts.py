"""The accounts that are measured: three grants, two coming periods, and credits without end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gate import AccountState, ComingPeriod, Gate, Grant
from loadtests.bench.servers import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOGETHER = 512


def organization(number: int, prefix: str = "org_bench") -> str:
    """An organization id of 20 characters."""
    return f"{prefix}_{number:0{19 - len(prefix)}d}"


def account(
    organization_id: str, *, credits: int = 10**12, rate: int = 10**9, **terms: Any
) -> AccountState:
    """As a paying customer's account looks; the limits are wide, so that nothing is denied."""
    now = datetime.now(UTC)
    return AccountState(
        organization_id,
        rate_per_second=rate,
        grants=[
            Grant(kind="rollover", credits=credits),
            Grant(kind="base", credits=credits),
            Grant(kind="purchased", credits=credits, expires_at=now + timedelta(days=300)),
        ],
        starts_at=now - timedelta(days=10),
        ends_at=now + timedelta(days=20),
        coming=[
            ComingPeriod(period_no=2, ends_at=now + timedelta(days=50), allowance=credits),
            ComingPeriod(period_no=3, ends_at=now + timedelta(days=81), allowance=credits),
        ],
        **terms,
    )


async def load(gate: Gate, states: Iterable[AccountState]) -> None:
    """Loads accounts, many at a time."""
    batch: list[AccountState] = []
    for state in states:
        batch.append(state)
        if len(batch) == _TOGETHER:
            await asyncio.gather(*map(gate.load, batch))
            batch.clear()
    await asyncio.gather(*map(gate.load, batch))


def load_all(url: str, count: int) -> None:
    """Fills a Redis with `count` organizations."""

    async def run() -> None:
        async with Gate.connect(url, partitions=PARTITIONS, deadline_ms=30_000) as gate:
            await load(gate, (account(organization(number)) for number in range(count)))

    asyncio.run(run())
