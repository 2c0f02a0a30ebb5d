"""Reads what stands behind the cursors, and while that is booked, what stands behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.journal_stream import delta_of, digest, read_from
from gate.hot.keys import journal_key, tag_of
from reconciler.batch import Read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.hot.journal_stream import StreamEntry
    from reconciler.context import Context
    from reconciler.reading import Cursor

_READ_MIN: Final = 256


class Found(NamedTuple):
    """What stands behind `cursor`: `reads` is None where its own entry is not there as it was
    booked, which is a fork. `is_full`: there may be more."""

    cursor: Cursor
    reads: list[Read] | None
    is_full: bool


class JournalReader:
    """The journals of all partitions. Partitions that are busy may fill a batch alone, quiet ones
    are not asked for much."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._counts: dict[int, int] = {}
        self._ahead: dict[int, tuple[Cursor, asyncio.Task[Found]]] = {}

    def close(self) -> None:
        """Forgets what was read ahead."""
        for _, task in self._ahead.values():
            task.cancel()
        self._ahead.clear()

    def read_ahead(self, cursors: Mapping[int, Cursor]) -> None:
        """Begins to read behind cursors that are about to be moved there."""
        for part, cursor in cursors.items():
            self._ahead[part] = cursor, asyncio.ensure_future(self._read(part, cursor))

    async def read(self, cursors: Mapping[int, Cursor]) -> dict[int, Found]:
        """What stands behind each cursor. Raises what a call raises."""
        found = await asyncio.gather(*(self._begun(part, at) for part, at in cursors.items()))
        return dict(zip(cursors, found, strict=True))

    def _begun(self, partition: int, cursor: Cursor) -> asyncio.Future[Found]:
        ahead, task = self._ahead.pop(partition, (None, None))
        if task is not None and ahead == cursor:
            return task
        if task is not None:
            task.cancel()
        return asyncio.ensure_future(self._read(partition, cursor))

    async def _read(self, partition: int, cursor: Cursor) -> Found:
        count = self._counts.get(partition, _READ_MIN)
        anchored = bool(cursor.entry_id)
        key = journal_key(tag_of(partition, self._context.meta.partitions))
        entries = await read_from(
            self._context.transport, key, cursor.entry_id or None, count + anchored
        )
        if anchored:
            if not _is_anchored(entries, cursor):
                return Found(cursor, None, False)
            del entries[0]
        is_full = len(entries) == count
        most = self._context.settings.batch_max
        self._counts[partition] = min(most, count * 4) if is_full else _READ_MIN
        return Found(cursor, [_decode(partition, entry) for entry in entries], is_full)


def _is_anchored(entries: Sequence[StreamEntry], cursor: Cursor) -> bool:
    """Whether the last booked entry is still there, byte for byte."""
    return (
        bool(entries)
        and entries[0].entry_id == cursor.entry_id
        and digest(entries[0]) == cursor.digest
    )


def _decode(partition: int, entry: StreamEntry) -> Read:
    try:
        return Read(partition, entry, delta_of(entry))
    except ContractError as error:
        return Read(partition, entry, None, str(error))
