"""`gate.ledger.verify`: whatever is not as it was booked is found, and said to be what it is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate.domain.ids import new_id
from gate.ledger.pool import connected
from gate.ledger.verify import UnknownOrganization, verify_over
from tests.support.entries import COLUMNS, Books, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gate.ledger.chain_walk import Finding
    from gate.ledger.connection import Connection
    from gate.ledger.verify import Verified

LONG_AGO = datetime(2020, 2, 3, tzinfo=UTC)
#: As the client writes it.
INFINITY = datetime.max

#: What may be written over each column of an entry, number 4 of books().
EDITS: dict[str, tuple[Any, ...]] = {
    "id": ("cld_edited", new_id("hld"), new_id("cld")[:4] + "00000000aaaaaaaa"),
    "organization_id": ("org_b", "org_nobody"),
    "subscription_id": ("sub_2", None, ""),
    "entry_type": ("refund",),
    "delta": (-2, 0, 2**62),
    "balance_after": (10_000, -(2**62)),
    "reason": ("because", ""),
    "reference_id": ("order 5", None),
    "created_at": (LONG_AGO, timedelta(milliseconds=1), timedelta(microseconds=1), INFINITY),
    "booked_at": (LONG_AGO, timedelta(days=1), INFINITY),
    "entry_no": (5, 400, 0, -4, 2**62),
    "epoch": (2,),
    "seq": (5,),
    "delta_kind": ("committed", ""),
    "settlement_id": ("eml_9", None, ""),
    "part": (1, None),
    "operation_id": ("op_1", ""),
    "period_no": (4, None),
    "config_version": (1, None),
    "split": (
        {"purchased": -3},
        {"base": -3, "bonus": 7},
        {"base": -2},
        {"base": -3.5},
        {"base": None},
        {},
        [-3],
    ),
    "late": (True,),
    "repeated": (True,),
    "chain": (b"", bytes(32)),
}


def books(organization_id: str = "org_a") -> Books:
    """Seven entries: credits that came in, then what was sent."""
    made = Books(organization_id)
    made.operation(1_000, "op_first")
    for number in range(2, 8):
        made.enter(-number if number != 4 else -3)
    return made


async def edit(connection: Connection, statement: str, *values: object) -> None:
    """Change the ledger behind its triggers' back."""
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(statement.format(a="organization_id = 'org_a'"), *values)


@asynccontextmanager
async def damaged(connection: Connection, statement: str, *values: object) -> AsyncIterator[None]:
    """The ledger and its accounts as a statement leaves them; afterwards as they first were."""
    await connection.execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS accounts AS SELECT * FROM account;"
        "CREATE TEMPORARY TABLE IF NOT EXISTS entries AS SELECT * FROM credit_ledger"
    )
    await edit(connection, statement, *values)
    yield
    await connection.execute(
        "DELETE FROM account; INSERT INTO account SELECT * FROM accounts;"
        "DELETE FROM credit_ledger; INSERT INTO credit_ledger SELECT * FROM entries"
    )


async def look(
    connection: Connection, organization_id: str | None = None, **how: Any
) -> tuple[Verified, list[Finding]]:
    found: list[Finding] = []
    verified = await verify_over(connection, organization_id, report=found.append, **how)
    assert verified.faults == sum(one.is_fault for one in found)
    return verified, found


async def test_untouched__has_no_fault(connection: Connection) -> None:
    await write(connection, books("org_a"), books("org_b"), Books("org_new"))
    verified, found = await look(connection)
    assert (verified.organizations, verified.entries, found) == (3, 14, [])


async def test_edit_of_any_column__is_found(connection: Connection) -> None:
    await write(connection, books("org_a"), books("org_b"))
    for column, value in ((name, value) for name in EDITS for value in EDITS[name]):
        step = f"{column} + $1" if isinstance(value, timedelta) else "$1"
        async with damaged(
            connection,
            f"UPDATE credit_ledger SET {column} = {step} WHERE {{a}} AND entry_no = 4",
            value,
        ):
            for organization_id in (None, "org_a") if value is EDITS[column][0] else ("org_a",):
                _, found = await look(connection, organization_id, page_rows=3)
                case = f"{column} = {value}: {found}"
                assert "org_a" in {one.organization_id for one in found}, case
                assert 4 in {one.entry_no for one in found}, case
                assert all(one.is_fault for one in found), case
                assert len(found) <= 4, case
    _, found = await look(connection)
    assert found == []


def test_edits__are_of_every_column() -> None:
    assert EDITS.keys() == {*COLUMNS, "booked_at"}


