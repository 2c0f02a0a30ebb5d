"""Marks of operations that have outlived them are dropped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from gate.domain.errors import BadArgument
from gate.domain.limits import check_id
from gate.hot.journal_stream import forget_marks
from gate.ledger.statement import load_statement
from gate.ledger.transaction import borrowed
from reconciler.answers import count_each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.hot.keys import OrganizationKeys
    from reconciler.context import Context


class _Ended(NamedTuple):
    organization_id: str
    id: str


async def drop_marks(context: Context, keys: Mapping[str, OrganizationKeys]) -> int:
    """Drops the marks of operations that need none any more; how many."""
    counts = await count_each(context, "HLEN", {name: one.operations for name, one in keys.items()})
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
        ended = await load_statement("list_ended_operations").fetch(
            connection, _Ended, [name for name, _ in pairs], [one for _, one in pairs]
        )
    to_forget: dict[str, list[str]] = {}
    for one in ended:
        to_forget.setdefault(one.organization_id, []).append(one.id)
    for name, operation_ids in to_forget.items():
        await forget_marks(context.transport, keys[name].operations, operation_ids)
    return len(ended)


def _id(mark: bytes) -> str | None:
    try:
        return check_id("operation_id", mark.decode())
    except (UnicodeDecodeError, BadArgument):
        return None
