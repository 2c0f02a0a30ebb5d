"""One transaction on a connection of a pool, with its outcome told apart."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from gate.ledger.errors import CommitUnknown, connect_errors, is_lost, ledger_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gate.ledger.connection import Connection, Pool, Transaction

#: What is not reset by then is cut off.
_RELEASE_TIMEOUT_S: Final = 5.0


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in a transaction: committed at the end, undone if anything is raised.

    Raises Unavailable and ContractError (undone), CommitUnknown (the answer to COMMIT was lost).
    A cancellation while the COMMIT is on its way leaves it open too.
    """
    with connect_errors():
        connection = await pool.acquire()
    try:
        with ledger_errors():
            running = connection.transaction()
            await running.start()
            try:
                yield connection
            except BaseException:
                # On a broken connection the server has undone it already.
                with suppress(Exception):
                    await running.rollback()
                raise
            await _commit(running)
    finally:
        await _give_back(pool, connection)


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for single statements, each a transaction of its own.

    Raises Unavailable, ContractError.
    """
    with connect_errors():
        connection = await pool.acquire()
    try:
        with ledger_errors():
            yield connection
    finally:
        await _give_back(pool, connection)


async def _give_back(pool: Pool, connection: Connection) -> None:
    # What was done is done: a connection that cannot be reset is cut off, and that is all.
    with suppress(Exception):
        await pool.release(connection, timeout=_RELEASE_TIMEOUT_S)


async def _commit(running: Transaction) -> None:
    try:
        await running.commit()
    except Exception as error:
        if is_lost(error):
            raise CommitUnknown(f"the answer to COMMIT was lost: {error}") from error
        raise
