"""Brings operations to their accounts: in order, again until they are booked.

Whoever records an operation may apply it at once; this is for what did not get there.
"""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from gate.domain.errors import BadArgument, ContractError
from gate.domain.ids import new_id
from gate.domain.operations import Operation, OperationContent, content_of
from gate.domain.outcomes import NotLoaded
from gate.hot.commands import apply
from gate.hot.commands.apply import Applied, Stale
from gate.hot.journal_stream import START, entry_order, forget_marks, last_entry_id
from gate.hot.keys import journal_key, tag_of
from gate.hot.operation import apply_arguments
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed, transaction
from reconciler.reading import lock_cursors, read_cursors
from reconciler.reload import load_absent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.context import Context

AT_ONCE: Final = 1_000
#: An operation that an account took over is booked within a second or so.
AGAIN_AFTER_S: Final = 5.0


class Unbooked(NamedTuple):
    """A row of `operation` that is to be sent."""

    partition: int
    organization_id: str
    id: str
    kind: str
    content: Any
    period_no: int | None
    reference: str | None
    reason: str | None
    status: str


async def send_operations(context: Context) -> int:
    """One pass over the owned partitions; how many accounts took an operation over."""
    async with borrowed(context.pool) as connection:
        rows = await load_statement("list_unbooked_operations").fetch(
            connection, Unbooked, sorted(context.leases.owned), AGAIN_AFTER_S, AT_ONCE
        )
    by_organization = groupby(rows, key=lambda row: row.organization_id)
    sent = [_send_in_order(context, list(own)) for _, own in by_organization]
    applied = [row for own in await asyncio.gather(*sent) for row in own]
    if applied:
        async with borrowed(context.pool) as connection:
            await load_statement("note_applied").execute(
                connection,
                [row.organization_id for row in applied],
                [row.id for row in applied],
            )
    return len(applied)


async def _send_in_order(context: Context, rows: Sequence[Unbooked]) -> list[Unbooked]:
    """Those that the account took over; what comes behind one that it did not has to wait."""
    applied = []
    for row in rows:
        took = await _send(context, row)
        if took is None:
            break
        if took:
            applied.append(row)
    return applied


async def _send(context: Context, row: Unbooked) -> bool | None:
    """Whether the account took it over; None: not yet, False: it never will."""
    try:
        operation = Operation(
            organization_id=row.organization_id,
            id=row.id,
            kind=row.kind,
            content=content_of(row.content),
            period_no=row.period_no,
            reference=row.reference,
            reason=row.reason,
        )
        arguments = apply_arguments(operation)
        answer = await context.caller.call(apply, row.organization_id, row.id, arguments.flat())
        if isinstance(answer, NotLoaded):
            if not await load_absent(context, row.partition, [row.organization_id]):
                return None
            answer = await context.caller.call(apply, row.organization_id, row.id, arguments.flat())
    except BadArgument as error:
        return await _end(context, row, "rejected", str(error))
    except ContractError as error:
        context.log.error(
            "cannot apply",
            organization_id=row.organization_id,
            operation_id=row.id,
            reason=str(error),
        )
        return None
    if isinstance(answer, Stale):
        return await _end_stale(context, row, answer)
    if isinstance(answer, Applied) and answer.replayed and await _is_all_booked(context, row):
        await _end_lost(context, row, operation)
    return True if isinstance(answer, Applied) else None


async def _is_all_booked(context: Context, row: Unbooked) -> bool:
    """Whether everything is booked that the journal holds now."""
    key = journal_key(tag_of(row.partition, context.meta.partitions))
    end = entry_order(await last_entry_id(context.transport, key))
    async with borrowed(context.pool) as connection:
        cursors = await read_cursors(connection, [row.partition])
    cursor = cursors.get(row.partition)
    return entry_order(cursor.entry_id if cursor and cursor.entry_id else START) >= end


async def _end_lost(context: Context, row: Unbooked, operation: Operation) -> None:
    """The account has taken it over, and the journal does not say so (any more): its credits are in
    the amount of a gap. What else it changes went with the reload, and is asked for once more."""
    content = msgspec.structs.replace(operation.content, changes=())
    async with transaction(context.pool) as connection:
        lock = await lock_cursors(connection, [row.partition])
        if not lock or not await load_statement("end_lost_operation").fetch_one(
            connection, str_of, row.organization_id, row.id, "its delta was lost; a gap has it"
        ):
            return
        if content != OperationContent():
            await load_statement("add_operation").execute(
                connection,
                row.organization_id,
                new_id("opn"),
                row.kind,
                row.period_no,
                content,
                row.reference,
                f"what {row.id} changes besides credits",
                "reconciler",
            )
    key = context.caller.keys_of(row.organization_id).operations
    await forget_marks(context.transport, key, [row.id])
    context.log.warning("lost", organization_id=row.organization_id, operation_id=row.id)


def str_of(id: str) -> str:
    """A row of one text."""
    return id


async def _end_stale(context: Context, row: Unbooked, answer: Stale) -> bool | None:
    """The account is in another period. That is final only once all is booked that the journal
    held then: the operation itself may be in it, from before the period turned."""
    if not await _is_all_booked(context, row):
        return None
    why = f"meant for period {row.period_no}, the account is in period {answer.period_no}"
    return await _end(context, row, "stale", why)


async def _end(context: Context, row: Unbooked, status: str, why: str) -> bool:
    async with borrowed(context.pool) as connection:
        await load_statement("end_operation").execute(
            connection, row.organization_id, row.id, status, why
        )
    context.log.warning(
        status, organization_id=row.organization_id, operation_id=row.id, reason=why
    )
    return False
