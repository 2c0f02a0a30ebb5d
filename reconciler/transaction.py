"""One booking transaction: compare the cursors, book, move them. So every delta is booked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gate.hot.journal_stream import digest
from gate.ledger.statement import load_statement
from gate.ledger.transaction import transaction
from reconciler.batch import Gap
from reconciler.booking import Booking
from reconciler.reading import Cursor, lock_cursors, read_images, read_known
from reconciler.writing import move_cursors, write_batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.ledger.connection import Connection, Pool
    from reconciler.batch import Batch, Known, Read
    from reconciler.image import Image

_SETTLING = ("committed", "spent")


class BookedBatch(NamedTuple):
    """What was booked. `cursors` are those that moved, by partition; of the others somebody else
    had moved them, and nothing of them was booked."""

    batch: Batch
    cursors: Mapping[int, Cursor]


async def book(
    pool: Pool,
    reads: Mapping[int, Sequence[Read]],
    cursors: Mapping[int, Cursor],
    *,
    margin_s: float,
) -> BookedBatch:
    """Books what was read behind `cursors`, by partition and in order.

    Raises Unavailable (nothing was booked), CommitUnknown (read the cursors anew: they tell),
    ContractError.
    """
    async with transaction(pool) as connection:
        locked = await lock_cursors(connection, sorted(reads))
        mine = {part: own for part, own in reads.items() if locked[part] == cursors[part]}
        batch = await _book_all(connection, [read for own in mine.values() for read in own])
        await write_batch(connection, batch)
        moved = moved_cursors(mine, cursors)
        await move_cursors(connection, moved, margin_s=margin_s)
    return BookedBatch(batch, moved)


async def _book_all(connection: Connection, reads: Sequence[Read]) -> Batch:
    """Books into a batch; where accounts turn out to be diverged, all of their settlements are
    looked up and everything is booked once more."""
    organization_ids = sorted({read.delta.organization_id for read in reads if read.delta})
    diverged: set[str] = set()
    while True:
        images = await read_images(connection, organization_ids)
        known = await _look_up(connection, reads, images, diverged)
        booking = Booking(images, known)
        for read in reads:
            booking.book(read)
        if not booking.batch.to_look_up:
            return booking.batch
        diverged |= booking.batch.to_look_up


async def _look_up(
    connection: Connection,
    reads: Sequence[Read],
    images: Mapping[str, Image],
    diverged: set[str],
) -> Known:
    settlements, operations = [], []
    looked_up = diverged | {one for one, image in images.items() if image.repair_state != "ok"}
    # What comes behind a load in the same batch may be a repeat of what only the ledger knows.
    looked_up |= {
        read.delta.organization_id for read in reads if read.delta and read.delta.kind == "loaded"
    }
    for _, _, delta, _ in reads:
        if delta is None:
            continue
        organization_id = delta.organization_id
        if delta.kind == "applied":
            operations.append((organization_id, delta.id, delta.reference))
        elif delta.kind in _SETTLING and organization_id in images:
            until = images[organization_id].look_up_until_ms
            may_repeat = delta.unknown or delta.late or delta.at_ms <= until
            if may_repeat or organization_id in looked_up:
                settlements.append((organization_id, delta.id, delta.part))
    known = await read_known(connection, settlements, operations)
    known.looked_up = frozenset(looked_up)
    if looked_up:
        known.gaps = await load_statement("list_gaps").fetch(connection, Gap, sorted(looked_up))
    return known


def moved_cursors(
    reads: Mapping[int, Sequence[Read]], cursors: Mapping[int, Cursor]
) -> dict[int, Cursor]:
    """Where the cursors stand when all that was read is booked."""
    moved = {}
    for part, own in reads.items():
        last = own[-1].entry
        moved[part] = Cursor(last.entry_id, digest(last), cursors[part].deltas + len(own))
    return moved
