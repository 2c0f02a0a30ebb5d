"""What booking reads: cursors, images, and what the ledger knows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.errors import Unavailable
from gate.domain.limits import NEVER_MS
from gate.domain.operations import CreditChange, OperationContent
from gate.ledger.errors import ledger_errors
from gate.ledger.pool import connected
from reconciler.batch import Known, operation_fact, settlement_fact
from reconciler.image import DAY_MS, Image
from reconciler.reading import Cursor, lock_cursors, read_cursors, read_images, read_known

if TYPE_CHECKING:
    from gate.ledger.connection import Connection
    from tests.reconciler.conftest import AddAccount

AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)
AT_MS = 1_772_368_215_250
START = Cursor("", b"", 0)
NOW = datetime.now(UTC)


# -- cursors


async def test_lock_cursors__gives_one_to_a_partition_without(visitor: Connection) -> None:
    await visitor.execute("INSERT INTO journal_cursor VALUES (5, '7-1', '\\x01', 3)")
    assert await read_cursors(visitor, [2, 5]) == {5: Cursor("7-1", b"\x01", 3)}
    assert await lock_cursors(visitor, [5, 2]) == {2: START, 5: Cursor("7-1", b"\x01", 3)}
    assert await read_cursors(visitor, [2, 4]) == {2: START}


@pytest.mark.parametrize("is_there", [False, True])
async def test_lock_cursors__holds_up_whoever_does_the_same(
    connection: Connection, database_url: str, is_there: bool
) -> None:
    if is_there:
        await lock_cursors(connection, [1])
    async with connected(database_url) as other:
        await other.execute("SET lock_timeout = '50ms'")
        async with connection.transaction():
            await lock_cursors(connection, [1])
            with pytest.raises(Unavailable, match="busy"), ledger_errors():
                await lock_cursors(other, [1])
        async with other.transaction():
            assert await lock_cursors(other, [1]) == {1: START}


async def test_lock_cursors__sees_what_the_one_before_has_booked(
    connection: Connection, database_url: str
) -> None:
    async with connected(database_url) as other:

        async def lock_after() -> dict[int, Cursor]:
            async with other.transaction():
                return await lock_cursors(other, [1])

        async with connection.transaction():
            await lock_cursors(connection, [1])
            waiting = asyncio.create_task(lock_after())
            while not await connection.fetchval(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
            ):
                pass
            await connection.execute("UPDATE journal_cursor SET entry_id = '9-9', deltas = 1")
        assert await waiting == {1: Cursor("9-9", b"", 1)}


# -- images


async def test_read_images__gives_everything_that_an_account_says(
    visitor: Connection, add_account: AddAccount
) -> None:
    terms = Terms(rate_per_second=50, overage_limit=100, warn_at=(50, 90), config_version=7)
    coming = (ComingPeriod(period_no=5, ends_at=AT, allowance=9, status="cancelled", terms=terms),)
    numbers = {"epoch": 2, "seq": 11, "posted": 94, "held": 5, "overage": 1, "debt": 2, "used": 40}
    numbers |= {"warned_percent": 80, "allowance": 1000, "period_no": 4, "entry_no": 9}
    words = {"status": "frozen", "frozen_reason": "debt", "repair_state": "reloading"}
    await add_account(
        **numbers,
        **words,
        repair_reason="gap",
        grace_until=AT,
        starts_at=AT - timedelta(days=9),
        ends_at=AT + timedelta(days=9),
        terms=terms,
        coming=coming,
        chain=b"\x05" * 32,
        look_up_until=AT + timedelta(milliseconds=1),
        sends_until=AT + timedelta(milliseconds=2),
        last_delta_at=AT,
        loaded_at=AT - timedelta(seconds=1),
    )
    await visitor.execute(
        "INSERT INTO account_grant VALUES ('org_a', 'base', 'infinity', NULL, 90),"
        " ('org_a', 'purchased', '2026-03-01', $1, 7)",
        AT,
    )
    images = await read_images(visitor, ["org_a", "org_unknown"])
    assert images == {
        "org_a": Image(
            organization_id="org_a",
            partition=3,
            subscription_id="sub_org_a",
            **numbers,  # type: ignore[arg-type]
            **words,  # type: ignore[arg-type]
            repair_reason="gap",
            grace_until=AT,
            starts_at=AT - timedelta(days=9),
            ends_at=AT + timedelta(days=9),
            terms=terms,
            coming=coming,
            chain=b"\x05" * 32,
            look_up_until_ms=AT_MS + 1,
            sends_until_ms=AT_MS + 2,
            last_delta_ms=AT_MS,
            loaded_ms=AT_MS - 1000,
            grants={
                ("base", NEVER_MS // DAY_MS): (90, NEVER_MS),
                ("purchased", AT_MS // DAY_MS): (7, AT_MS),
            },
        )
    }


async def test_read_images__of_an_account_that_was_never_loaded(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    image = (await read_images(visitor, ["org_a"]))["org_a"]
    assert (image.epoch, image.entry_no, image.chain, image.coming) == (0, 0, b"", ())
    assert (image.ends_at, image.last_delta_ms, image.loaded_ms) == (None, 0, 0)
    assert (image.look_up_until_ms, image.sends_until_ms, image.grants) == (0, 0, {})


@pytest.mark.parametrize(
    ("status", "others", "expected"),
    [
        ("active", ["cancelled"], "sub_org_a"),
        ("cancelled", ["active", "cancelled"], "sub_1"),
        ("cancelled", ["cancelled", "cancelled"], "sub_2"),
        (None, [], None),
    ],
)
async def test_read_images__names_the_subscription(
    visitor: Connection,
    add_account: AddAccount,
    status: str | None,
    others: list[str],
    expected: str | None,
) -> None:
    await add_account()
    if status is None:
        await visitor.execute("DELETE FROM subscription")
    else:
        await visitor.execute("UPDATE subscription SET status = $1", status)
    await visitor.executemany(
        "INSERT INTO subscription (id, organization_id, plan_id, current_period_start, status,"
        " created_at) VALUES ('sub_' || $1::int, 'org_a', 'pln_a', now(), $2,"
        " now() + make_interval(days => $1))",
        list(enumerate(others, start=1)),
    )
    assert (await read_images(visitor, ["org_a"]))["org_a"].subscription_id == expected


async def test_read_images__leaves_out_what_cannot_be_read(
    visitor: Connection, add_account: AddAccount
) -> None:
    """One broken row must not hold up a partition."""
    await add_account("org_a", terms={"rate_per_second": -1})
    await add_account("org_b", coming=[{"period_no": "five"}])
    await add_account("org_c")
    await visitor.execute(
        "INSERT INTO account_grant SELECT organization_id, 'base', 'infinity', NULL, 1 FROM account"
    )
    assert list(await read_images(visitor, ["org_a", "org_b", "org_c"])) == ["org_c"]


# -- what the ledger knows


async def book(
    connection: Connection,
    seq: int,
    *,
    settlement: tuple[str, int] | None = None,
    operation: str | None = None,
    reference: str | None = None,
    entries: int = 1,
    organization_id: str = "org_a",
    booked_at: datetime = NOW,
) -> None:
    """Entries of one delta."""
    settlement_id, part = settlement or (None, None)
    entry = (organization_id, settlement_id, part, operation, reference, NOW, booked_at, seq)
    await connection.executemany(
        "INSERT INTO credit_ledger (id, organization_id, settlement_id, part, operation_id,"
        " reference_id, created_at, booked_at, seq, epoch, entry_no, entry_type, delta,"
        " balance_after, delta_kind, chain)"
        " VALUES ('cld', $1, $2, $3, $4, $5, $6, $7, $8, 1, 1, 'refund', 1, 1, 'x', '')",
        [entry] * entries,
    )


class Counted:
    """A connection that counts what it is asked."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.queries = 0

    async def fetch(self, query: str, *args: object) -> Any:
        """As the connection's."""
        self.queries += 1
        return await self._connection.fetch(query, *args)


