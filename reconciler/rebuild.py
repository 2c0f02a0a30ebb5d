"""`gate rebuild`: loads the accounts that Redis lacks, in bulk, those used last first.

First everything is booked that the journals hold; of an emptied Redis that finds the fork and marks
the accounts. Then accounts are seen to be absent, and only then the journals' ends are read: so one
end of a partition does for all of its accounts, and no page waits until the loads of the one before
are booked. The names are kept in memory for that, about 100 bytes each.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from gate.domain.errors import GateError
from gate.hot.calls import AnswerLost
from gate.hot.journal_stream import START, entry_order, last_entry_id
from gate.hot.keys import journal_key, organization_keys, tag_of
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from reconciler.bulk_loading import load_all, pages
from reconciler.consumer import Consumer
from reconciler.reading import read_cursors
from reconciler.rebuild_progress import TELL_EVERY_S, rate

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence

    from reconciler.context import Context

#: What was behind in one pass (the journal forked again) is looked at in the next.
_PASSES: Final = 3


async def run(context: Context, args: argparse.Namespace) -> int:
    """Load what is absent: of `args.organizations`, else of all that were ever loaded, else, with
    `args.all`, of all. The exit code: 0, or 1 if some were not loaded.

    Raises GateError; what is loaded by then stays, and the next run goes on.
    """
    wanted = list(dict.fromkeys(args.organizations)) or None
    started = monotonic()
    try:
        async with _leased(context):
            done = await _rebuild(context, wanted, everything=args.all or wanted is not None)
    except AnswerLost as error:
        raise GateError(f"Redis: {error}; run it again: what is loaded stays") from error
    missed = done["failed"] + done["behind"] + done["unknown"]
    sys.stdout.write(
        f"loaded {done['loaded']:,} accounts in {done['load_ms'] / 1000:.1f} s"
        f" ({rate(done['loaded'], done['load_ms'] / 1000)}), {monotonic() - started:.1f} s with"
        f" booking; {done['present']:,} were in Redis, {missed:,} were not loaded\n"
    )
    return 1 if missed or context.stop.is_set() else 0


async def _rebuild(
    context: Context, wanted: Sequence[str] | None, *, everything: bool
) -> Counter[str]:
    """Counts of accounts: loaded, present, failed, behind, unknown; and load_ms."""
    consumer, done = Consumer(context), Counter[str]()
    for number in range(_PASSES):
        done["behind"] = 0
        await _book(context, consumer)
        absent: dict[int, list[str]] = {}
        known: list[str] = []
        for part in range(context.meta.partitions):
            names = await _list_names(context, part, wanted, everything=everything)
            absent[part] = await _absent(context, part, names)
            known += names
        if number == 0:
            done["present"] = len(known) - sum(map(len, absent.values()))
            unknown = sorted({*(wanted or ())} - {*known})
            done["unknown"] = len(unknown)
            if unknown:
                sys.stderr.write(f"no account: {', '.join(unknown)}\n")
        ends = await _book(context, consumer)
        started = monotonic()
        done += await load_all(context, absent, ends)
        done["load_ms"] += round((monotonic() - started) * 1000)
        if not done["behind"] or context.stop.is_set():
            break
    await _book(context, consumer)
    return done


@asynccontextmanager
async def _leased(context: Context) -> AsyncIterator[None]:
    """Other reconcilers leave partitions to this process meanwhile. They may book them all the
    same, and so may this one theirs: the cursors decide."""
    end = asyncio.Event()
    leasing = asyncio.create_task(context.leases.run(end))
    try:
        yield
    finally:
        end.set()
        await leasing


async def _book(context: Context, consumer: Consumer) -> dict[int, str]:
    """Books what the journals hold now; their ends, by partition."""
    partitions = range(context.meta.partitions)
    keys = [journal_key(tag_of(part, context.meta.partitions)) for part in partitions]
    asking = [last_entry_id(context.transport, key) for key in keys]
    ends = dict(zip(partitions, await asyncio.gather(*asking), strict=True))
    behind, told_at = [*partitions], monotonic()
    while behind and not context.stop.is_set():
        if monotonic() - told_at >= TELL_EVERY_S:
            told_at = monotonic()
            sys.stderr.write(f"booking the journals of {len(behind)} partitions\n")
        await consumer.tick(behind)
        async with borrowed(context.pool) as connection:
            cursors = await read_cursors(connection, behind)
        booked = {part: one.entry_id or START for part, one in cursors.items()}
        behind = [
            part
            for part in behind
            if entry_order(booked.get(part, START)) < entry_order(ends[part])
        ]
    return ends


async def _list_names(
    context: Context, partition: int, wanted: Sequence[str] | None, *, everything: bool
) -> list[str]:
    async with borrowed(context.pool) as connection:
        return await load_statement("list_loadable").fetch(
            connection, _name, partition, everything, wanted
        )


def _name(organization_id: str) -> str:
    return organization_id


async def _absent(context: Context, partition: int, names: Sequence[str]) -> list[str]:
    """Those of an emptied Redis in few commands."""
    transport = context.transport
    account = organization_keys("", tag_of(partition, context.meta.partitions)).account
    absent: list[str] = []
    for page in pages(names):
        keys = [account + name.encode() for name in page]
        count = await transport.execute("EXISTS", *keys)
        if count == 0:
            absent += page
        elif count < len(page):
            there = await asyncio.gather(*(transport.execute("EXISTS", key) for key in keys))
            absent += [name for name, is_there in zip(page, there, strict=True) if not is_there]
    return absent
