"""Watches from outside how far the reconciler is: what it has committed, and since when."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, TypeVar

from gate.hot.keys import journal_key, tag_of
from loadtests.bench.servers import PARTITIONS

if TYPE_CHECKING:
    from datetime import datetime

    from gate.ledger.connection import Connection
    from loadtests.bench.daemon import Daemon
    from loadtests.bench.wire import Wire

T = TypeVar("T")

#: A commit is seen so much later at most, if the machine is not busy.
LOOK_EVERY_S = 0.005
_WAIT_S = 0.02
_NEWEST = "SELECT max(updated_at) FROM journal_cursor"
_BOOKED = "SELECT coalesce(sum(deltas), 0) FROM journal_cursor"
_COMMITTED = """
SELECT created_at, booked_at FROM credit_ledger
WHERE delta_kind = 'committed' AND created_at BETWEEN to_timestamp($1) AND to_timestamp($2)
"""


class Cursors:
    """The cursors over the journals of a Redis. One coroutine at a time may ask."""

    def __init__(self, wire: Wire, connection: Connection, daemon: Daemon) -> None:
        self._wire, self._connection, self._daemon = wire, connection, daemon
        self._instants: list[datetime] = []
        self._seen: list[float] = []

    async def behind(self) -> int:
        """Deltas that no cursor has passed."""
        booked = await self._connection.fetchval(_BOOKED)
        return sum(map(self._added, range(PARTITIONS))) - int(booked)

    async def drained(self) -> None:
        """Waits until nothing is behind."""
        while await self.behind():
            self._daemon.check()
            await asyncio.sleep(_WAIT_S)

    async def moving(self) -> None:
        """Waits until the cursors move."""
        before = await self._connection.fetchval(_NEWEST)
        while await self._connection.fetchval(_NEWEST) == before:
            self._daemon.check()
            await asyncio.sleep(_WAIT_S)

    async def watch(self, sending: asyncio.Task[T]) -> T:
        """Notes when each transaction that moved a cursor was first seen, until nobody sends and
        nothing is behind; what `sending` gave."""
        while not sending.done() or await self.behind():
            self._daemon.check()
            await self._look()
            await asyncio.sleep(LOOK_EVERY_S)
        await self._look()
        return await sending

    async def lags(self, began: float, ended: float) -> list[float]:
        """Of what was committed in Redis between two instants, all of it watched: how much later
        its booking was seen, in seconds, sorted. Cursors and entries bear the instant at which
        their transaction began, which is what tells that they belong together."""
        return sorted(
            self._seen[bisect_left(self._instants, row["booked_at"])]
            - row["created_at"].timestamp()
            for row in await self._connection.fetch(_COMMITTED, began, ended)
        )

    async def _look(self) -> None:
        newest = await self._connection.fetchval(_NEWEST)
        if newest is not None and (not self._instants or newest > self._instants[-1]):
            self._instants.append(newest)
            self._seen.append(time.time())

    def _added(self, partition: int) -> int:
        key = journal_key(tag_of(partition, PARTITIONS))
        if not self._wire.call("EXISTS", key):
            return 0
        told = self._wire.call("XINFO", "STREAM", key)
        return int(dict(zip(told[::2], told[1::2], strict=True))[b"entries-added"])
