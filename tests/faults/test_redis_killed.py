"""A Redis that is killed under load, with `appendfsync always`."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from gate import Gate
from gate.stack import RedisServer
from tests.faults.books import check_books
from tests.faults.work import Work
from tests.support.accounts import account

if TYPE_CHECKING:
    from pathlib import Path

SENDERS, CREDITS, KILLS = 64, 100_000_000, 2
ANSWERS_BETWEEN = 1500
ORGANIZATIONS = ["org_a", "org_b"]


async def test_i1_redis_killed_and_restarted(tmp_path: Path) -> None:
    """Nothing that was acknowledged is lost: every committed credit is in the journal once, every
    hold is there; and what was not acknowledged is found out by asking again."""
    with RedisServer(tmp_path, appendfsync="always") as server:
        async with Gate.connect(server.url) as gate:
            for organization_id in ORGANIZATIONS:
                await gate.load(account(organization_id, CREDITS))
            work = Work(gate, ORGANIZATIONS, random.Random(1))
            ended = False

            async def sender() -> None:
                while not ended:
                    await work.send()

            async with asyncio.timeout(60), asyncio.TaskGroup() as senders:
                for _ in range(SENDERS):
                    senders.create_task(sender())
                url = server.url
                await work.answers(ANSWERS_BETWEEN)
                for _ in range(KILLS):
                    unknown = work.seen["unknown"]
                    server.kill()
                    assert await asyncio.to_thread(server.start) == url
                    await work.answers(ANSWERS_BETWEEN)
                    assert work.seen["unknown"] > unknown, "nothing was in flight"
                ended = True
            assert work.open
            await work.settle(gate)
            for organization_id in ORGANIZATIONS:
                await check_books(gate, organization_id, CREDITS, work.spent[organization_id])