#: What is done to the entries of org_a, and what is found: entry, kind, a part of the sentence.
DAMAGES: dict[str, tuple[str, list[tuple[int | None, str, str]]]] = {
    "one row deleted": (
        "DELETE FROM credit_ledger WHERE {a} AND entry_no = 4",
        [(4, "missing", "entry 4 is missing; they moved -3 credits")],
    ),
    "some rows deleted": (
        "DELETE FROM credit_ledger WHERE {a} AND entry_no IN (2, 4, 5)",
        [
            (2, "missing", "entry 2 is missing; they moved -2 credits"),
            (4, "missing", "entries 4–5 are missing; they moved -8 credits"),
        ],
    ),
    "the first row deleted": (
        "DELETE FROM credit_ledger WHERE {a} AND entry_no = 1",
        [(1, "missing", "entry 1 is missing")],
    ),
    "the last rows deleted": (
        "DELETE FROM credit_ledger WHERE {a} AND entry_no > 5",
        [(6, "missing", "entries 6–7 are missing at the end: the account counts 7")],
    ),
    "all rows deleted": (
        "DELETE FROM credit_ledger WHERE {a}",
        [(1, "missing", "entries 1–7 are missing")],
    ),
    "neighbours exchanged": (
        "UPDATE credit_ledger SET entry_no = 9 - entry_no WHERE {a} AND entry_no IN (4, 5)",
        [(4, "exchanged", "stands where entry 5 was")],
    ),
    "others exchanged": (
        "UPDATE credit_ledger SET entry_no = 8 - entry_no WHERE {a} AND entry_no IN (2, 6)",
        [(2, "exchanged", "stands where entry 6 was")],
    ),
    "the last one exchanged": (
        "UPDATE credit_ledger SET entry_no = 10 - entry_no WHERE {a} AND entry_no IN (3, 7)",
        [(3, "exchanged", "stands where entry 7 was")],
    ),
    "exchanged, their digests kept": (
        "UPDATE credit_ledger AS c SET entry_no = o.entry_no, chain = o.chain"
        " FROM credit_ledger AS o WHERE c.{a} AND o.{a} AND c.entry_no IN (3, 6)"
        " AND o.entry_no = 9 - c.entry_no",
        [(3, "exchanged", "stands where entry 6 was")],
    ),
    "one row twice": (
        "INSERT INTO credit_ledger SELECT * FROM credit_ledger WHERE {a} AND entry_no = 4",
        [(4, "duplicated", "stands in the ledger 2 times, as the same row")],
    ),
    "one row many times": (
        "INSERT INTO credit_ledger SELECT c.* FROM credit_ledger AS c, generate_series(1, 40)"
        " WHERE {a} AND entry_no = 4",
        [(4, "duplicated", "stands in the ledger")],
    ),
    "a balance of the account": (
        "UPDATE account SET posted = posted + 1 WHERE {a}",
        [(7, "end", "the account's posted is 975, balance_after of the last entry is 974")],
    ),
    "the account's digest": (
        "UPDATE account SET chain = '' WHERE {a}",
        [(7, "end", "the account's chain is not that of the last entry")],
    ),
    "the account's count": (
        "UPDATE account SET entry_no = 5 WHERE {a}",
        [(6, "end", "the account counts 5 entries, the ledger goes on to 7")],
    ),
    "no account": (
        "DELETE FROM account WHERE {a}",
        [(None, "end", "there are entries and no account")],
    ),
    "the last digest": (
        "UPDATE credit_ledger SET chain = '' WHERE {a} AND entry_no = 7",
        [(7, "digest", "chain was edited")],
    ),
    "a digest in the middle": (
        "UPDATE credit_ledger SET chain = '' WHERE {a} AND entry_no = 3",
        [(3, "digest", "chain was edited")],
    ),
    "a balance": (
        "UPDATE credit_ledger SET balance_after = 1000 WHERE {a} AND entry_no = 3",
        [(3, "edited", "balance_after is 1,000, the balance before and delta give 995")],
    ),
    "two rows edited": (
        "UPDATE credit_ledger SET reason = 'x' WHERE {a} AND entry_no IN (3, 4)",
        [
            (3, "edited", "does not fit its chain (or entry 2 was"),
            (4, "edited", "does not fit its chain (or entry 3 was"),
        ],
    ),
}


