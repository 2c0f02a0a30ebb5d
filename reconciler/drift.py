"""The sweep that proves that Redis and PostgreSQL agree: page by page, and finds what does not.

PostgreSQL is read first, then Redis: only then is a live account that is behind one that went back.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from reconciler.audit import audit_held
from reconciler.comparison import difference
from reconciler.drift_report import report
from reconciler.live_page import AT_ONCE, keys_of, read_page
from reconciler.marks import drop_marks
from reconciler.waiting import pause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from gate.hot.live_account import LiveAccount
    from reconciler.comparison import Difference
    from reconciler.context import Context
    from reconciler.image import Image

PAGE: Final = 500
#: In the background a sweep takes a quarter of the process at most: first of all it has to book.
_PACE: Final = 3.0
#: How often a process that works on no partition sees whether it has been given any.
_LOOK_AGAIN_S: Final = 0.2


class Sweep(NamedTuple):
    """What a sweep did. `accounts`: compared, those in Redis and not under repair; `unreadable`:
    could not be decoded; `forgotten`: marks of operations that had outlived them; `credits`:
    Σ |live − booked| of what differs."""

    accounts: int = 0
    differing: int = 0
    audited: int = 0
    corrected: int = 0
    unreadable: int = 0
    seconds: float = 0.0
    forgotten: int = 0
    credits: int = 0


async def run(context: Context) -> None:
    """Sweep over the owned partitions, pause, sweep again, until the stop event."""
    while not context.stop.is_set():
        if not context.leases.owned:
            await pause(context.stop, _LOOK_AGAIN_S)
            continue
        await _sweep_owned(context)
        await pause(context.stop, context.settings.drift_pause_s)


async def _sweep_owned(context: Context) -> None:
    repair = not context.settings.dry_run
    done = Sweep()
    for part in sorted(context.leases.owned):
        if part in context.leases.owned:
            swept = await compare_partition(context, part, mark=repair, audit=repair, pace=_PACE)
            done = total((done, swept))
    if context.stop.is_set():
        return
    context.metrics.sweep_seconds.labels("drift").observe(done.seconds)
    context.metrics.drift_credits.set(done.credits)
    context.log.info("drift sweep", **done._asdict())


async def compare_partition(
    context: Context, partition: int, *, mark: bool, audit: bool, pace: float = 0.0
) -> Sweep:
    """Compares the accounts of a partition with what is booked of them, and reports what differs.

    `mark`: what differs is to be reloaded. `audit`: what is held is counted anew, and marks of
    operations that are booked, or never will be, are dropped. `pace`: after each page of accounts
    comes a pause of so many times what it took. Ends early at the stop event.
    Raises Unavailable, CommitUnknown, OutcomeUnknown, AnswerLost, after which it may be run again.
    """
    started = monotonic()
    async with borrowed(context.pool) as connection:
        rows = await load_statement("list_reported").fetch(connection, _Reported, partition)
    reported = dict(rows)
    done, last = Sweep(), ""
    while not context.stop.is_set():
        async with borrowed(context.pool) as connection:
            names = await load_statement("page_accounts").fetch(
                connection, _name, partition, last, PAGE
            )
        if not names:
            break
        last = names[-1]
        swept = await compare_accounts(
            context, partition, names, mark=mark, audit=audit, reported=reported
        )
        done = total((done, swept))
        await (pause(context.stop, pace * swept.seconds) if pace else asyncio.sleep(0))
    return done._replace(seconds=monotonic() - started)


async def compare_accounts(
    context: Context,
    partition: int,
    organization_ids: Sequence[str],
    *,
    mark: bool,
    audit: bool,
    reported: Mapping[str, datetime],
) -> Sweep:
    """As `compare_partition`, for some accounts of one partition: some hundred, as they are held
    in memory. `reported`: when the last open report was found, by organization."""
    started = monotonic()
    page = await read_page(context, partition, organization_ids)
    found: dict[str, Difference] = {}
    settled: dict[str, datetime] = {}
    for number, (name, live) in enumerate(page.live.items()):
        image = page.images[name]
        differs = difference(image, live)
        if differs is not None:
            found[name] = differs
        elif name in reported and _is_settled(image, live, reported[name]):
            settled[name] = reported[name]
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    if found or page.unreadable or settled:
        found = await report(context, partition, page, found, settled, mark=mark)
    done = Sweep(
        accounts=len(page.live),
        differing=len(found),
        unreadable=len(page.unreadable),
        credits=sum(abs(one.credits) for one in found.values()),
    )
    if audit:
        keys = keys_of(context, partition, organization_ids)
        done = total(
            (
                done,
                Sweep(**(await audit_held(context, page.live, keys))._asdict()),
                Sweep(forgotten=await drop_marks(context, keys)),
            )
        )
    return done._replace(seconds=monotonic() - started)


def _is_settled(image: Image, live: LiveAccount, found_at: datetime) -> bool:
    """Whether an account that does not differ is over what was reported of it: both sides are
    equal, or, as one that is never idle is always ahead, it was loaded since."""
    is_equal = (live.epoch, live.seq) == (image.epoch, image.seq)
    return is_equal or image.loaded_ms > found_at.timestamp() * 1000


def total(sweeps: Iterable[Sweep]) -> Sweep:
    """All of them as one."""
    return Sweep(*map(sum, zip(*sweeps, strict=True)))


class _Reported(NamedTuple):
    organization_id: str
    found_at: datetime


def _name(organization_id: str) -> str:
    return organization_id
