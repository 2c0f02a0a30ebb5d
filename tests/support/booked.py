"""Accounts in PostgreSQL as booking would leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gate.domain.accounts import Terms
from tests.support.accounts import RATE_ENOUGH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gate.ledger.connection import Connection

    #: kind, credits left, expiry
    GrantRow = tuple[str, int, datetime | None]

TERMS = Terms(rate_per_second=RATE_ENOUGH)


async def put_account(
    connection: Connection,
    organization_id: str = "org_a",
    *,
    partition: int = 0,
    grants: Iterable[GrantRow] = (("base", 1000, None),),
    **columns: Any,
) -> None:
    """An organization with an account and its grants; `columns` are those of `account`."""
    given = {"partition": partition, "terms": TERMS, "coming": [], **columns}
    names = ", ".join(given)
    places = ", ".join(f"${number}" for number in range(2, len(given) + 2))
    await connection.execute("INSERT INTO organization (id) VALUES ($1)", organization_id)
    await connection.execute(
        f"INSERT INTO account (organization_id, {names}) VALUES ($1, {places})",
        *(organization_id, *given.values()),
    )
    await put_grants(connection, organization_id, grants)


async def put_grants(
    connection: Connection, organization_id: str, grants: Iterable[GrantRow]
) -> None:
    """Grants beside those that are there."""
    await connection.executemany(
        "INSERT INTO account_grant (organization_id, kind, credits_left, expires_at, expiry_day)"
        " VALUES ($1, $2, $3, $4, coalesce(($4 AT TIME ZONE 'UTC')::date, 'infinity'))",
        [(organization_id, *grant) for grant in grants],
    )


async def move_cursor(connection: Connection, partition: int, entry_id: str) -> None:
    """The journal is booked up to an entry."""
    await connection.execute(
        "INSERT INTO journal_cursor (partition, entry_id, digest) VALUES ($1, $2, '')"
        " ON CONFLICT (partition) DO UPDATE SET entry_id = excluded.entry_id",
        *(partition, entry_id),
    )
