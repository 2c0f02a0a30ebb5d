"""Accounts that are not in Redis come from PostgreSQL: once, and from no ledger that is behind."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from gate import (
    ComingPeriod,
    Committed,
    ContractError,
    Gate,
    Insufficient,
    Loaded,
    NotLoaded,
    Present,
    Terms,
    Unavailable,
)
from gate.hot.journal_stream import last_entry_id
from gate.ledger.accounts import load_account
from tests.hot.proxy import Proxy
from tests.support.accounts import account
from tests.support.booked import move_cursor, put_account
from tests.support.watch import journal_of, look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gate.client.gate import Connecting
    from gate.ledger.connection import Connection

NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = timedelta(seconds=1)


@pytest.fixture
def sender_url(database_url: str) -> str:
    """The database as a sender sees it: one function, and nothing else."""
    return f"{database_url}?role=gate_sender"


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """The same Redis, by another client; what it has run so far is forgotten."""
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as store:
        await store.config_resetstat()
        yield store


def connect(redis_url: str, database_url: str, **how: Any) -> Connecting:
    """A gate on one partition, so that all organizations share a journal, and in no hurry."""
    how = {"load_timeout_ms": 30_000, **how}
    return Gate.connect(redis_url, database_url=database_url, partitions=1, **how)


async def polled(store: redis.asyncio.Redis) -> None:
    """Returns when the loader has asked PostgreSQL once, and begins anew. It looks for the account
    and for its journal each time, and the gate looks for its own key when it starts."""
    async with asyncio.timeout(30):
        while (await store.info("commandstats")).get("cmdstat_exists", {"calls": 0})["calls"] < 4:
            pass


async def journal_end(gate: Gate) -> str:
    return await last_entry_id(gate.caller.transport, gate.caller.keys_of("org_a").journal)


# -- what is loaded


async def test_account__is_in_redis_as_it_is_in_postgresql(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    terms = Terms(rate_per_second=5, burst=9, overage_limit=50, rate_per_hour=900, config_version=7)
    coming = [
        ComingPeriod(period_no=4, ends_at=NOW + timedelta(60), allowance=70, terms=terms),
        ComingPeriod(period_no=5, ends_at=NOW + timedelta(60), allowance=0, status="cancelled"),
    ]
    pack_expires = NOW + timedelta(9)
    columns: dict[str, Any] = {"epoch": 6, "seq": 41, "overage": 10, "debt": 7, "used": 66}
    columns |= {"warned_percent": 80, "allowance": 120, "status": "past_due", "period_no": 3}
    columns |= {"grace_until": NOW + timedelta(3), "starts_at": NOW - timedelta(1)}
    await put_account(
        connection,
        grants=[("base", 40, None), ("purchased", 30, pack_expires)],
        terms=terms,
        coming=coming,
        ends_at=NOW + timedelta(30),
        **columns,
    )
    async with connect(redis_url, sender_url) as gate:
        assert isinstance(await gate.spend("org_a"), Insufficient)
        seen = await look(gate)
        [loaded] = await journal_of(gate)
    assert (loaded.kind, loaded.epoch, loaded.seq, loaded.posted) == ("loaded", 7, 42, 53)
    assert (seen.epoch, seen.seq, seen.posted, seen.held) == (7, 42, 53, 0)
    assert (seen.overage, seen.debt, seen.used, seen.warned_percent) == (10, 7, 66, 80)
    assert (seen.status, seen.period_no, seen.warn_basis) == ("past_due", 3, 120)
    assert (seen.rate_per_second, seen.burst, seen.rate_per_hour) == (5, 9, 900)
    assert (seen.overage_limit, seen.config_version) == (50, 7)
    instants = (seen.started_at_ms, seen.ends_at_ms, seen.grace_until_ms)
    assert instants == tuple((NOW + timedelta(days)).timestamp() * 1000 for days in (-1, 30, 3))
    assert seen.grants == (("purchased", 30, pack_expires), ("base", 40, None))
    assert seen.coming == (
        (4, NOW + timedelta(60), 70, None, 7),
        (5, NOW + timedelta(60), 0, "cancelled", None),
    )


async def test_unknown_organization__is_not_loaded_and_asked_for_again(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    async with connect(redis_url, sender_url) as gate:
        assert await gate.spend("org_a") == NotLoaded("org_a")
        await put_account(connection)
        assert isinstance(await gate.spend("org_a"), Committed)


async def test_two_gates_at_once__load_one(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    await put_account(connection, seq=5)
    async with connect(redis_url, sender_url) as one, connect(redis_url, sender_url) as other:
        answers = await asyncio.gather(
            *(gate.spend("org_a") for gate in (one, other) for _ in range(50))
        )
        assert all(isinstance(answer, Committed) for answer in answers)
        kinds = [delta.kind for delta in await journal_of(one)]
    assert kinds == ["loaded"] + ["spent"] * 100
    assert await connection.fetchval("SELECT allotted_epoch FROM account") == 1


async def test_loader_that_was_paused__does_not_replace_what_came_later(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    """Read, paused; meanwhile another loads, more is booked, it is lost and loaded anew."""
    await put_account(connection)
    old = (await load_account(connection, "org_a", "0-0")).state
    assert old
    await connection.execute("UPDATE account SET seq = 7, claimed_until = NULL")
    async with connect(redis_url, sender_url) as gate:
        assert isinstance(await gate.spend("org_a"), Committed)
        before = await look(gate)
        assert (before.epoch, before.seq) == (2, 9)
        assert await gate.load(old) == Present("org_a", 2, 9)
        assert await look(gate) == before


# -- when


async def test_ledger_that_is_behind__is_waited_for(
    redis_url: str, sender_url: str, connection: Connection, store: redis.asyncio.Redis
) -> None:
    await put_account(connection)
    async with connect(redis_url, sender_url) as gate:
        assert isinstance(await gate.load(account("org_b")), Loaded)
        calls = [asyncio.create_task(gate.spend("org_a")) for _ in range(9)]
        await polled(store)
        assert not any(call.done() for call in calls)
        await connection.execute("UPDATE account SET seq = 3")
        await move_cursor(connection, 0, await journal_end(gate))
        assert all(isinstance(answer, Committed) for answer in await asyncio.gather(*calls))
        assert (await look(gate)).seq == 3 + 1 + 9


async def test_traffic_of_others__does_not_put_the_load_off(
    redis_url: str, sender_url: str, connection: Connection, store: redis.asyncio.Redis
) -> None:
    """A ledger that follows a busy journal never stands at its end."""
    await put_account(connection)
    async with connect(redis_url, sender_url) as gate:
        await gate.load(account("org_b"))
        end = await journal_end(gate)
        call = asyncio.create_task(gate.spend("org_a"))
        await polled(store)
        await gate.spend("org_b")
        await move_cursor(connection, 0, end)
        assert isinstance(await call, Committed)


async def test_journal_that_lost_its_end__is_not_waited_for(
    redis_url: str, sender_url: str, connection: Connection, store: redis.asyncio.Redis
) -> None:
    await put_account(connection)
    async with connect(redis_url, sender_url) as gate:
        await gate.load(account("org_b"))
        call = asyncio.create_task(gate.spend("org_a"))
        await polled(store)
        await store.delete(gate.caller.keys_of("org_a").journal)
        assert isinstance(await call, Committed)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "the ledger has not booked yet"),
        ({"repair_state": "reloading"}, "in repair"),
        ({"claimed_until": 2 * SECOND}, "another loader has claimed it"),
    ],
)
async def test_time_is_up__is_unavailable_with_its_reason(
    redis_url: str, sender_url: str, connection: Connection, columns: dict[str, Any], words: str
) -> None:
    if "claimed_until" in columns:
        columns = {"claimed_until": datetime.now(UTC) + columns["claimed_until"]}
    await put_account(connection, **columns)
    async with connect(redis_url, sender_url, load_timeout_ms=150) as gate:
        if not columns:
            await gate.load(account("org_b"))
        with pytest.raises(Unavailable, match=words) as caught:
            await gate.spend("org_a")
        assert caught.value.reason == "loading"
        assert "org_a" in str(caught.value)
        assert "150 ms" in str(caught.value)
        await connection.execute("UPDATE account SET claimed_until = NULL, repair_state = 'ok'")
        await move_cursor(connection, 0, await journal_end(gate))
        assert isinstance(await gate.spend("org_a"), Committed)


async def test_claimed_by_another__who_waits_finds_what_that_loads(
    redis_url: str, sender_url: str, connection: Connection, store: redis.asyncio.Redis
) -> None:
    await put_account(connection)
    other = (await load_account(connection, "org_a", "0-0")).state
    assert other
    async with connect(redis_url, sender_url) as gate:
        call = asyncio.create_task(gate.spend("org_a"))
        await polled(store)
        await gate.load(other)
        assert isinstance(await call, Committed)
        assert (await look(gate)).epoch == 1
    assert await connection.fetchval("SELECT allotted_epoch FROM account") == 1


async def test_claim_of_a_loader_that_died__passes(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    await put_account(connection)
    await load_account(connection, "org_a", "0-0")
    async with connect(redis_url, sender_url) as gate:
        assert isinstance(await gate.spend("org_a"), Committed)
        assert (await look(gate)).epoch == 2


# -- what goes wrong


async def test_postgresql_away__accounts_in_redis_are_admitted(redis_url: str) -> None:
    async with connect(redis_url, "postgresql://127.0.0.1:1/gate") as gate:
        await gate.load(account("org_b"))
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"account of org_a .* PostgreSQL: ") as caught:
                await gate.spend("org_a")
            assert caught.value.reason == "loading"
            assert isinstance(await gate.spend("org_b"), Committed)


async def test_postgresql_falls_silent_and_comes_back(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    for organization_id in ("org_a", "org_b", "org_c"):
        await put_account(connection, organization_id)
    rest, _, tail = sender_url.rpartition("@")[2].partition("/")
    async with Proxy(int(rest.rpartition(":")[2])) as proxy:
        address = proxy.url.rpartition("/")[2]
        url = f"{sender_url.rpartition('@')[0]}@{address}/{tail}"
        async with connect(redis_url, url, load_timeout_ms=300) as gate:
            assert isinstance(await gate.spend("org_a"), Committed)
            await move_cursor(connection, 0, await journal_end(gate))
            proxy.answers.clear()
            for organization_id in ("org_b", "org_c"):
                with pytest.raises(Unavailable, match="PostgreSQL did not answer within 300 ms"):
                    await gate.spend(organization_id)
            assert isinstance(await gate.spend("org_a"), Committed)
            proxy.cut()
            proxy.answers.set()
            await move_cursor(connection, 0, await journal_end(gate))
            await connection.execute("UPDATE account SET claimed_until = NULL")
            assert isinstance(await gate.spend("org_b"), Committed)


async def test_restarted_postgresql__is_connected_to_anew(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    async with connect(redis_url, sender_url) as gate:
        assert await gate.spend("org_a") == NotLoaded("org_a")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await put_account(connection)
        with suppress(Unavailable):  # the news of the lost connection may come after the call
            await gate.spend("org_a")
        assert isinstance(await gate.spend("org_a"), Committed)


async def test_aclose__ends_a_load_that_waits_and_its_connections(
    redis_url: str, sender_url: str, connection: Connection, store: redis.asyncio.Redis
) -> None:
    await put_account(connection, repair_state="reloading")
    gate = await connect(redis_url, sender_url, client_name="leaving")
    call = asyncio.create_task(gate.spend("org_a"))
    await polled(store)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leaving'"
    assert await connection.fetchval(count) == 1
    await gate.aclose()
    with pytest.raises(Unavailable, match="closed"):
        await call
    async with asyncio.timeout(30):
        while await connection.fetchval(count):
            pass


async def test_row_that_no_account_can_be__is_told_and_nothing_written(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    await put_account(connection, used=-1)
    async with connect(redis_url, sender_url) as gate:
        with pytest.raises(ContractError, match=r"account of org_a .* used = -1"):
            await gate.spend("org_a")
        assert await journal_of(gate) == []


async def test_row_of_another_partition__is_refused(
    redis_url: str, sender_url: str, connection: Connection
) -> None:
    """The cursor that PostgreSQL compares is then that of another journal."""
    await put_account(connection, partition=3)
    async with connect(redis_url, sender_url) as gate:
        with pytest.raises(ContractError, match="org_a in partition 3, Redis in 0"):
            await gate.spend("org_a")


async def test_role_that_may_not__is_told(
    redis_url: str, database_url: str, connection: Connection
) -> None:
    await connection.execute("REVOKE EXECUTE ON FUNCTION load_account FROM gate_sender")
    async with connect(redis_url, f"{database_url}?role=gate_sender") as gate:
        with pytest.raises(ContractError, match="PostgreSQL: permission denied"):
            await gate.spend("org_a")


# -- which database


async def test_connect__takes_pg_url_from_the_environment(
    redis_url: str, sender_url: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_account(connection)

    async def own(organization_id: str) -> None:
        return None

    monkeypatch.setenv("PG_URL", sender_url)
    async with Gate.connect(redis_url, partitions=1, database_url="") as gate:
        assert await gate.spend("org_a") == NotLoaded("org_a")
    async with Gate.connect(redis_url, loader=own) as gate:
        assert await gate.spend("org_a") == NotLoaded("org_a")
    async with Gate.connect(redis_url, loader=own, database_url=sender_url) as gate:
        assert await gate.spend("org_a") == NotLoaded("org_a")
    async with Gate.connect(redis_url, load_timeout_ms=30_000) as gate:
        assert isinstance(await gate.spend("org_a"), Committed)


async def test_without_asyncpg__the_command_that_brings_it_is_told(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith(("asyncpg", "gate.ledger", "gate.client.database_loader")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ContractError, match=r"pip install 'creditgate\[ledger\]'"):
        await connect(redis_url, "postgresql://127.0.0.1/gate")
    async with connect(redis_url, "") as gate:
        assert await gate.spend("org_a") == NotLoaded("org_a")
