"""What PostgreSQL says to a loader: when, to whom, under which epoch, and what."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from gate.domain.accounts import AccountState, ComingPeriod, Grant, Terms
from gate.domain.errors import ContractError
from gate.ledger.accounts import CreditsLeft, fit_grants, load_account, load_accounts
from gate.ledger.pool import connected
from tests.support.booked import TERMS, move_cursor, put_account, put_grants

if TYPE_CHECKING:
    from gate.domain.accounts import GrantKind
    from gate.ledger.accounts import Loadable
    from gate.ledger.connection import Connection

NOW = datetime(2031, 5, 1, 12, 0, 0, 1000, tzinfo=UTC)
START = "0-0"


async def load(connection: Connection, organization_id: str = "org_a", **how: Any) -> Loadable:
    return await load_account(connection, organization_id, START, **how)


async def epochs(connection: Connection) -> list[int]:
    rows = await connection.fetch("SELECT allotted_epoch FROM account ORDER BY organization_id")
    return [row["allotted_epoch"] for row in rows]


# -- what comes out


async def test_account__comes_out_as_it_is_booked(visitor: Connection) -> None:
    booked = AccountState(
        "org_a",
        rate_per_second=5,
        burst=9,
        overage_limit=50,
        warn_at=(50, 90),
        config_version=7,
        status="past_due",
        grace_until=NOW,
        grants=(
            Grant(kind="purchased", credits=30, expires_at=NOW),
            Grant(kind="base", credits=40),
        ),
        overage=10,
        debt=7,
        used=66,
        warned_percent=50,
        allowance=120,
        period_no=3,
        starts_at=NOW - timedelta(1),
        ends_at=NOW + timedelta(30),
        coming=(
            ComingPeriod(period_no=4, ends_at=NOW + timedelta(60), allowance=70, terms=TERMS),
            ComingPeriod(period_no=5, ends_at=NOW + timedelta(60), allowance=0, status="cancelled"),
        ),
        epoch=6,
        seq=41,
    )
    columns = {
        name: getattr(booked, name)
        for name in AccountState.__dataclass_fields__
        if name not in (*Terms.__dataclass_fields__, "organization_id", "grants")
    }
    terms = Terms(**{name: getattr(booked, name) for name in Terms.__dataclass_fields__})
    grants = [("base", 40, None), ("purchased", 30, NOW), ("rollover", 0, None)]
    await put_account(visitor, partition=3, posted=53, terms=terms, grants=grants, **columns)
    assert await load(visitor) == ("ready", 3, replace(booked, epoch=7))
    assert await load_accounts(visitor, 3, START, ["org_a"]) == [replace(booked, epoch=8)]


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "frozen", "frozen_reason": "debt"},
        {"status": "frozen", "frozen_reason": "repair", "repair_state": "stopped"},
        {"status": "paused"},
    ],
)
async def test_account_that_admits_nothing__is_loaded_like_others(
    visitor: Connection, columns: dict[str, str]
) -> None:
    await put_account(visitor, **columns)
    state = (await load(visitor)).state
    assert state
    assert (state.status, state.frozen_reason) == (
        columns["status"],
        columns.get("frozen_reason"),
    )


async def test_epoch__is_above_all_that_were_shown_or_allotted(visitor: Connection) -> None:
    await put_account(visitor, epoch=5, allotted_epoch=2)
    assert [(await load(visitor, repairing=True)).state.epoch for _ in range(3)] == [6, 7, 8]  # type: ignore[union-attr]
    await visitor.execute("UPDATE account SET epoch = 20")
    [state] = await load_accounts(visitor, 0, START, ["org_a"])
    assert state.epoch == 21


# -- when


@pytest.mark.parametrize(
    ("cursor", "journal_end", "answer"),
    [
        (None, "0-0", "ready"),
        (None, "0-1", "behind"),
        ("", "0-0", "ready"),
        ("", "1-0", "behind"),
        ("1700000000000-5", "1700000000000-5", "ready"),
        ("1700000000000-10", "1700000000000-9", "ready"),
        ("1700000000000-9", "1700000000000-10", "behind"),
        ("999-7", "1700000000000-0", "behind"),
        ("1700000000000-0", "999-7", "ready"),
        ("18446744073709551615-18446744073709551615", "18446744073709551615-0", "ready"),
        ("5-5", "", "behind"),
    ],
)
async def test_cursor__must_have_reached_the_journals_end(
    visitor: Connection, cursor: str | None, journal_end: str, answer: str
) -> None:
    await put_account(visitor)
    if cursor is not None:
        await move_cursor(visitor, 0, cursor)
    await move_cursor(visitor, 1, "18446744073709551615-0")
    found = await load_account(visitor, "org_a", journal_end)
    assert (found.answer, found.partition) == (answer, 0)
    assert (found.state is None) == (answer != "ready")
    assert await epochs(visitor) == [int(answer == "ready")]
    states = await load_accounts(visitor, 0, journal_end, ["org_a"])
    assert len(states) == (answer == "ready")


async def test_end_that_is_no_id__is_no_reason_to_try_again(visitor: Connection) -> None:
    await put_account(visitor)
    with pytest.raises(ContractError):
        await load_account(visitor, "org_a", "last")


async def test_unknown_organization__is_told_whatever_the_cursor_is(visitor: Connection) -> None:
    assert await load_account(visitor, "org_a", "5-0") == ("unknown", None, None)


async def test_claim__keeps_others_away_for_two_seconds(visitor: Connection) -> None:
    await put_account(visitor)
    assert (await load(visitor)).answer == "ready"
    assert await load(visitor) == ("claimed", 0, None)
    assert await epochs(visitor) == [1]
    until = "SELECT claimed_until - clock_timestamp() FROM account"
    assert timedelta(seconds=1) < await visitor.fetchval(until) <= timedelta(seconds=2)
    await visitor.execute("UPDATE account SET claimed_until = clock_timestamp()")
    assert (await load(visitor)).answer == "ready"
    assert (await load(visitor, repairing=True)).answer == "ready"
    assert (await load(visitor)).answer == "claimed"


async def test_claim_of_a_clock_that_was_set_back__counts_for_nothing(visitor: Connection) -> None:
    await put_account(visitor, claimed_until=datetime.now(UTC) + timedelta(hours=1))
    assert (await load(visitor)).answer == "ready"


async def test_account_in_repair__is_left_to_who_repairs(visitor: Connection) -> None:
    await put_account(visitor, repair_state="reloading")
    assert await load(visitor) == ("behind", 0, None)
    assert await epochs(visitor) == [0]
    assert (await load(visitor, repairing=True)).answer == "ready"
    assert len(await load_accounts(visitor, 0, START, ["org_a"])) == 1


# -- at the same time


async def waiting(watcher: Connection, query: str) -> None:
    """Returns when a statement that contains `query` waits for a lock."""
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database() AND query LIKE '%' || $1 || '%'"
    )
    async with asyncio.timeout(30):
        while not await watcher.fetchval(count, query):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("function", ["load_account", "load_accounts"])
async def test_booking_under_way__is_waited_for_and_read_whole(
    connection: Connection, database_url: str, function: str
) -> None:
    """Row and grants are those of one booking, though both were written after the call began."""
    await put_account(connection, seq=1, grants=[("base", 10, None)])
    async with connected(database_url) as booking, connected(database_url) as loading:
        async with booking.transaction():
            await booking.execute("UPDATE account SET seq = 2, overage = 5")
            await booking.execute("DELETE FROM account_grant")
            await put_grants(booking, "org_a", [("purchased", 20, None)])
            task = asyncio.create_task(
                load(loading)
                if function == "load_account"
                else load_accounts(loading, 0, START, ["org_a"])  # type: ignore[arg-type]
            )
            await waiting(connection, function)
        answer = await task
    state = answer.state if function == "load_account" else answer[0]
    assert isinstance(state, AccountState)
    assert (state.seq, state.overage) == (2, 5)
    assert state.grants == (Grant(kind="purchased", credits=20),)


async def test_booking_that_comes_later__waits_for_the_loader(
    connection: Connection, database_url: str
) -> None:
    """Between the row and the grants of a load nobody books."""
    await put_account(connection)
    async with connected(database_url) as booking, connected(database_url) as loading:
        async with loading.transaction():
            assert (await load(loading)).answer == "ready"
            task = asyncio.create_task(booking.execute("UPDATE account SET seq = 9"))
            await waiting(connection, "seq = 9")
        await task
    assert await connection.fetchval("SELECT seq + allotted_epoch FROM account") == 10


async def test_two_loaders__the_second_waits_and_finds_it_claimed(
    connection: Connection, database_url: str
) -> None:
    await put_account(connection)
    async with connected(database_url) as one, connected(database_url) as other:
        async with one.transaction():
            assert (await load(one)).answer == "ready"
            task = asyncio.create_task(load(other))
            await waiting(connection, "load_account")
        assert (await task).answer == "claimed"
    assert await epochs(connection) == [1]


async def test_fork_between_cursor_and_row__is_seen(
    connection: Connection, database_url: str
) -> None:
    """The cursor goes back and the account is marked, after the cursor was found far enough."""
    await put_account(connection)
    await move_cursor(connection, 0, "5-0")
    async with connected(database_url) as booking, connected(database_url) as loading:
        async with booking.transaction():
            await booking.execute("UPDATE journal_cursor SET entry_id = ''")
            await booking.execute("UPDATE account SET repair_state = 'reloading'")
            task = asyncio.create_task(load_account(loading, "org_a", "5-0"))
            await waiting(connection, "load_account")
        assert (await task).answer == "claimed"
    assert await epochs(connection) == [0]


async def test_many_loaders_at_once__no_two_get_one_epoch(
    connection: Connection, database_url: str
) -> None:
    names = [f"org_{number}" for number in range(20)]
    for name in names:
        await put_account(connection, name)
    seen: list[tuple[str, int]] = []

    async def rebuild(order: int) -> None:
        async with connected(database_url) as own:
            for _ in range(5):
                states = await load_accounts(own, 0, START, names[::order])
                seen.extend((state.organization_id, state.epoch) for state in states)

    await asyncio.gather(*(rebuild(order) for order in (1, -1, 1, -1)))
    assert len(seen) == len(set(seen)) == 400
    assert await epochs(connection) == [20] * 20


# -- many


async def test_many__those_that_are_there_in_that_partition(visitor: Connection) -> None:
    await put_account(visitor, "org_a", partition=2, seq=1)
    await put_account(visitor, "org_b", partition=2, seq=2, grants=[])
    await put_account(visitor, "org_elsewhere", partition=3)
    await put_account(visitor, "org_left_alone", partition=2)
    names = ["org_b", "org_a", "org_elsewhere", "org_unknown", "org_a"]
    states = await load_accounts(visitor, 2, START, names)
    assert sorted((state.organization_id, state.seq, state.epoch) for state in states) == [
        ("org_a", 1, 1),
        ("org_b", 2, 1),
    ]
    assert await epochs(visitor) == [1, 1, 0, 0]
    rows = await visitor.fetch(
        "SELECT organization_id, answer FROM load_accounts(2::smallint, '0-0', $1)", names
    )
    assert sorted(map(tuple, rows)) == [  # type: ignore[arg-type]
        ("org_a", "ready"),
        ("org_b", "ready"),
        ("org_elsewhere", "unknown"),
        ("org_unknown", "unknown"),
    ]
    rows = await visitor.fetch("SELECT answer FROM load_accounts(2::smallint, '1-0', $1)", names)
    assert [row["answer"] for row in rows] == ["behind"] * 4
    assert await load_accounts(visitor, 2, START, []) == []


# -- what no account can be


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"used": -1}, "used = -1"),
        ({"overage": -5}, "overage = -5"),
        ({"debt": 2**53}, "debt"),
        ({"period_no": 0}, "period_no = 0"),
        ({"terms": {}}, "rate_per_second"),
        ({"terms": {"rate_per_second": 0}}, "rate_per_second"),
        ({"coming": [{"period_no": 1, "ends_at": None, "allowance": 1}]}, "coming"),
        ({"coming": {}}, "array"),
        ({"epoch": 2**32 - 1}, "epoch"),
        ({"grants": [("base", 2**52, None), ("purchased", 1, None)]}, "grants"),
    ],
)
async def test_row_that_no_account_can_be__names_the_organization(
    visitor: Connection, columns: dict[str, Any], words: str
) -> None:
    await put_account(visitor, **columns)
    await put_account(visitor, "org_sound")
    with pytest.raises(ContractError, match=f"the account of org_a .*{words}"):
        await load(visitor)
    names = ["org_a", "org_sound"]
    with pytest.raises(ContractError, match="org_a"):
        await load_accounts(visitor, 0, START, names)
    refused: list[ContractError] = []
    states = await load_accounts(visitor, 0, START, names, refused=refused.append)
    assert [state.organization_id for state in states] == ["org_sound"]
    assert len(refused) == 1


def left(*rows: tuple[GrantKind, int, int | None]) -> list[CreditsLeft]:
    """Grants by kind, credits and days until they expire."""
    return [
        CreditsLeft(kind=k, credits=c, expires_at=None if d is None else NOW + timedelta(d))
        for k, c, d in rows
    ]


@pytest.mark.parametrize(
    ("rows", "kept", "debt"),
    [
        ([], [], 0),
        ([("base", 0, None)], [], 0),
        ([("base", 5, None), ("base", 6, 1)], [("base", 6, 1), ("base", 5, None)], 0),
        ([("base", -5, None), ("purchased", 8, 9)], [("purchased", 3, 9)], 0),
        (
            [("base", -5, None), ("purchased", 4, 9), ("purchased", 4, 8)],
            [("purchased", 3, 9)],
            0,
        ),
        ([("base", -5, None), ("purchased", 4, 9)], [], 1),
        ([("base", -5, None), ("rollover", -1, None)], [], 6),
    ],
)
def test_grants__below_0_are_taken_from_the_others_and_posted_stays(
    rows: list[Any], kept: list[Any], debt: int
) -> None:
    grants, owed = fit_grants(left(*rows))
    assert owed == debt
    assert list(grants) == [
        Grant(kind=one.kind, credits=one.credits, expires_at=one.expires_at) for one in left(*kept)
    ]
    assert sum(one.credits for one in grants) - owed == sum(credits for _, credits, _ in rows)


def test_more_than_16_grants__the_nearest_of_a_kind_become_one_with_the_later_expiry() -> None:
    purchased = [("purchased", 10, 10 * number) for number in range(1, 15)]
    rows: list[Any] = [*purchased, ("purchased", 1, 104), ("base", 3, 105), ("base", 4, None)]
    grants, owed = fit_grants(left(*rows))
    assert (len(grants), owed) == (16, 0)
    found = {(one.expires_at - NOW).days: one.credits for one in grants if one.expires_at}
    assert found == {day: 10 for _, _, day in purchased if day != 100} | {104: 11, 105: 3}


# -- who


async def test_sender__may_call_one_function_and_nothing_else(visitor: Connection) -> None:
    schema = "current_schema()::regnamespace"
    functions = await visitor.fetch(
        f"SELECT proname FROM pg_proc WHERE pronamespace = {schema}"
        " AND prorettype <> 'trigger'::regtype"
        " AND has_function_privilege('gate_sender', oid, 'EXECUTE')"
    )
    assert [row["proname"] for row in functions] == ["load_account"]
    tables = await visitor.fetch(
        f"SELECT relname FROM pg_class WHERE relnamespace = {schema} AND relkind IN ('r', 'p', 'v')"
        " AND (has_table_privilege('gate_sender', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"
        " OR has_any_column_privilege('gate_sender', oid, 'SELECT, INSERT, UPDATE'))"
    )
    assert not tables
    await put_account(visitor)
    await visitor.execute("SET ROLE gate_sender")
    assert (await load(visitor)).answer == "ready"


@pytest.mark.parametrize("role", ["gate_sender", "gate_api"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT load_account('org_a', '0-0', true)",
        "SELECT load_accounts(0::smallint, '0-0', '{org_a}')",
    ],
)
async def test_who_does_not_book__does_not_repair(
    visitor: Connection, role: str, statement: str
) -> None:
    await put_account(visitor)
    await visitor.execute(f"SET ROLE {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await visitor.execute(statement)


async def test_reconciler_and_api__may_load(visitor: Connection) -> None:
    await put_account(visitor)
    await visitor.execute("SET ROLE gate_reconciler")
    assert (await load(visitor, repairing=True)).answer == "ready"
    assert len(await load_accounts(visitor, 0, START, ["org_a"])) == 1
    await visitor.execute("SET ROLE gate_api")
    assert (await load(visitor)).answer == "claimed"
