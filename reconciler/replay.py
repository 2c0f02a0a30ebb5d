"""Books entries of the quarantine that can be booked now: `gate drift --replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.journal_stream import StreamEntry, delta_of
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler.batch import Gap, Read
from reconciler.booking import Booking
from reconciler.messages import UNREADABLE_SENDS
from reconciler.reading import lock_cursors, read_images, read_known
from reconciler.writing import write_batch

if TYPE_CHECKING:
    from reconciler.context import Context

AT_ONCE: Final = 1_000


class Kept(NamedTuple):
    """A row of the quarantine."""

    id: int
    partition: int
    entry_id: str
    fields: list[bytes]
    reason: str


class Replayed(NamedTuple):
    """What became of an entry; `why` it stays in the quarantine, empty if it was booked."""

    id: int
    organization_id: str
    why: str


async def replay(context: Context) -> list[Replayed]:
    """Tries every entry that waits, in order, each in a transaction of its own.

    Where a gap stood for it, the entry is booked with an adjustment that takes the gap's amount
    back, and nothing else changes; where none did, what happened is booked, and the account
    reloaded. An entry whose sends alone cannot be read is booked already, and stays.
    Raises Unavailable, CommitUnknown, ContractError.
    """
    async with borrowed(context.pool) as connection:
        rows = await load_statement("list_quarantine").fetch(connection, Kept, AT_ONCE)
    return [await _replay(context, row) for row in rows]


async def _replay(context: Context, row: Kept) -> Replayed:
    entry = StreamEntry(row.entry_id, tuple(row.fields))
    if row.reason.startswith(UNREADABLE_SENDS):
        return Replayed(row.id, "", row.reason)
    try:
        delta = delta_of(entry)
    except ContractError as error:
        return Replayed(row.id, "", str(error))
    async with transaction(context.pool) as connection:
        await lock_cursors(connection, [row.partition])
        images = await read_images(connection, [delta.organization_id])
        if not images:
            why = "PostgreSQL does not know the organization's account"
            return Replayed(row.id, delta.organization_id, why)
        read = Read(row.partition, entry, delta)
        known = await read_known(connection, *_facts(read))
        known.gaps = await load_statement("list_gaps").fetch(connection, Gap, [*images])
        booking = Booking(images, known)
        booking.replay(read)
        await write_batch(connection, booking.batch)
        await load_statement("end_quarantine").execute(connection, row.id)
    return Replayed(row.id, delta.organization_id, "")


def _facts(read: Read) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, str]]]:
    """What is to be looked up of an entry: settlements, operations."""
    delta = read.delta
    if delta is None:
        return [], []
    if delta.kind == "applied":
        return [], [(delta.organization_id, delta.id, delta.reference)]
    return [(delta.organization_id, delta.id, delta.part)], []