@pytest.mark.parametrize("others", [0, 2, 5])
async def test_known_settlements__are_counted_by_delta_and_part(
    visitor: Connection, others: int
) -> None:
    """Few and many of one organization are found in different ways."""
    await book(visitor, 1, settlement=("hld_1", 0), entries=2)
    await book(visitor, 2, settlement=("hld_1", 0))
    await book(visitor, 3, settlement=("hld_1", 2))
    await book(visitor, 4, settlement=("hld_2", 0), organization_id="org_b")
    await book(visitor, 5, settlement=("hld_3", 0), booked_at=NOW - timedelta(days=36))
    await book(visitor, 6, settlement=("hld:4", 0), booked_at=NOW - timedelta(days=34))
    asked = [("org_a", id, 0) for id in ("hld_1", "hld_2", "hld_3", "hld:4", "hld_5")]
    more = [("org_a", f"hld_more_{number}", 0) for number in range(others)]
    known = await read_known(visitor, [*asked, *more, ("org_a", "hld_1", 2)], [])
    assert known.standing == {
        ("org_a", settlement_fact("hld_1", 0)): 2,
        ("org_a", settlement_fact("hld_1", 2)): 1,
        ("org_a", settlement_fact("hld:4", 0)): 1,
    }
    assert known.operations == {}
    assert known.reverses == {}


