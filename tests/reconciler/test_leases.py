"""Members share the partitions, whoever comes, goes, dies or loses PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

import pytest
import structlog

from gate.ledger.pool import connected
from reconciler.leases import Leases
from tests.hot.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

PARTITIONS = 8
ALL = frozenset(range(PARTITIONS))
TTL_S = 0.6


class Member:
    """A process that holds leases, in a task."""

    def __init__(self, database_url: str, clock: Callable[[], float] = monotonic) -> None:
        self.leases = Leases(
            database_url, PARTITIONS, log=structlog.stdlib.get_logger(), ttl_s=TTL_S, clock=clock
        )
        self._stop = asyncio.Event()

    @property
    def owned(self) -> frozenset[int]:
        return self.leases.owned

    def start(self) -> Self:
        self._task = asyncio.create_task(self.leases.run(self._stop))
        return self

    async def stop(self) -> None:
        self._stop.set()
        await self._task

    async def die(self) -> None:
        """Without a word to PostgreSQL."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Row(NamedTuple):
    owner: str
    partition: int | None


async def rows(database_url: str) -> list[Row]:
    async with connected(database_url) as connection:
        found = await connection.fetch(
            "SELECT owner, partition FROM reconciler_member FULL JOIN partition_lease USING (owner)"
            " ORDER BY partition"
        )
    return [Row(**row) for row in found]


async def settled(members: Sequence[Member], *sizes: int) -> None:
    """Returns when the members own disjoint sets of these sizes, in any order."""
    async with asyncio.timeout(30):
        while True:
            owned = [member.owned for member in members]
            if sorted(map(len, owned)) == sorted(sizes) and sum(sizes) == len(
                frozenset().union(*owned)
            ):
                return
            waits = [asyncio.ensure_future(one.leases.changed.wait()) for one in members]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            for one in members:
                one.leases.changed.clear()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(urlsplit(database_url).port or 0) as opened:
        yield opened


def through(proxy: Proxy, database_url: str) -> str:
    parts, there = urlsplit(database_url), urlsplit(proxy.url)
    login = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{login}@{there.netloc}").geturl()


async def test_members_that_come_and_go__share_evenly(database_url: str) -> None:
    async with AsyncExitStack() as ends:
        members = [Member(database_url) for _ in range(3)]
        for number, sizes in enumerate(((8,), (4, 4), (3, 3, 2))):
            ends.push_async_callback(members[number].start().stop)
            await settled(members[: number + 1], *sizes)

        taken_over = members[0].owned
        await members[0].die()
        await settled(members[1:], 4, 4)
        assert taken_over <= members[1].owned | members[2].owned

        await members[1].stop()
        assert not members[1].owned
        assert members[1].leases.owner not in {row.owner for row in await rows(database_url)}
        await settled(members[2:], 8)
        ends.pop_all()
        await members[2].stop()
    assert await rows(database_url) == []


async def test_members_that_start_at_once__get_everything_and_wait_for_nobody(
    database_url: str,
) -> None:
    members = [Member(database_url).start() for _ in range(5)]
    try:
        await settled(members, 2, 2, 2, 2, 0)
    finally:
        await asyncio.gather(*(member.stop() for member in members))
    assert await rows(database_url) == []


async def test_postgres_away__owns_nothing_after_the_lease_and_comes_back(
    database_url: str, proxy: Proxy
) -> None:
    member = Member(through(proxy, database_url)).start()
    await settled([member], 8)
    away_at = monotonic()
    proxy.change = lambda data: None
    await settled([member], 0)
    assert monotonic() - away_at < TTL_S + 5

    proxy.change = lambda data: data
    await settled([member], 8)
    await member.stop()
    assert await rows(database_url) == []


async def test_postgres_silent__owns_nothing_after_the_lease(
    database_url: str, proxy: Proxy
) -> None:
    member = Member(through(proxy, database_url)).start()
    await settled([member], 8)
    proxy.answers.clear()
    await settled([member], 0)
    other = Member(database_url).start()
    await settled([other], 8)
    proxy.cut()
    await asyncio.gather(member.die(), other.stop())


async def test_process_that_stood_still__knows_at_once(database_url: str) -> None:
    stood_still_s = 0.0
    member = Member(database_url, lambda: monotonic() + stood_still_s).start()
    await settled([member], 8)
    member.leases.changed.clear()
    stood_still_s = TTL_S
    assert member.owned == frozenset(), "before anything of it ran"
    await settled([member], 8)
    await member.stop()


async def test_rows_of_more_partitions__are_left_alone(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute(
            "INSERT INTO partition_lease VALUES (63, 'gone', now() - interval '1 day'),"
            " (2, 'gone', now() - interval '1 day'), (3, 'alive', now() + interval '1 day')"
        )
    member = Member(database_url).start()
    await settled([member], 7)
    assert member.owned == ALL - {3}
    await member.stop()
    assert {row.partition for row in await rows(database_url)} == {3, 63}
