"""The sweep that proves that Redis and PostgreSQL agree: page by page, and finds what does not.

PostgreSQL is read first, then Redis: only then is a live account that is behind one that went back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import asdict

from gate.domain.errors import BadArgument, ContractError
from gate.domain.limits import check_id
from gate.hot.commands import audit as audit_verb
from gate.hot.commands.audit import Audited
from gate.hot.journal_stream import forget_marks
from gate.hot.keys import organization_keys, tag_of
from gate.hot.live_account import unpack_account
from gate.ledger.transaction import borrowed, transaction
from reconciler.comparison import difference
from reconciler.reading import lock_cursors, read_images
from reconciler.waiting import pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence
    from datetime import datetime

    from gate.hot.keys import OrganizationKeys
    from gate.hot.live_account import LiveAccount
    from gate.ledger.connection import Connection
    from reconciler.comparison import Difference
    from reconciler.context import Context
    from reconciler.image import Image

PAGE: Final = 500
#: So many accounts are decoded before others have their turn: about 5 ms.
_AT_ONCE: Final = 50
#: In the background a sweep takes a quarter of the process at most: first of all it has to book.
_PACE: Final = 3.0
#: How often a process that works on no partition sees whether it has been given any.
_LOOK_AGAIN_S: Final = 0.2

_PAGE_OF_PARTITION: Final = """
SELECT organization_id FROM account
WHERE partition = $1 AND organization_id > $2 AND epoch > 0
ORDER BY organization_id LIMIT $3
"""
_LIST_OPEN: Final = """
SELECT organization_id, max(found_at) AS found_at
FROM drift_report JOIN account USING (organization_id)
WHERE resolved_at IS NULL AND partition = $1
GROUP BY organization_id
"""
_RESOLVE: Final = """
UPDATE drift_report SET resolved_at = now()
WHERE organization_id = ANY ($1) AND found_at <= $2 AND resolved_at IS NULL
"""
_MARK: Final = """
UPDATE account SET repair_state = 'reloading', repair_reason = 'drift', repair_since = now()
WHERE organization_id = ANY ($1) AND repair_state = 'ok'
"""
# What every sweep finds again is told once.
_REPORT: Final = """
INSERT INTO drift_report (organization_id, kind, epoch, seq, live, booked, credits, action)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE NOT EXISTS (
    SELECT FROM drift_report
    WHERE organization_id = $1 AND kind = $2 AND epoch = $3 AND seq = $4 AND action = $8
      AND resolved_at IS NULL)