async def test_known__asks_once_where_only_settlements_are_new(visitor: Connection) -> None:
    counted: Any = Counted(visitor)
    assert await read_known(counted, [], []) == Known()
    assert counted.queries == 0
    assert await read_known(counted, [("org_a", "hld_1", 0)] * 2, []) == Known()
    assert counted.queries == 1


async def test_known_operations__come_with_their_content(
    visitor: Connection, add_account: AddAccount
) -> None:
    await add_account()
    change = CreditChange(entry="refund", source="purchased", credits=5, expires_at=AT)
    content = OperationContent(changes=(change,), ends_at=AT)
    await visitor.executemany(
        "INSERT INTO operation (organization_id, id, kind, period_no, content, reference, status)"
        " VALUES ('org_a', $1, 'refund', 4, $2, 'evt_1', 'applied')",
        [("opn_1", content), ("opn_2", {"changes": "many"}), ("opn_3", {})],
    )
    await book(visitor, 3, operation="opn_1", entries=2)
    asked = [("org_a", f"opn_{number}", "") for number in (1, 2, 4)]
    known = await read_known(visitor, [], asked)
    assert list(known.operations) == [("org_a", "opn_1")]
    operation, status = known.operations["org_a", "opn_1"]
    assert (operation.content, operation.period_no, status) == (content, 4, "applied")
    assert (operation.kind, operation.reference, operation.reason) == ("refund", "evt_1", None)
    assert known.standing == {("org_a", operation_fact("opn_1")): 1}


async def test_known__reversals_count_against_what_they_reverse(visitor: Connection) -> None:
    """Asked for a reversal, what it is to reverse is told too, up to the first fact."""
    settled = settlement_fact("hld_1", 0)
    first, second, third = (operation_fact(f"rev_{number}") for number in (1, 2, 3))
    await book(visitor, 1, settlement=("hld_1", 0))
    await book(visitor, 2, settlement=("hld_1", 0))
    await book(visitor, 3, operation="rev_1", reference=settled, entries=2)
    await book(visitor, 3, operation="rev_1", reference=settled, organization_id="org_b")
    await book(visitor, 4, operation="opn_1", reference=settled)
    known = await read_known(visitor, [("org_a", "hld_1", 0)], [])
    assert known.standing == {("org_a", settled): 1}

    await book(visitor, 5, operation="rev_2", reference=first)
    known = await read_known(visitor, [("org_a", "hld_1", 0)], [])
    assert known.standing == {("org_a", settled): 2}

    known = await read_known(visitor, [], [("org_a", "rev_3", second)])
    assert known.standing == {("org_a", settled): 2, ("org_a", first): 0, ("org_a", second): 1}
    assert known.reverses == {("org_a", second): first, ("org_a", first): settled}

    await book(visitor, 6, operation="rev_3", reference=second)
    await book(visitor, 7, operation="rev_3", reference=second)
    known = await read_known(visitor, [], [("org_a", "rev_3", second)])
    assert known.standing["org_a", third] == 2
    assert known.standing["org_a", second] == -1
    assert known.standing["org_a", first] == 2
    assert known.standing["org_a", settled] == 0


async def test_known__ends_where_reversals_make_no_sense(visitor: Connection) -> None:
    await book(visitor, 1, operation="rev_1", reference=operation_fact("rev_2"))
    await book(visitor, 2, operation="rev_2", reference=operation_fact("rev_1"))
    await book(visitor, 3, operation="rev_3", reference="nonsense")
    await book(visitor, 4, operation="rev_4")
    asked = [
        ("org_a", "rev_1", operation_fact("rev_2")),
        ("org_a", "rev_3", "nonsense"),
        ("org_a", "rev_4", ""),
        ("org_a", "rev_5", "settlement:99999999999:x"),
    ]
    known = await read_known(visitor, [], asked)
    assert {fact for _, fact in known.standing} == {
        operation_fact(f"rev_{number}") for number in (1, 2, 3, 4)
    }
