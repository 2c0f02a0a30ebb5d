"""A replica that lags takes over: what was booked stays booked, once, and nobody is needed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import redis

from gate import Committed, Gate, OutcomeUnknown, Unavailable
from gate.ledger.verify import verify
from gate.stack import RedisServer
from gate.stack.ports import LOOPBACK
from tests.torture.books import Fact, read_books
from tests.torture.organizations import add_plain_organization
from tests.torture.quiet import converge
from tests.torture.stand import PARTITIONS, Stand
from tests.torture.switch import Switch
from tests.torture.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from gate.ledger.chain_walk import Finding

pytestmark = pytest.mark.slow

ORGANIZATIONS = [f"org_{number}" for number in range(6)]
BEFORE, LOST, AFTER, AGAIN = 300, 5_000, 600, 300
IN_FLIGHT = 64
CREDITS = 1_000_000
WITHIN_S = 30.0

_BOOKED = "SELECT count(*) FROM credit_ledger WHERE delta_kind = 'spent'"


def spend_of(number: int) -> tuple[str, str, int]:
    """Organization, id and credits of a spend."""
    return ORGANIZATIONS[number % len(ORGANIZATIONS)], f"spend_{number}", 1 + number % 7


async def spend_all(gate: Gate, numbers: range) -> None:
    """All of them, some at a time, each asked for until it is answered."""
    waiting = iter(numbers)

    async def work() -> None:
        for number in waiting:
            name, id, credits = spend_of(number)
            while True:
                try:
                    outcome = await gate.spend(name, credits, spend_id=id)
                except (OutcomeUnknown, Unavailable):
                    await asyncio.sleep(0.02)
                else:
                    break
            assert isinstance(outcome, Committed), outcome

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def test_i4_i8_lagging_replica_takes_over__what_is_booked_stays(tmp_path: Path) -> None:
    """The primary says 5,000 spends more than the replica ever hears, and they are booked. Senders
    then go on with the replica, and say some of the 5,000 again."""
    stand = Stand(tmp_path)
    replica = RedisServer(tmp_path / "replica")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stand)
        stack.enter_context(replica)
        switch = await stack.enter_async_context(Switch(stand.redis.port))
        primary_url = stand.redis_url
        with store_of(stand.redis.port) as store:
            store.config_set("repl-diskless-sync-delay", 0)
        stand.redis_url = f"redis://{LOOPBACK}:{switch.port}/0"
        await follow(replica, stand.redis.port)
        async with stand.database() as connection:
            for name in ORGANIZATIONS:
                await add_plain_organization(connection, name, PARTITIONS, base=CREDITS)
        for _ in range(2):
            stand.start_reconciler()
        gate = await stack.enter_async_context(
            Gate.connect(stand.redis_url, database_url=stand.database_url, partitions=PARTITIONS)
        )
        await until_rich(gate)
        await spend_all(gate, range(BEFORE))
        await same_offset(replica, primary_url)
        with store_of(replica.port) as store:
            store.replicaof("NO", "ONE")

        await spend_all(gate, range(BEFORE, BEFORE + LOST))
        await booked(stand, BEFORE + LOST)
        await asyncio.to_thread(stand.redis.kill)
        switch.turn_to(replica.port)

        # Redelivered ones among new ones.
        await asyncio.gather(
            spend_all(gate, range(BEFORE + LOST, BEFORE + LOST + AFTER)),
            spend_all(gate, range(BEFORE, BEFORE + AGAIN)),
        )
        stand.redis = replica  # whose journal and accounts are looked at from now on
        await converge(stand, ORGANIZATIONS, WITHIN_S)
        await check(stand, BEFORE + LOST + AFTER)


async def check(stand: Stand, spends: int) -> None:
    """Every spend stands once, with its credits, and posted is what is left of them."""
    async with stand.database() as connection:
        books = await read_books(connection)
        posted = dict(await connection.fetch("SELECT organization_id, posted FROM account"))
        assert not await connection.fetch("SELECT * FROM quarantine")
    left = dict.fromkeys(ORGANIZATIONS, CREDITS + 500)
    for number in range(spends):
        name, id, credits = spend_of(number)
        fact = Fact(name, f"settlement:0:{id}")
        assert (books.standing[fact], -books.credits[fact]) == (1, credits), fact
        left[name] -= credits
    assert posted == left
    assert not [entry for entry in books.entries if entry.delta_kind == "gap"]
    found: list[Finding] = []
    await verify(stand.database_url, report=found.append)
    assert not found


def store_of(port: int) -> redis.Redis:
    return redis.Redis(host=LOOPBACK, port=port, protocol=2)


async def follow(replica: RedisServer, port: int) -> None:
    """The replica has all that the primary has."""
    with store_of(replica.port) as store:
        store.replicaof(LOOPBACK, port)

        async def is_linked() -> bool:
            return store.info("replication")["master_link_status"] == "up"

        await until("the replica follows", is_linked, WITHIN_S)


async def same_offset(replica: RedisServer, primary_url: str) -> None:
    """The replica has heard all."""
    with store_of(replica.port) as store, redis.Redis.from_url(primary_url, protocol=2) as primary:

        async def is_equal() -> bool:
            offset = primary.info("replication")["master_repl_offset"]
            return store.info("replication")["slave_repl_offset"] == offset

        await until("the replica has heard all", is_equal, WITHIN_S)


async def until_rich(gate: Gate) -> None:
    """The accounts are loaded and have been given their credits."""

    async def are_rich() -> bool:
        seen = [await gate.peek(name) for name in ORGANIZATIONS]
        return all(getattr(one, "posted", 0) == CREDITS + 500 for one in seen)

    async def try_it() -> bool:
        try:
            return await are_rich()
        except Unavailable:
            return False

    await until("the credits are there", try_it, WITHIN_S)


async def booked(stand: Stand, spends: int) -> None:
    """So many spends are in the ledger."""

    async def are_booked() -> bool:
        async with stand.database() as connection:
            return await connection.fetchval(_BOOKED) == spends

    await until(f"{spends:,} spends are booked", are_booked, WITHIN_S)
