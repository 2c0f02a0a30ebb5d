"""What booking writes into PostgreSQL: everything that a batch holds, and where its cursors stand.

Nothing here fails for what a delta says: numbers are brought into the range of their columns, words
were checked when they were read, and rows that may be there already are told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gate.domain.ids import new_id
from gate.ledger.errors import ledger_errors
from gate.ledger.statement import load_statement
from reconciler.batch import LEDGER_COLUMNS
from reconciler.columns import bounded, columns
from reconciler.image_rows import write_images
from reconciler.sends import write_sends

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.ledger.connection import Connection
    from reconciler.batch import Batch, Booked, ClosedPeriod, LedgerRow, Report
    from reconciler.reading import Cursor

#: Credits times the highest price that fit the column of amounts.
_PRICED_MAX: Final = 2**53
#: What a sum of at most 2^62 takes without leaving its column.
_ADDED_MAX: Final = 2**61
_BALANCE: Final = LEDGER_COLUMNS.index("balance_after")
_QUARANTINE: Final = ("partition", "entry_id", "fields", "organization_id", "reason")
_REPORT: Final = (
    *("organization_id", "kind", "epoch", "seq", "live", "booked", "credits", "action"),
)


class TrimPoint(NamedTuple):
    """An entry that was booked long enough ago: what stands before it may go."""

    entry_id: str
    digest: bytes


class WrittenCounts(NamedTuple):
    """How many rows were written. `sends`: new ones and changed ones."""

    entries: int
    accounts: int
    sends: int
    invoices: int


async def write_batch(connection: Connection, batch: Batch) -> WrittenCounts:
    """Writes a batch within the running transaction, which gives all of it one instant of booking.

    The images stay as they are. Raises Unavailable, ContractError.
    """
    changed = [image for image in batch.images.values() if image.changed]
    await _copy(connection, "credit_ledger", LEDGER_COLUMNS, _fitting(batch.entries))
    if changed:
        await write_images(connection, changed)
    if batch.usage:
        await _add_usage(connection, batch)
    sends = await write_sends(connection, batch.news, batch.hold_ends)
    invoices = await _draft_invoices(connection, batch.closed)
    if batch.events:
        await load_statement("add_events").execute(connection, *columns(batch.events))
    await _settle_operations(connection, batch.booked)
    if batch.reversals:
        await _add_reversals(connection, batch)
    await _copy(connection, "quarantine", _QUARANTINE, batch.quarantined)
    await _copy(connection, "drift_report", _REPORT, list(map(_fitting_report, batch.reports)))
    return WrittenCounts(len(batch.entries), len(changed), sends, invoices)


async def move_cursors(
    connection: Connection, moved: Mapping[int, Cursor], *, margin_s: float
) -> None:
    """Moves cursors that this transaction has locked, by partition, and notes now and then where
    they stood, for `trim_points` with the same margin. Raises Unavailable, ContractError."""
    if moved:
        rows = [(partition, *to) for partition, to in moved.items()]
        await load_statement("move_cursors").execute(connection, *columns(rows), margin_s)


async def trim_points(
    connection: Connection, partitions: Sequence[int], margin_s: float
) -> dict[int, TrimPoint]:
    """The last entries that were booked at least `margin_s` seconds ago, of the partitions that
    have one. Raises Unavailable, ContractError."""
    points: dict[int, TrimPoint] = {}

    def add(partition: int, **point: Any) -> None:
        points[partition] = TrimPoint(**point)

    statement = load_statement("list_trim_points")
    await statement.fetch(connection, add, list(partitions), margin_s)
    return points


async def mark_partition(connection: Connection, partition: int, reason: str) -> None:
    """Sets a partition's cursor, which this transaction has locked, to the start, and every healthy
    account of it to be reloaded. Raises Unavailable, ContractError."""
    await load_statement("mark_partition").execute(connection, partition, reason)


async def _copy(
    connection: Connection, table: str, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    if rows:
        with ledger_errors():
            await connection.copy_records_to_table(table, records=rows, columns=names)


def _fitting_report(report: Report) -> Report:
    if report.credits is None:
        return report
    return report._replace(credits=bounded([report.credits])[0])


def _fitting(entries: Sequence[LedgerRow]) -> Sequence[LedgerRow]:
    """The entries; their chain shows where a balance did not fit."""
    balances: list[Any] = [entry[_BALANCE] for entry in entries]
    fitting = bounded(balances)
    if fitting is balances:
        return entries
    return [
        (*entry[:_BALANCE], balance, *entry[_BALANCE + 1 :])
        for entry, balance in zip(entries, fitting, strict=True)
    ]


async def _add_usage(connection: Connection, batch: Batch) -> None:
    await load_statement("add_usage").execute(
        connection,
        *columns(batch.usage),
        bounded([usage.credits for usage in batch.usage.values()], _ADDED_MAX),
        bounded([usage.overage for usage in batch.usage.values()], _ADDED_MAX),
    )


async def _draft_invoices(connection: Connection, closed: Iterable[ClosedPeriod]) -> int:
    periods = [period for period in closed if period.subscription_id is not None]
    if not periods:
        return 0
    drafted = await load_statement("draft_invoices").fetch(
        connection,
        lambda id: id,
        [new_id("inv") for _ in periods],
        [period.organization_id for period in periods],
        [period.subscription_id for period in periods],
        [period.period_no for period in periods],
        [period.config_version for period in periods],
        [period.starts_at for period in periods],
        [period.ends_at for period in periods],
        bounded([period.allowance for period in periods]),
        bounded([period.used for period in periods]),
        bounded([period.overage for period in periods], _PRICED_MAX),
    )
    return len(drafted)


async def _settle_operations(connection: Connection, booked: Iterable[Booked]) -> None:
    """The first delta of an operation counts, but one that is booked is not stale for another."""
    first: dict[tuple[str, str], Booked] = {}
    for one in booked:
        key = one.organization_id, one.operation_id
        if one.status is not None and (key not in first or first[key].status == "stale"):
            first[key] = one
    if first:
        await load_statement("settle_operations").execute(connection, *columns(first.values()))


async def _add_reversals(connection: Connection, batch: Batch) -> None:
    rows = [
        (one.organization_id, one.id, one.kind, one.content, one.reference, one.reason)
        for one in batch.reversals
    ]
    await load_statement("add_reversals").execute(connection, *columns(rows))
