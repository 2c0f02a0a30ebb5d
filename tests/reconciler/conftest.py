"""Accounts in PostgreSQL, to be read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gate.domain.accounts import Terms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gate.ledger.connection import Connection

    AddAccount = Callable[..., Awaitable[None]]


@pytest.fixture
async def add_account(visitor: Connection) -> AddAccount:
    """Adds an organization with a subscription to the plan pln_a, named sub_<organization>, and an
    account of partition 3 whose other columns are given."""
    await visitor.execute(
        "INSERT INTO plan (id, name, monthly_credits, base_price_usd, overage_price_per_email)"
        " VALUES ('pln_a', 'Pro', 1000, 49, 0.0015)"
    )

    async def add(organization_id: str = "org_a", **columns: Any) -> None:
        columns = {"partition": 3, "terms": Terms(rate_per_second=50), **columns}
        await visitor.execute("INSERT INTO organization (id) VALUES ($1)", organization_id)
        await visitor.execute(
            "INSERT INTO subscription (id, organization_id, plan_id, current_period_start)"
            " VALUES ('sub_' || $1, $1, 'pln_a', '2026-01-01')",
            organization_id,
        )
        names = ", ".join(columns)
        places = ", ".join(f"${place}" for place in range(2, len(columns) + 2))
        await visitor.execute(
            f"INSERT INTO account (organization_id, {names}) VALUES ($1, {places})",
            organization_id,
            *columns.values(),
        )

    return add
