"""What has to happen to accounts that nobody calls: holds expire, periods turn, calendars go on.

Each function is one pass over the owned partitions, and may be run again at any time.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gate.domain.accounts import ComingPeriod
from gate.domain.calendar import Anchor, coming_periods
from gate.domain.errors import BadArgument
from gate.domain.operations import OperationContent
from gate.domain.outcomes import NotLoaded
from gate.hot.commands import expire, touch
from gate.hot.commands.expire import Expired
from gate.hot.commands.touch import Touched
from gate.hot.keys import due_key, tag_of
from gate.hot.wanted import take_wanted
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler.reload import call_each, load_absent

if TYPE_CHECKING:
    from reconciler.context import Context

AT_ONCE: Final = 500
#: lib/sweep.lua: an overdue hold is swept so long after its expiry at the earliest.
_GRACE_MS: Final = 250
_EXPIRED_AT_ONCE: Final = 1_000
_PERIODS_AHEAD: Final = 2


class Place(NamedTuple):
    """An organization and where it lives."""

    partition: int
    organization_id: str


class Calendar(NamedTuple):
    """What the next periods of an organization are computed from."""

    timezone: str
    anchor_day: int
    period_no: int
    ends_at: datetime
    coming: Any
    monthly_credits: int


async def expire_overdue(context: Context) -> int:
    """Settles overdue holds for nothing; how many."""
    seconds, microseconds = await context.transport.execute("TIME")
    until = int(seconds) * 1000 + int(microseconds) // 1000 - _GRACE_MS
    listing = [
        context.transport.execute(
            "ZRANGEBYSCORE", _due(context, part), 0, until, "LIMIT", 0, AT_ONCE
        )
        for part in sorted(context.leases.owned)
    ]
    found = [name.decode() for names in await asyncio.gather(*listing) for name in names]
    answers = await call_each(
        context,
        {one: context.caller.call(expire, one, "", (_EXPIRED_AT_ONCE,)) for one in found},
    )
    return sum(answer.holds for answer in answers.values() if isinstance(answer, Expired))


async def touch_due(context: Context) -> int:
    """Lets time pass for accounts that nobody calls; for how many it did. One that is not in Redis
    is loaded: its period shall turn too."""
    async with borrowed(context.pool) as connection:
        places = await load_statement("list_due_accounts").fetch(
            connection, Place, sorted(context.leases.owned), AT_ONCE
        )
    answers = await call_each(
        context,
        {
            one.organization_id: context.caller.call(touch, one.organization_id, "", ())
            for one in places
        },
    )
    absent: dict[int, list[str]] = {}
    for one in places:
        if isinstance(answers[one.organization_id], NotLoaded):
            absent.setdefault(one.partition, []).append(one.organization_id)
    # Those that stay as they are do not count (it is not that late in Redis, or no load succeeds):
    # they are looked at again after a pause.
    moved = sum(isinstance(one, Touched) and one.changed for one in answers.values())
    for part, organization_ids in absent.items():
        moved += await load_absent(context, part, organization_ids)
    return moved


async def preload_periods(context: Context) -> int:
    """Makes operations that tell accounts of the periods to come; how many."""
    async with borrowed(context.pool) as connection:
        found = await load_statement("list_short_calendars").fetch(
            connection,
            lambda organization_id: organization_id,
            sorted(context.leases.owned),
            AT_ONCE,
        )
    made = 0
    for organization_id in found:
        try:
            await _preload(context, organization_id)
            made += 1
        except BadArgument as error:
            context.log.error("no calendar", organization_id=organization_id, reason=str(error))
    return made


async def _preload(context: Context, organization_id: str) -> None:
    async with transaction(context.pool) as connection:
        calendar = await load_statement("lock_calendar").fetch_one(
            connection, Calendar, organization_id
        )
        if calendar is None:
            return
        known = msgspec.convert(calendar.coming, tuple[ComingPeriod, ...])
        coming = next_periods(calendar, known)
        content = OperationContent(coming=coming)
        await load_statement("add_operation").execute(
            connection,
            organization_id,
            f"periods_{calendar.period_no}_{coming[-1].period_no}",
            "periods",
            calendar.period_no,
            content,
            None,
            "the calendar goes on",
            "reconciler",
        )


def next_periods(calendar: Calendar, known: tuple[ComingPeriod, ...]) -> tuple[ComingPeriod, ...]:
    """The periods that are known to come, and as many behind them as make two. They give what the
    last one gives, and follow the organization's anchor. Raises BadArgument."""
    last_no = known[-1].period_no if known else calendar.period_no
    ends_at = known[-1].ends_at if known else calendar.ends_at
    allowance = known[-1].allowance if known else calendar.monthly_credits
    if ends_at is None:
        return known
    anchor = Anchor(calendar.anchor_day, calendar.timezone)
    behind = coming_periods(anchor, ends_at, 0, _PERIODS_AHEAD - len(known), allowance)
    return known + tuple(
        replace(period, period_no=last_no + number) for number, period in enumerate(behind, start=1)
    )


async def serve_wanted(context: Context) -> int:
    """Loads accounts that senders without PostgreSQL have asked for; how many."""
    loaded = 0
    for part in sorted(context.leases.owned):
        tag = tag_of(part, context.meta.partitions)
        wanted = await take_wanted(context.transport, tag, AT_ONCE)
        loaded += await load_absent(context, part, wanted)
    return loaded


def _due(context: Context, partition: int) -> bytes:
    return due_key(tag_of(partition, context.meta.partitions))
