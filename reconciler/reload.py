"""The one repair: take an account out of Redis, let what is left be booked, load it again.

A state of the account's row, advanced a step at a time: nothing here waits for the booking.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from gate.domain.errors import ContractError
from gate.domain.outcomes import Loaded, NotLoaded
from gate.hot.commands import load, retire
from gate.hot.commands.retire import Retired
from gate.hot.journal_stream import last_entry_id
from gate.hot.keys import journal_key, tag_of
from gate.hot.layout import pack_account
from gate.hot.live_account import unpack_account
from gate.ledger.accounts import load_accounts
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler.reading import lock_cursors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from reconciler.context import Context

Answer = TypeVar("Answer")

AT_ONCE: Final = 1_000

#: Only what was found to be unreadable goes: somebody may have loaded the account since.
_DROP: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""


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
        misfits = await load_statement("list_misfits").fetch(connection, Misfit, partition, AT_ONCE)
    limit, most = context.settings.drift_limit_credits, context.settings.reloads_per_hour_max
    too_much = [one for one in misfits if one.reloads > most or one.credits > limit]
    if too_much:
        await _stop(context, partition, too_much)
    absent = await _retire(context, [one for one in misfits if one not in too_much])
    return await load_absent(context, partition, absent)


async def load_absent(context: Context, partition: int, organization_ids: Sequence[str]) -> int:
    """Loads accounts that were seen to be absent from Redis, if everything is booked that the
    journal held then; how many."""
    if not organization_ids:
        return 0
    key = journal_key(tag_of(partition, context.meta.partitions))
    journal_end = await last_entry_id(context.transport, key)
    async with borrowed(context.pool) as connection:
        states = await load_accounts(
            connection,
            partition,
            journal_end,
            organization_ids,
            refused=lambda error: context.log.error("cannot be loaded", reason=str(error)),
        )
    answers = await call_each(
        context,
        {
            state.organization_id: context.caller.call(
                load, state.organization_id, "", (pack_account(state),)
            )
            for state in states
        },
    )
    loaded = sum(isinstance(answer, Loaded) for answer in answers.values())
    context.metrics.loads.inc(loaded)
    return loaded


async def call_each(
    context: Context, calls: Mapping[str, Awaitable[Answer]]
) -> dict[str, Answer | ContractError]:
    """Calls of one verb for many organizations at once. An account that cannot be read, or a
    foreign value under its keys, is told and must not hold up the others; other failures raise."""
    answers = await asyncio.gather(*calls.values(), return_exceptions=True)
    found: dict[str, Answer | ContractError] = {}
    for organization_id, answer in zip(calls, answers, strict=True):
        if isinstance(answer, ContractError):
            context.log.error("refused", organization_id=organization_id, reason=str(answer))
        elif isinstance(answer, BaseException):
            raise answer
        found[organization_id] = answer
    return found


async def _retire(context: Context, misfits: Sequence[Misfit]) -> list[str]:
    """Takes accounts out of Redis; which are not there (any more). What `retire` journals must be
    booked before the account is loaded, hence a later step does that."""
    answers = await call_each(
        context,
        {
            one.organization_id: context.caller.call(
                retire, one.organization_id, "", (max(1, one.epoch),)
            )
            for one in misfits
        },
    )
    absent = []
    for organization_id, answer in answers.items():
        if isinstance(answer, ContractError):
            await _drop_unreadable(context, organization_id)
        elif isinstance(answer, NotLoaded):
            absent.append(organization_id)
        elif isinstance(answer, Retired):
            context.metrics.reloads.inc()
    return absent


async def _drop_unreadable(context: Context, organization_id: str) -> None:
    """What is no account takes part in nothing, so nothing of it is lost: the ledger has it all. A
    value of another type is left to a person."""
    key = context.caller.keys_of(organization_id).account
    try:
        packed = await context.transport.execute("GET", key)
    except ContractError:  # of another type, as whoever met it has told
        return
    try:
        if packed is not None:
            unpack_account(packed)
    except ContractError:
        await context.transport.execute("EVAL", _DROP, 1, key, packed)
        context.log.error("dropped what is no account", organization_id=organization_id)


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
