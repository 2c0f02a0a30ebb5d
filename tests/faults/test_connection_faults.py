"""Connections that are cut, held up and refused while 64 senders work."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from gate import Gate
from tests.faults.books import check_books
from tests.faults.work import Work
from tests.hot.proxy import Proxy
from tests.support.accounts import account

if TYPE_CHECKING:
    from gate.stack import RedisServer

SENDERS, MESSAGES, CREDITS = 64, 60, 50_000_000
ORGANIZATIONS = ["org_a", "org_b", "org_c"]


async def make_trouble(proxy: Proxy, chance: random.Random) -> None:
    """Cuts connections, and holds answers and requests up, now within and now beyond the deadline;
    one piece of an answer in fifty breaks off in its middle."""
    proxy.change = lambda data: data if chance.random() > 0.02 else None
    try:
        while True:
            await asyncio.sleep(chance.uniform(0, 0.02))
            trouble = chance.choice(["cut", "answers", "requests"])
            if trouble == "cut":
                proxy.cut()
                continue
            held_up = proxy.answers if trouble == "answers" else proxy.requests
            held_up.clear()
            await asyncio.sleep(chance.choice([0.002, 0.01, 0.15]))
            held_up.set()
    finally:
        proxy.change = lambda data: data
        proxy.answers.set()
        proxy.requests.set()


@pytest.mark.parametrize("turn", range(2))
async def test_i1_i3_i10_connection_cut_at_random(
    redis_server: RedisServer, gate: Gate, turn: int
) -> None:
    """Whatever happens on the way, every answer is the one to what was asked, no hold leaks, and
    no credit is spent twice, as long as senders ask again under the same id."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    for organization_id in ORGANIZATIONS:
        await gate.load(account(organization_id, CREDITS))
    async with (
        Proxy(redis_server.port) as proxy,
        Gate.connect(proxy.url, deadline_ms=100) as troubled,
    ):
        work = Work(troubled, ORGANIZATIONS, chance)
        work.cancel_one_in = 8

        async def sender() -> None:
            for _ in range(MESSAGES):
                await work.send()

        trouble = asyncio.create_task(make_trouble(proxy, chance))
        try:
            async with asyncio.TaskGroup() as senders:
                for _ in range(SENDERS):
                    senders.create_task(sender())
        finally:
            assert not trouble.done()
            trouble.cancel()
            await asyncio.wait((trouble,))
        reconnects = troubled.caller.transport.reconnects
    for what in ("cancelled", "unknown", "replayed"):
        assert work.seen[what], f"nothing was {what}: {work.seen}"
    assert reconnects
    await work.settle(gate)
    for organization_id in ORGANIZATIONS:
        await check_books(gate, organization_id, CREDITS, work.spent[organization_id])