async def test_damage__is_called_what_it_is(connection: Connection) -> None:
    await write(connection, books("org_a"), books("org_b"))
    for damage, (statement, expected) in DAMAGES.items():
        async with damaged(connection, statement):
            for organization_id, page_rows in ((None, 5_000), (None, 3), ("org_a", 4)):
                verified, found = await look(connection, organization_id, page_rows=page_rows)
                assert [(one.entry_no, one.kind) for one in found] == [
                    (entry_no, kind) for entry_no, kind, _ in expected
                ], damage
                for one, (_, _, sentence) in zip(found, expected, strict=True):
                    assert sentence in one.said, damage
                assert {one.organization_id for one in found} == {"org_a"}, damage
                assert verified.organizations == (1 if organization_id else 2), damage


async def test_row_twice_one_of_them_edited__takes_the_one_that_fits(
    connection: Connection,
) -> None:
    made = books()
    await write(connection, made)
    for row in (made.rows[3] | {"delta": -900}, made.rows[5] | {"reason": "x"}):
        await connection.copy_records_to_table(
            "credit_ledger", records=[tuple(row[name] for name in COLUMNS)], columns=COLUMNS
        )
    _, found = await look(connection)
    assert [(one.entry_no, one.kind) for one in found] == [(4, "duplicated"), (6, "duplicated")]
    assert "rows that differ" in found[-1].said


async def test_digests_made_anew__do_not_hide_an_edit(connection: Connection) -> None:
    """Who edits an entry and all digests behind it still has the account's against him."""
    await write(connection, books())
    other = Books()
    other.operation(1_000, "op_first")
    for number in range(2, 8):
        other.enter(-number if number != 4 else -2)
    await edit(connection, "DELETE FROM credit_ledger")
    await connection.copy_records_to_table(
        "credit_ledger",
        records=[tuple(row[name] for name in COLUMNS) for row in other.rows],
        columns=COLUMNS,
    )
    _, found = await look(connection)
    assert [(one.entry_no, one.kind) for one in found] == [(7, "end"), (7, "end")]


async def test_older_partitions_detached__is_no_fault(connection: Connection) -> None:
    today = datetime.now(UTC).date()
    await connection.execute("SELECT ensure_ledger_partitions($1, 3)", today - timedelta(days=2))
    await write(connection, books("org_a"), books("org_b"), books("org_c"))
    await edit(
        connection,
        "UPDATE credit_ledger SET booked_at = booked_at - interval '1 day'"
        " WHERE organization_id = 'org_a' AND entry_no < 4 OR organization_id = 'org_b'",
    )
    await connection.execute("SELECT detach_partitions('credit_ledger', $1)", today)
    verified, found = await look(connection)
    assert [(one.organization_id, one.said) for one in found] == [
        ("org_a", "begins at entry 4: older partitions are detached"),
        ("org_b", "has none of its 7 entries here: older partitions are detached"),
    ]
    assert (verified.faults, verified.detached) == (0, 2)
    # When the tables are gone too, the account is older than what is there.
    await connection.execute(f"DROP TABLE credit_ledger_p{today - timedelta(days=1):%Y%m%d}")
    await connection.execute(f"DROP TABLE credit_ledger_p{today - timedelta(days=2):%Y%m%d}")
    assert (await look(connection, "org_a"))[0].faults == 1
    await connection.execute("UPDATE account SET created_at = created_at - interval '9 days'")
    verified, found = await look(connection)
    assert (verified.faults, verified.detached) == (0, 2)


async def test_beside_booking__sees_no_fault(database_url: str, connection: Connection) -> None:
    """Pages are snapshots: an entry that comes between two of them is no fault."""
    made = books()
    await write(connection, made)
    stop = asyncio.Event()

    async def go_on() -> None:
        async with connected(database_url) as booking:
            while not stop.is_set():
                row = made.enter(-1)
                async with booking.transaction():
                    await booking.copy_records_to_table(
                        "credit_ledger",
                        records=[tuple(row[name] for name in COLUMNS)],
                        columns=COLUMNS,
                    )
                    await booking.execute(
                        "UPDATE account SET posted = $1, entry_no = $2, chain = $3",
                        *(made.balance, row["entry_no"], made.chain),
                    )

    task = asyncio.create_task(go_on())
    seen = set()
    async with asyncio.timeout(30):
        while len(seen) < 8:
            for organization_id in (None, "org_a"):
                verified, found = await look(connection, organization_id, page_rows=50)
                assert found == []
                seen.add(verified.entries)
    stop.set()
    await task


async def test_unknown_organization__is_told(connection: Connection) -> None:
    with pytest.raises(UnknownOrganization, match="org_nobody"):
        await look(connection, "org_nobody")
    verified, _ = await look(connection)
    assert verified.organizations == 0
