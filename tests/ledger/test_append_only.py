"""What protects the ledger: triggers, roles, and partitions that are always there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from gate.ledger.pool import connected

if TYPE_CHECKING:
    from gate.ledger.connection import Connection

NOW = datetime.now(UTC)
TODAY = NOW.date()
COLUMNS = (
    *("id", "organization_id", "entry_type", "delta", "balance_after", "created_at", "booked_at"),
    *("entry_no", "epoch", "seq", "delta_kind", "split", "chain"),
)
UINT32_MAX = 2**32 - 1


async def book(connection: Connection, *, booked_at: datetime = NOW, number: int = 1) -> None:
    """Copy one entry into the ledger."""
    entry = (f"cld_{number}", "org_unknown", "email_sent", -1, -(2**52), NOW, booked_at)
    rest = (number, UINT32_MAX, 2**48 - 1, "spent", {"base": -1}, b"\x01")
    await connection.copy_records_to_table(
        "credit_ledger", records=[(*entry, *rest)], columns=COLUMNS
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credit_ledger SET delta = 0",
        "DELETE FROM credit_ledger",
        "TRUNCATE credit_ledger",
        "UPDATE {partition} SET delta = 0",
        "DELETE FROM {partition}",
        "TRUNCATE {partition}",
        "TRUNCATE credit_ledger_default",
    ],
)
async def test_ledger__refuses_change_even_to_its_owner(
    visitor: Connection, statement: str
) -> None:
    await visitor.execute("SELECT ensure_ledger_partitions($1, 1)", TODAY)
    await book(visitor)
    statement = statement.format(partition=f"credit_ledger_p{TODAY:%Y%m%d}")
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        async with visitor.transaction():
            await visitor.execute(statement)
    assert await visitor.fetchval("SELECT sum(delta) FROM credit_ledger") == -1


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("gate_reconciler", "UPDATE credit_ledger SET delta = 0"),
        ("gate_reconciler", "DELETE FROM credit_ledger"),
        ("gate_reconciler", "TRUNCATE credit_ledger"),
        ("gate_reconciler", "ALTER TABLE credit_ledger DISABLE TRIGGER ALL"),
        ("gate_reconciler", "SELECT detach_partitions('credit_ledger', 'infinity')"),
        ("gate_reconciler", "SELECT grant_to('gate_sender', 'SELECT ON plan')"),
        ("gate_api", "INSERT INTO credit_ledger (id) VALUES ('cld_1')"),
        ("gate_api", "UPDATE account SET posted = 1"),
        ("gate_api", "UPDATE subscription SET credits_remaining = 1"),
        ("gate_api", "DELETE FROM audit_log"),
        ("gate_sender", "SELECT FROM credit_ledger"),
        ("gate_sender", "SELECT FROM account"),
        ("gate_sender", "SELECT ensure_ledger_partitions(current_date, 1)"),
    ],
)
async def test_role__may_not(visitor: Connection, role: str, statement: str) -> None:
    await visitor.execute(f"SET ROLE {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await visitor.execute(statement)


async def test_grant__to_a_role_that_is_missing_is_told(visitor: Connection) -> None:
    """A user who may not make roles can migrate all the same."""
    lines: list[str] = []
    visitor.add_log_listener(lambda _, message: lines.append(message.message))
    await visitor.execute("SELECT grant_to('gate_nobody', 'SELECT ON plan')")
    assert lines == ["once role gate_nobody is there: GRANT SELECT ON plan TO gate_nobody"]


async def test_reconciler__may_book_and_make_partitions(visitor: Connection) -> None:
    await visitor.execute("SET ROLE gate_reconciler")
    query = "SELECT ensure_ledger_partitions($1, 2) + ensure_send_partitions($1, 2)"
    assert await visitor.fetchval(query, TODAY) == 4
    assert await visitor.fetchval(query, TODAY) == 0
    await book(visitor)
    assert await visitor.fetchval("SELECT split FROM credit_ledger") == {"base": -1}
    await visitor.fetch("SELECT * FROM journal_cursor FOR UPDATE")


async def test_api__may_change_a_subscription_but_not_its_counters(visitor: Connection) -> None:
    await visitor.execute("SET ROLE gate_api")
    await visitor.execute(
        "INSERT INTO organization (id) VALUES ('o');"
        "INSERT INTO plan (id, name, monthly_credits, base_price_usd) VALUES ('p', 'Free', 1, 0);"
        "INSERT INTO subscription (id, organization_id, plan_id, current_period_start)"
        " VALUES ('s', 'o', 'p', now());"
        "UPDATE subscription SET status = 'past_due', updated_at = now()"
    )


async def test_day_without_partition__is_booked_in_the_default_one(visitor: Connection) -> None:
    """Nothing in the ledger may make a COPY fail."""
    for year in (1970, TODAY.year, 9999):
        await book(visitor, booked_at=NOW.replace(year=year, month=6, day=15))
    count = "SELECT count(*) FROM credit_ledger_default"
    assert await visitor.fetchval(count) == 3
    day = TODAY.replace(month=6, day=14)
    made = await visitor.fetchval("SELECT ensure_ledger_partitions($1, 3)", day)
    assert made == 2, "the day that has rows in the default partition stays there"
    assert await visitor.fetchval("SELECT count(*) FROM credit_ledger") == 3


async def test_repeated_entry__does_not_make_a_copy_fail(visitor: Connection) -> None:
    await book(visitor)
    await book(visitor)
    assert await visitor.fetchval("SELECT count(*) FROM credit_ledger") == 2


async def test_partition__is_of_one_day_of_utc(connection: Connection, database_url: str) -> None:
    async with connected(database_url) as elsewhere:
        await elsewhere.execute("SET timezone = 'Asia/Tokyo'")
        await elsewhere.execute("SELECT ensure_ledger_partitions($1, 2)", TODAY)
    midnight = datetime.combine(TODAY + timedelta(days=1), datetime.min.time(), UTC)
    await book(connection, booked_at=midnight - timedelta(microseconds=1), number=1)
    await book(connection, booked_at=midnight, number=2)
    rows = await connection.fetch(
        "SELECT tableoid::regclass::text AS partition FROM credit_ledger ORDER BY entry_no"
    )
    assert [row["partition"] for row in rows] == [
        f"credit_ledger_p{TODAY:%Y%m%d}",
        f"credit_ledger_p{midnight:%Y%m%d}",
    ]


async def test_forget_sends__drops_or_keeps_what_is_older(connection: Connection) -> None:
    await connection.execute("SELECT ensure_send_partitions($1, 4)", TODAY - timedelta(days=3))
    await connection.executemany(
        "INSERT INTO email_send (id, organization_id, created_at) VALUES ($1, 'o', $2)",
        [(f"esn_{days}", NOW - timedelta(days=days)) for days in range(9)],
    )
    query = "SELECT array_agg(p) FROM forget_sends($1, $2) AS p"
    await connection.execute("SET ROLE gate_reconciler")
    names = [f"email_send_p{TODAY - timedelta(days=days):%Y%m%d}" for days in (3, 2, 1)]
    first = TODAY - timedelta(days=1)
    assert await connection.fetchval(query, first, False) == names[:2]
    assert await connection.fetchval(query, TODAY, True) == names[2:]
    assert await connection.fetchval("SELECT array_agg(id) FROM email_send") == ["esn_0"]
    await connection.execute("RESET ROLE")
    exist = "SELECT count(to_regclass(name)) FROM unnest($1::text[]) AS name"
    assert await connection.fetchval(exist, names) == 1
