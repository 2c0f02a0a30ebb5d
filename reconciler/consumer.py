"""Reads the journals of the partitions that this process owns, and books what it finds.

A loop of ticks: read behind every cursor, see that the anchor is there, book all of it in one
transaction, drop the marks of operations that are booked, trim. Nothing here waits for anything
that it books itself.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from gate.domain.errors import ContractError
from gate.hot.journal_stream import entry_order, forget_marks, trim
from gate.hot.keys import journal_key, tag_of
from gate.hot.meta import read_meta
from gate.ledger.transaction import borrowed, transaction
from reconciler.journal_reader import JournalReader
from reconciler.reading import Cursor, lock_cursors, read_cursors
from reconciler.transaction import book, moved_cursors
from reconciler.waiting import pause
from reconciler.writing import mark_partition, trim_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.batch import Batch, Read
    from reconciler.context import Context

_TRIM_EVERY_S: Final = 1.0
START: Final = Cursor("", b"", 0)


class Consumer:
    """Books the partitions in `context.leases.owned`. `booked` is set after each batch, for
    whoever waits until something has happened."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cursors: dict[int, Cursor] = {}
        self._reader = JournalReader(context)
        self._trimmed_at = 0.0

    async def run(self) -> None:
        """Until the stop event. Raises what passes by itself (Unavailable, AnswerLost,
        CommitUnknown), after which it may be started again: it begins at the cursors."""
        context = self._context
        self._cursors.clear()
        self._reader.close()
        while not context.stop.is_set():
            more = await self.tick(sorted(context.leases.owned))
            if monotonic() - self._trimmed_at >= _TRIM_EVERY_S:
                self._trimmed_at = monotonic()
                await self._trim(sorted(context.leases.owned))
            if not more:
                await pause(context.stop, context.settings.poll_ms / 1000)

    async def tick(self, partitions: Sequence[int]) -> bool:
        """Books what stands behind the cursors of some partitions; whether there may be more."""
        found = await self._reader.read(await self._known_cursors(partitions))
        reads: dict[int, list[Read]] = {}
        more = False
        for part, (cursor, behind, is_full) in found.items():
            if behind is None:
                await self._fork(part, cursor)
                more = True
            elif behind:
                reads[part] = behind
                more = more or is_full
        self._context.metrics.caught_up([part for part in partitions if part not in reads])
        if reads:
            if more:
                self._reader.read_ahead(moved_cursors(reads, self._cursors))
            await self._book(reads)
        return more

    async def _known_cursors(self, partitions: Sequence[int]) -> Mapping[int, Cursor]:
        missing = [part for part in partitions if part not in self._cursors]
        for part in set(self._cursors) - set(partitions):
            del self._cursors[part]
        if missing:
            async with borrowed(self._context.pool) as connection:
                read = await read_cursors(connection, missing)
            self._cursors |= {part: read.get(part, START) for part in missing}
        return {part: self._cursors[part] for part in partitions}

    async def _book(self, reads: Mapping[int, Sequence[Read]]) -> None:
        context, started = self._context, monotonic()
        try:
            booked = await book(
                context.pool,
                reads,
                self._cursors,
                margin_s=context.settings.trim_margin_s,
            )
        except BaseException:
            # Whether it happened, the cursors tell.
            self._cursors.clear()
            self._reader.close()
            raise
        for part in reads:
            if part in booked.cursors:
                self._cursors[part] = booked.cursors[part]
            else:
                del self._cursors[part]
        context.metrics.booked(booked.batch, monotonic() - started)
        for part, cursor in booked.cursors.items():
            context.metrics.reached(part, entry_order(cursor.entry_id)[0] / 1000)
        self._log(booked.batch)
        await self._forget_marks(booked.batch)

    async def _forget_marks(self, batch: Batch) -> None:
        """What is booked needs no mark. If this is missed, the sweep over marks finds it."""
        ids: dict[str, list[str]] = {}
        for one in batch.booked:
            ids.setdefault(one.organization_id, []).append(one.operation_id)
        caller = self._context.caller
        for organization_id, operation_ids in ids.items():
            key = caller.keys_of(organization_id).operations
            await forget_marks(self._context.transport, key, operation_ids)

    async def _fork(self, partition: int, cursor: Cursor) -> None:
        """The journal's past is not the one that was booked: read it from its first entry, and
        reload every account of the partition. Where somebody else moved the cursor, it is none."""
        context = self._context
        async with transaction(context.pool) as connection:
            locked = await lock_cursors(connection, [partition])
            if locked[partition] == cursor:
                await mark_partition(connection, partition, "fork")
                context.log.warning("fork", partition=partition, entry_id=cursor.entry_id)
                context.metrics.forks.inc()
        self._cursors.pop(partition, None)
        # An emptied Redis has lost its `gate:meta` too.
        meta = await read_meta(context.transport, context.meta.partitions)
        if meta.partitions != context.meta.partitions:
            raise ContractError(
                f"gate:meta says {meta.partitions} partitions now, {context.meta.partitions} when "
                "this process started: put back what the journals were written with"
            )

    async def _trim(self, partitions: Sequence[int]) -> None:
        """Drops what was booked long enough ago."""
        context = self._context
        margin_s = context.settings.trim_margin_s
        async with borrowed(context.pool) as connection:
            points = await trim_points(connection, partitions, margin_s)
        for part, (entry_id, entry_digest) in points.items():
            await trim(context.transport, self._journal(part), entry_id, entry_digest)

    def _journal(self, partition: int) -> bytes:
        return journal_key(tag_of(partition, self._context.meta.partitions))

    def _log(self, batch: Batch) -> None:
        log = self._context.log
        for one in batch.reports:
            log.warning(
                one.kind,
                organization_id=one.organization_id,
                epoch=one.epoch,
                seq=one.seq,
                credits=one.credits,
                action=one.action,
            )
        for quarantined in batch.quarantined:
            log.error(
                "quarantined",
                partition=quarantined.partition,
                entry_id=quarantined.entry_id,
                organization_id=quarantined.organization_id,
                reason=quarantined.reason,
            )