"""
_LIST_ENDED: Final = """
SELECT organization_id, id FROM operation
WHERE (organization_id, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
  AND status IN ('booked', 'stale', 'rejected')
"""


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


class _Page(NamedTuple):
    """Accounts as they were found, by organization."""

    images: Mapping[str, Image]
    live: Mapping[str, LiveAccount]
    unreadable: Mapping[str, _Unreadable]


class _Unreadable(NamedTuple):
    """A live account that cannot be decoded, and why."""

    packed: bytes
    reason: str


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
        rows = await connection.fetch(_LIST_OPEN, partition)
    reported = {row["organization_id"]: row["found_at"] for row in rows}
    done, last = Sweep(), ""
    while not context.stop.is_set():
        async with borrowed(context.pool) as connection:
            rows = await connection.fetch(_PAGE_OF_PARTITION, partition, last, PAGE)
        if not rows:
            break
        names = [row["organization_id"] for row in rows]
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
    page = await _read(context, partition, organization_ids)
    found: dict[str, Difference] = {}
    settled: dict[str, datetime] = {}
    for number, (name, live) in enumerate(page.live.items()):
        image = page.images[name]
        differs = difference(image, live)
        if differs is not None:
            found[name] = differs
        elif name in reported and _is_settled(image, live, reported[name]):
            settled[name] = reported[name]
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    if found or page.unreadable or settled:
        found = await _report(context, partition, page, found, settled, mark=mark)
    done = Sweep(
        accounts=len(page.live),
        differing=len(found),
        unreadable=len(page.unreadable),
        credits=sum(abs(one.credits) for one in found.values()),
    )
    if audit:
        keys = _keys(context, partition, organization_ids)
        done = total(
            (
                done,
                await _audit(context, page.live, keys),
                Sweep(forgotten=await _forget_marks(context, keys)),
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


# -- reading


async def _read(context: Context, partition: int, organization_ids: Sequence[str]) -> _Page:
    """Without accounts under repair, which nothing can be told of, and those that are absent."""
    async with borrowed(context.pool) as connection:
        images = await read_images(connection, list(organization_ids))
    images = {name: one for name, one in images.items() if one.repair_state == "ok"}
    keys = _keys(context, partition, images)
    values: list[bytes | None] = []
    if keys:
        values = await context.transport.execute("MGET", *(one.account for one in keys.values()))
    live: dict[str, LiveAccount] = {}
    unreadable: dict[str, _Unreadable] = {}
    for number, (name, packed) in enumerate(zip(keys, values, strict=True)):
        if packed is not None:
            try:
                live[name] = unpack_account(packed)
            except ContractError as error:
                unreadable[name] = _Unreadable(packed, str(error))
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return _Page(images, live, unreadable)


def _keys(
    context: Context, partition: int, organization_ids: Iterable[str]
) -> dict[str, OrganizationKeys]:
    tag = tag_of(partition, context.meta.partitions)
    return {name: organization_keys(name, tag) for name in organization_ids}


# -- what differs


async def _report(
    context: Context,
    partition: int,
    page: _Page,
    found: Mapping[str, Difference],
    settled: Mapping[str, datetime],
    *,
    mark: bool,
) -> dict[str, Difference]:
    """Notes what differs, and gives back what still does: while the cursor is locked nobody books,
    and rows and grants that were read before and after a booking are seen for what they are."""
    async with transaction(context.pool) as connection:
        await lock_cursors(connection, [partition])
        images = await read_images(connection, [*found])
        confirmed = {}
        for name, image in images.items():
            before = page.images[name]
            if image.repair_state != "ok" or (image.epoch, image.seq) != (before.epoch, before.seq):
                continue
            differs = difference(image, page.live[name])
            if differs is not None:
                confirmed[name] = differs
        await _write(connection, page, confirmed, mark=mark)
        if settled:
            await connection.execute(_RESOLVE, [*settled], max(settled.values()))
    for name, one in confirmed.items():
        context.metrics.misfits.labels(one.kind).inc()
        context.log.warning(
            one.kind,
            organization_id=name,
            live=one.live,
            booked=one.booked,
            credits=one.credits,
            action="reload" if mark else "none",
        )
    for name, bad in page.unreadable.items():
        context.log.error("unreadable", organization_id=name, reason=bad.reason)
    return confirmed


async def _write(
    connection: Connection, page: _Page, confirmed: Mapping[str, Difference], *, mark: bool
) -> None:
    action = "reload" if mark else "none"
    if mark:
        await connection.execute(_MARK, [*confirmed, *page.unreadable])
    rows: list[tuple[object, ...]] = []
    for name, one in confirmed.items():
        at = one.booked["epoch"], one.booked["seq"]
        rows.append((name, one.kind, *at, one.live, one.booked, one.credits, action))
    for name, bad in page.unreadable.items():
        image = page.images[name]
        live = {"reason": bad.reason, "packed": bad.packed.hex()}
        booked = {"epoch": image.epoch, "seq": image.seq, "posted": image.posted}
        rows.append((name, "unreadable", image.epoch, image.seq, live, booked, None, action))
    await connection.executemany(_REPORT, rows)


# -- what is held, and marks


async def _audit(
    context: Context, live: Mapping[str, LiveAccount], keys: Mapping[str, OrganizationKeys]
) -> Sweep:
    """Counts anew what is held, where the account or a record of a hold says that anything is."""
    seem_idle = [name for name, one in live.items() if not one.held and not one.open_holds]
    busy = [name for name in live if live[name].held or live[name].open_holds]
    counts = await _count(context, "ZCARD", {name: keys[name].holds for name in seem_idle})
    busy += [name for name in seem_idle if counts[name]]
    done = Sweep()
    for begin in range(0, len(busy), _AT_ONCE):
        some = busy[begin : begin + _AT_ONCE]
        calls = [context.caller.call(audit_verb, name, "", ()) for name in some]
        for name, answer in zip(some, await _answers(calls), strict=True):
            if isinstance(answer, Audited):
                before = answer.held_before, answer.open_holds_before
                is_other = before != (answer.held, answer.open_holds)
                done = done._replace(audited=done.audited + 1, corrected=done.corrected + is_other)
                if is_other:
                    context.log.warning("held corrected", **asdict(answer))
            elif isinstance(answer, Exception):
                context.log.error("cannot audit", organization_id=name, reason=str(answer))
        if context.stop.is_set():
            break
    return done


async def _forget_marks(context: Context, keys: Mapping[str, OrganizationKeys]) -> int:
    """Drops the marks of operations that need none any more; how many."""
    counts = await _count(context, "HLEN", {name: one.operations for name, one in keys.items()})
    with_marks = [name for name, count in counts.items() if count]
    if not with_marks:
        return 0
    asking = [context.transport.execute("HKEYS", keys[name].operations) for name in with_marks]
    pairs = [
        (name, operation_id)
        for name, marks in zip(with_marks, await asyncio.gather(*asking), strict=True)
        for operation_id in map(_id, marks)
        if operation_id is not None
    ]
    async with borrowed(context.pool) as connection:
        ended = await connection.fetch(
            _LIST_ENDED, [name for name, _ in pairs], [one for _, one in pairs]
        )
    to_forget: dict[str, list[str]] = {}
    for row in ended:
        to_forget.setdefault(row["organization_id"], []).append(row["id"])
    for name, operation_ids in to_forget.items():
        await forget_marks(context.transport, keys[name].operations, operation_ids)
    return len(ended)


async def _count(context: Context, command: str, keys: Mapping[str, bytes]) -> Counter[str]:
    """How many there are under each key. As most have none, one command asks whether any has; a
    foreign value under a key counts as none."""
    counts: Counter[str] = Counter()
    if keys and await context.transport.execute("EXISTS", *keys.values()):
        asking = [context.transport.execute(command, key) for key in keys.values()]
        for name, answer in zip(keys, await _answers(asking), strict=True):
            if isinstance(answer, Exception):
                context.log.error("cannot count", organization_id=name, reason=str(answer))
            else:
                counts[name] = answer
    return counts


async def _answers(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """What each call answers, or the failure of one that will not pass by itself."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(
            answer, (BadArgument, ContractError)
        ):
            raise answer
    return answers


def _id(mark: bytes) -> str | None:
    try:
        return check_id("operation_id", mark.decode())
    except (UnicodeDecodeError, BadArgument):
        return None
