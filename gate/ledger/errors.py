"""What PostgreSQL and its client raise, as failures that the rest of the gate knows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import asyncpg

from gate.domain.errors import ContractError, GateError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: SQLSTATEs, or their first letters, that a later try may survive; the longest match counts.
_PASSING: Final = {
    "08": "connection",
    "25006": "read_only",
    "40001": "busy",  # serialization
    "40P01": "busy",  # deadlock
    "53": "busy",  # memory, disk, connections
    "55P03": "busy",  # lock_timeout
    "57014": "busy",  # statement_timeout
    "57P": "connection",  # shut down, or starting
}


class CommitUnknown(GateError):
    """The answer to a COMMIT was lost: the transaction happened as a whole, or did not at all."""

    code = "gate.commit_unknown"


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Around statements: raise Unavailable for what passes by itself, ContractError for the rest.

    After Unavailable the transaction that it happened in is undone. A lost COMMIT is told by
    `gate.ledger.transaction` alone.
    """
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise translate(error) from error
    except (asyncpg.InternalClientError, ConnectionError, TimeoutError) as error:
        # The connection was cut while nobody looked, or the server has gone silent.
        raise translate(error) from error


@contextmanager
def connect_errors() -> Iterator[None]:
    """Around what may open a connection: as `ledger_errors`, and the network's own failures."""
    try:
        with ledger_errors():
            yield
    except (OSError, TimeoutError) as error:
        raise translate(error) from error


def translate(error: Exception) -> GateError:
    """The failure that `error` of the client stands for."""
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate)
        if isinstance(error, asyncpg.CheckViolationError) and not error.constraint_name:
            # No constraint of a table: a partition was attached while the row was on its way into
            # the default one.
            return Unavailable("busy", f"PostgreSQL: {error}")
        for length in (5, 3, 2):
            if reason := _PASSING.get(state[:length]):
                return Unavailable(reason, f"PostgreSQL: {error}")
        return ContractError(f"PostgreSQL: {error} ({state})")
    if isinstance(error, asyncpg.InterfaceError):
        # A closed pool or connection has no class of its own.
        if "clos" in str(error):
            return Unavailable("closed", f"PostgreSQL: {error}")
        return ContractError(f"PostgreSQL: {error}")
    return Unavailable("connection", f"PostgreSQL: {error or type(error).__name__}")


def is_lost(error: Exception) -> bool:
    """Whether `error` leaves open if the server did what it was told."""
    lost = OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    return isinstance(error, lost) or (
        isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in ("08", "57")
    )
