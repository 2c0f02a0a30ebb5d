"""Which partitions this process works on: N reconcilers share them through rows in PostgreSQL.

A lease is a hint that saves work. Two owners of a partition for a moment do no harm: whoever moves
its cursor first has booked, and the other one's transaction books nothing.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from gate.domain.errors import Unavailable
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement
from reconciler.waiting import Backoff, pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gate.ledger.connection import Connection
    from reconciler.log import Log

T = TypeVar("T")

_RENEWALS_PER_TTL: Final = 3
_NOTHING: Final[frozenset[int]] = frozenset()


class Leases:
    """The leases of one process, for `partitions` partitions from 0 on.

    Each of n living members may have ceil(partitions / n): whoever has more gives the rest up,
    whoever has less takes what is free. `ttl_s` is the life of a lease and of a member, by
    PostgreSQL's clock; they are renewed three times within it. When `owned` has become another set,
    `on_change` is called with it and `changed` is set, which whoever waits for it clears.
    """

    def __init__(
        self,
        database_url: str,
        partitions: int,
        *,
        log: Log,
        ttl_s: float = 3.0,
        on_change: Callable[[frozenset[int]], None] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.partitions = partitions
        self.changed = asyncio.Event()
        self._database_url = database_url
        self._ttl_s = ttl_s
        self._log = log
        self._on_change = on_change
        self._clock = clock
        self._owned = _NOTHING
        self._owned_until = clock()
        self._expiry: asyncio.TimerHandle | None = None
        self._failing = False

    @property
    def owned(self) -> frozenset[int]:
        """The partitions to work on. None as soon as the last renewal is `ttl_s` ago by the local
        clock, so that a process that stood still finds out before it does anything."""
        return self._owned if self._clock() < self._owned_until else _NOTHING

    async def run(self, stop: asyncio.Event) -> None:
        """Hold leases until `stop` is set, then hand them over at once.

        While PostgreSQL is away it tries again and again. Raises ContractError.
        """
        backoff = Backoff()
        try:
            while not stop.is_set():
                try:
                    await self._hold(stop, backoff)
                except Unavailable as error:
                    if not self._failing:
                        self._log.warning("leases cannot be renewed", reason=str(error))
                    self._failing = True
                    await backoff.pause(stop)
        finally:
            self._set(_NOTHING)

    async def _hold(self, stop: asyncio.Event, backoff: Backoff) -> None:
        """Over a connection of its own: nothing that is busy with others may delay a renewal."""
        async with connected(
            self._database_url,
            application_name="gate-reconciler leases",
            statement_timeout_ms=round(self._ttl_s * 1000),
        ) as connection:
            while not stop.is_set():
                await self._renew(connection)
                backoff.reset()
                await pause(stop, self._ttl_s / _RENEWALS_PER_TTL)
            # Nobody may find this process at work on what is handed over.
            self._set(_NOTHING)
            await self._answered(load_statement("leave_members").execute(connection, self.owner))

    async def _renew(self, connection: Connection) -> None:
        asked_at = self._clock()
        members = await self._answered(
            load_statement("beat_member").fetch_one(connection, _members, self.owner, self._ttl_s)
        )
        share = -(-self.partitions // (members or 1))
        owned = await self._answered(
            load_statement("hold_leases").fetch(
                connection, _partition, self.owner, self._ttl_s, self.partitions, share
            )
        )
        if self._failing:
            self._log.info("leases are renewed again")
            self._failing = False
        self._set(frozenset(owned), asked_at + self._ttl_s)

    async def _answered(self, statement: Awaitable[T]) -> T:
        """An answer that comes later than the leases live is none."""
        try:
            async with asyncio.timeout(self._ttl_s):
                return await statement
        except TimeoutError as error:
            late = f"PostgreSQL does not answer within {self._ttl_s:g} s"
            raise Unavailable("connection", late) from error

    def _set(self, owned: frozenset[int], until: float = 0.0) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        lapsed = self._clock() >= self._owned_until
        is_news = owned != self._owned or (lapsed and bool(owned))
        self._owned, self._owned_until = owned, until
        if owned:
            loop = asyncio.get_running_loop()
            left_s = until - self._clock()
            self._expiry = loop.call_later(left_s, self._set, _NOTHING)
        if is_news:
            self._log.info("partitions", owned=sorted(owned), of=self.partitions, owner=self.owner)
            self.changed.set()
            if self._on_change is not None:
                self._on_change(owned)


def _members(members: int) -> int:
    return members


def _partition(partition: int) -> int:
    return partition
