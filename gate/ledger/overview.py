"""Where booking stands and what waits, as PostgreSQL tells it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from gate.domain.errors import ContractError
from gate.ledger.connection import Connection
from gate.ledger.pool import connected
from gate.ledger.statement import load_statement

#: What waits is counted up to here.
COUNTED_MAX: Final = 100_000
_REPAIRS_MAX: Final = 20
_STATEMENT_TIMEOUT_MS: Final = 10_000


class PartitionState(NamedTuple):
    """`entry_id`: of the last booked entry, empty: none yet; None without a cursor. `is_leased`:
    whether `owner` still has it."""

    partition: int
    entry_id: str | None
    deltas: int | None
    moved_at: datetime | None
    owner: str | None
    is_leased: bool | None


class Reconciler(NamedTuple):
    """A reconciler that was alive lately, and is taken for alive until then."""

    owner: str
    expires_at: datetime


class Repair(NamedTuple):
    """An account that is being reloaded, or was stopped for a person to look at."""

    organization_id: str
    repair_state: str
    repair_reason: str | None
    repair_since: datetime | None


class Waiting(NamedTuple):
    """What waits: how many of each (at most COUNTED_MAX), and since when. `now`: PostgreSQL's
    clock."""

    drift_reports: int
    oldest_drift_at: datetime | None
    quarantined: int
    oldest_quarantined_at: datetime | None
    operations: int
    oldest_operation_at: datetime | None
    events: int
    oldest_event_at: datetime | None
    now: datetime


class StateCount(NamedTuple):
    """How many accounts are in a state of repair."""

    repair_state: str
    accounts: int


class Overview(NamedTuple):
    """All of it. `repairs`: the first twenty."""

    partitions: tuple[PartitionState, ...]
    reconcilers: tuple[Reconciler, ...]
    accounts: tuple[StateCount, ...]
    repairs: tuple[Repair, ...]
    waiting: Waiting


async def read_overview(url: str) -> Overview:
    """Raises Unavailable, ContractError."""
    async with connected(
        url, application_name="gate status", statement_timeout_ms=_STATEMENT_TIMEOUT_MS
    ) as connection:
        return await _read(connection)


async def _read(connection: Connection) -> Overview:
    waiting = await load_statement("count_waiting").fetch_one(connection, Waiting, COUNTED_MAX)
    if waiting is None:
        raise ContractError("count_waiting gave no row")
    return Overview(
        tuple(await load_statement("list_partition_states").fetch(connection, PartitionState)),
        tuple(await load_statement("list_reconcilers").fetch(connection, Reconciler)),
        tuple(await load_statement("count_accounts").fetch(connection, StateCount)),
        tuple(await load_statement("list_repairs").fetch(connection, Repair, _REPAIRS_MAX)),
        waiting,
    )
