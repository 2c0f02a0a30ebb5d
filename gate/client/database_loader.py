"""Accounts from PostgreSQL, once the ledger has everything that the journal had of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

from gate.domain.errors import ContractError, GateError, Unavailable
from gate.hot.calls import AnswerLost
from gate.hot.journal_stream import START, entry_order, last_entry_id
from gate.hot.keys import partition_of
from gate.ledger.accounts import load_account
from gate.ledger.errors import connect_errors
from gate.ledger.pool import open_pool

if TYPE_CHECKING:
    from gate.domain.accounts import AccountState
    from gate.hot.caller import Caller
    from gate.ledger.accounts import Loadable
    from gate.ledger.connection import Connection, Pool

_POOL_SIZE: Final = 2
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.010, 0.100
#: A PostgreSQL that does not even confirm the end of a statement is given up.
_RELEASE_TIMEOUT_S: Final = 0.5

_NO_ANSWER: Final = "PostgreSQL did not answer"
_WAITS_FOR: Final = {
    "behind": "the ledger has not booked yet what the journal held, or the account is in repair",
    "claimed": "another loader has claimed it and not loaded it",
}


class DatabaseLoader:
    """The loader of a gate with `database_url`, on a small pool of its own.

    The pool is made by the first load: a sender whose accounts are all in Redis starts and works
    while PostgreSQL is away, and holds no connection that it does not need.
    """

    def __init__(self, caller: Caller, url: str, *, timeout_ms: int, client_name: str) -> None:
        """`timeout_ms`: for one load, waiting included."""
        self._caller = caller
        self._url = url
        self._timeout_ms = timeout_ms
        self._client_name = client_name
        self._opening = asyncio.Lock()
        self._pool: Pool | None = None

    async def __call__(self, organization_id: str) -> AccountState | Literal[True] | None:
        """The account, None if PostgreSQL has none, True if another loader was first.

        Raises Unavailable with reason `loading` where that is not known in time, because the ledger
        is behind or PostgreSQL away, and ContractError for what a person must put right.
        """
        waits_for = _NO_ANSWER
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                pause_s, seen_end = _PAUSE_MIN_S, None
                while (journal_end := await self._end_if_absent(organization_id)) is not None:
                    # The account was absent at the end that was seen first: to wait for more than
                    # that is to run after the traffic of others. An end that went back was lost.
                    seen_end = min(seen_end or journal_end, journal_end, key=entry_order)
                    waits_for = _NO_ANSWER
                    found = await self._ask(organization_id, seen_end)
                    if found.answer == "ready" or found.answer == "unknown":
                        return found.state
                    waits_for = _WAITS_FOR[found.answer]
                    if found.answer == "claimed":
                        seen_end = None  # who claimed it may load it, and have it journal
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _PAUSE_MAX_S)
        except TimeoutError as error:
            limit = f"within {self._timeout_ms:,} ms"
            raise _unavailable(organization_id, f"{waits_for} {limit}") from error
        return True

    async def aclose(self) -> None:
        """Close the connections. No load may be under way."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(_RELEASE_TIMEOUT_S):
                    with connect_errors():
                        await pool.close()
            except (TimeoutError, GateError):
                pool.terminate()

    async def _end_if_absent(self, organization_id: str) -> str | None:
        """Where the journal ends after the account was seen to be absent; None if it is there."""
        keys, transport = self._caller.keys_of(organization_id), self._caller.transport
        try:
            if await transport.execute("EXISTS", keys.account):
                return None
            # Another's load may begin the journal at any moment.
            if not await transport.execute("EXISTS", keys.journal):
                return START
            return await last_entry_id(transport, keys.journal)
        except AnswerLost as error:
            raise Unavailable("connection", str(error)) from error

    async def _ask(self, organization_id: str, journal_end: str) -> Loadable:
        try:
            pool = await self._open()
            with connect_errors():
                connection = await pool.acquire()
            try:
                found = await load_account(connection, organization_id, journal_end)
            finally:
                await self._release(pool, connection)
        except Unavailable as error:
            raise _unavailable(organization_id, error.detail) from error
        self._check_partition(organization_id, found)
        return found

    async def _open(self) -> Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await open_pool(
                    self._url,
                    application_name=self._client_name,
                    size=_POOL_SIZE,
                    statement_timeout_ms=self._timeout_ms,
                )
            return self._pool

    async def _release(self, pool: Pool, connection: Connection) -> None:
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT_S):
                with connect_errors():
                    await pool.release(connection, timeout=_RELEASE_TIMEOUT_S)
        except (TimeoutError, GateError):
            # The next load makes another pool.
            if self._pool is pool:
                self._pool = None
            pool.terminate()

    def _check_partition(self, organization_id: str, found: Loadable) -> None:
        """The cursor that was compared must be that of the journal that was looked at."""
        meta = self._caller.meta
        own = meta.exceptions.get(organization_id, partition_of(organization_id, meta.partitions))
        if found.partition not in (None, own):
            raise ContractError(
                f"PostgreSQL has {organization_id} in partition {found.partition}, Redis in {own}: "
                "connect anew if it was moved, else correct account.partition"
            )


def _unavailable(organization_id: str, why: str) -> Unavailable:
    return Unavailable(
        "loading", f"the account of {organization_id} is not in Redis and was not loaded: {why}"
    )
