"""Numbers that nobody counts by the way: lag, ages, what waits for a person."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.hot.journal_stream import entry_order
from gate.hot.keys import due_key, journal_key, tag_of
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from reconciler.reading import read_cursors

if TYPE_CHECKING:
    from reconciler.context import Context


_COUNTED_MAX: Final = 1_000


class Waiting(NamedTuple):
    """What of the owned partitions waits for somebody."""

    reloading: int
    stopped: int
    operation_age_s: float
    quarantined: int


class Lag(NamedTuple):
    """How far booking is behind the end of a partition's journal. From 1,000 deltas on the whole
    stream is counted, with what is booked and not yet trimmed."""

    deltas: int
    seconds: float


async def measure(context: Context) -> int:
    """Sets the gauges of the owned partitions; always 0, so that a pause follows."""
    partitions, metrics = sorted(context.leases.owned), context.metrics
    now_ms = await redis_now_ms(context)
    async with borrowed(context.pool) as connection:
        cursors = await read_cursors(connection, partitions)
        waiting = await load_statement("measure_accounts").fetch_one(
            connection, Waiting, partitions
        )
    for part in partitions:
        cursor = cursors.get(part)
        lag = await read_lag(context, part, cursor.entry_id if cursor else "", now_ms)
        metrics.lag_deltas.labels(part).set(lag.deltas)
    firsts = await asyncio.gather(
        *(
            context.transport.execute("ZRANGE", _due(context, part), 0, 0, "WITHSCORES")
            for part in partitions
        )
    )
    overdue_ms = [now_ms - float(first[1]) for first in firsts if first]
    metrics.oldest_open_hold_seconds.set(max(0.0, *overdue_ms, 0.0) / 1000)
    if waiting is not None:
        metrics.accounts.labels("reloading").set(waiting.reloading)
        metrics.accounts.labels("stopped").set(waiting.stopped)
        metrics.oldest_unapplied_operation_seconds.set(waiting.operation_age_s)
    return 0


async def read_lag(context: Context, partition: int, entry_id: str, now_ms: int) -> Lag:
    """The entries behind a cursor, and the age of the first of them."""
    key = journal_key(tag_of(partition, context.meta.partitions))
    start = f"({entry_id}" if entry_id else "-"
    behind = await context.transport.execute("XRANGE", key, start, "+", "COUNT", _COUNTED_MAX)
    if not behind:
        return Lag(0, 0.0)
    age_s = max(0.0, (now_ms - entry_order(behind[0][0].decode())[0]) / 1000)
    if len(behind) < _COUNTED_MAX:
        return Lag(len(behind), age_s)
    return Lag(await context.transport.execute("XLEN", key), age_s)


async def redis_now_ms(context: Context) -> int:
    """The clock of Redis, in ms since 1970."""
    seconds, microseconds = await context.transport.execute("TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000


def _due(context: Context, partition: int) -> bytes:
    return due_key(tag_of(partition, context.meta.partitions))
