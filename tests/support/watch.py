"""What a test wants to see of a gate's Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gate import Account
from gate.hot.journal import Delta, read_delta

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate import Gate


async def look(gate: Gate, organization_id: str = "org_a") -> Account:
    """The account, which has to be there."""
    seen = await gate.peek(organization_id)
    assert isinstance(seen, Account)
    return seen


async def journal_of(gate: Gate, organization_id: str = "org_a") -> list[Delta]:
    """The deltas of one organization."""
    key = gate.caller.keys_of(organization_id).journal
    entries = await gate.caller.transport.execute("XRANGE", key, "-", "+")
    fields = (dict(zip(entry[::2], entry[1::2], strict=True)) for _, entry in entries)
    deltas = (read_delta(one) for one in fields)
    return [delta for delta in deltas if delta.organization_id == organization_id]


async def until(happened: Callable[[], object]) -> None:
    """Lets the loop turn until something has happened of which no event tells."""
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def written(gate: Gate, task: asyncio.Task[object]) -> None:
    """Returns when the call that `task` makes is on its way to Redis."""
    await until(lambda: gate.caller.transport.in_flight or task.done())
    await asyncio.sleep(0)
    assert not task.done()
