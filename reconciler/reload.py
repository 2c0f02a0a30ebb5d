"""The one repair: take an account out of Redis, let what is left be booked, load it again.

A state of the account's row, advanced a step at a time: nothing here waits for the booking.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.errors import ContractError
from gate.domain.outcomes import Loaded, NotLoaded
from gate.hot.commands import load, retire
from gate.hot.journal_stream import last_entry_id
from gate.hot.keys import journal_key, tag_of
from gate.hot.layout import pack_account
from gate.ledger.accounts import load_accounts
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler.reading import lock_cursors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.context import Context

AT_ONCE: Final = 1_000


class Misfit(NamedTuple):
    """An account to be reloaded: how often it was within an hour, and by how many credits it was
    last found to differ."""

    organization_id: str
    epoch: int
    seq: int
    reloads: int
    credits: int


async def reload_partition(context: Context, partition: int) -> int:
    """One step for the accounts of a partition that are to be reloaded; how many were loaded.

    Those that used up their reloads, or differ by too much, are stopped for a person instead.
    """
    async with borrowed(context.pool) as connection:
        misfits = await load_statement("list_misfits").fetch(
            connection, Misfit, partition, AT_ONCE
        )
    limit, most = context.settings.drift_limit_credits, context.settings.reloads_per_hour_max
    too_much = [one for one in misfits if one.reloads > most or one.credits > limit]
    if too_much:
        await _stop(context, partition, too_much)
    absent = await _retire(context, [one for one in misfits if one not in too_much])
    return await load_absent(context, partition, absent)


async def load_absent(
    context: Context, partition: int, organization_ids: Sequence[str]
) -> int:
    """Loads accounts that were seen to be absent from Redis, if everything is booked that the
    journal held then; how many."""
    if not organization_ids:
        return 0
    key = journal_key(tag_of(partition, context.meta.partitions))
    journal_end = await last_entry_id(context.transport, key)
    async with borrowed(context.pool) as connection:
        states = await load_accounts(connection, partition, journal_end, organization_ids)
    loading = [
        context.caller.call(load, state.organization_id, "", (pack_account(state),))
        for state in states
    ]
    answers = await asyncio.gather(*loading, return_exceptions=True)
    _raise_first(answers)
    loaded = sum(isinstance(answer, Loaded) for answer in answers)
    context.metrics.loads.inc(loaded)
    return loaded


async def _retire(context: Context, misfits: Sequence[Misfit]) -> list[str]:
    """Takes accounts out of Redis; which are not there (any more). What `retire` journals must be
    booked before the account is loaded, hence a later step does that."""
    retiring = [
        context.caller.call(retire, one.organization_id, "", (max(1, one.epoch),))
        for one in misfits
    ]
    answers = await asyncio.gather(*retiring, return_exceptions=True)
    _raise_first(answers)
    return [
        one.organization_id
        for one, answer in zip(misfits, answers, strict=True)
        if isinstance(answer, NotLoaded)
    ]


async def _stop(context: Context, partition: int, misfits: Sequence[Misfit]) -> None:
    async with transaction(context.pool) as connection:
        await lock_cursors(connection, [partition])
        ids = [one.organization_id for one in misfits]
        await load_statement("stop_accounts").execute(connection, ids)
    for one in misfits:
        context.log.error(
            "stopped",
            organization_id=one.organization_id,
            reloads=one.reloads,
            credits=one.credits,
            what="frozen until a person has looked: gate drift " + one.organization_id,
        )


def _raise_first(answers: Sequence[object]) -> None:
    """One account that cannot be read must not hold up the others: it is told, and left."""
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ContractError):
            raise answer

