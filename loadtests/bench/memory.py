"""Bytes of Redis for an idle account, an open hold, a settled id: differences of `used_memory`."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gate import Gate, Reserved
from loadtests.bench import accounts
from loadtests.bench.accounts import account, organization
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, single
from loadtests.bench.servers import PARTITIONS, durability, redis_server
from loadtests.bench.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gate.stack import RedisServer
    from loadtests.bench.plan import Plan

_TOGETHER = 512
_SETTLE_S = 0.2
_REPETITIONS = 3
_PER_ORGANIZATION = 20


def _used(server: RedisServer) -> int:
    """Bytes in use when no journal, no rehashing and no freed page is left."""
    with Wire(server) as wire:
        for key in wire.call("KEYS", "gate:*:journal"):
            wire.call("DEL", key)
        wire.call("SCRIPT", "FLUSH", "SYNC")
        time.sleep(_SETTLE_S)
        wire.call("MEMORY", "PURGE")
        # The output of a large answer may be in use for a moment.
        return min(int(wire.info("memory")["used_memory"]) for _ in range(3))


async def _many(gate: Gate, count: int, organizations: int) -> AsyncIterator[list[Reserved]]:
    """Reserves `count` holds over the organizations, and hands them out in batches."""
    for start in range(0, count, _TOGETHER):
        numbers = range(start, min(start + _TOGETHER, count))
        calls = [gate.reserve(organization(one % organizations)) for one in numbers]
        answers = await asyncio.gather(*calls)
        held = [answer for answer in answers if isinstance(answer, Reserved)]
        assert len(held) == len(calls)
        yield held


def _take(organizations: int, count: int) -> tuple[float, float]:
    """Bytes of an open hold and of a settled id, beyond the idle account."""

    async def work(server: RedisServer) -> tuple[int, int, int]:
        url = server.url
        async with Gate.connect(url, partitions=PARTITIONS, deadline_ms=30_000) as gate:
            states = (account(organization(number)) for number in range(organizations))
            await accounts.load(gate, states)
        idle, held = _used(server), []
        async with Gate.connect(url, partitions=PARTITIONS, deadline_ms=30_000) as gate:
            async for batch in _many(gate, count, organizations):
                held += batch
        open_ = _used(server)
        async with Gate.connect(url, partitions=PARTITIONS, deadline_ms=30_000) as gate:
            for start in range(0, count, _TOGETHER):
                batch = held[start : start + _TOGETHER]
                await asyncio.gather(*(gate.commit(hold) for hold in batch))
        return idle, open_, _used(server)

    with redis_server() as server:
        idle, open_, settled = asyncio.run(work(server))
    return (open_ - idle) / count, (settled - idle) / count


def _account(count: int) -> float:
    """Bytes of an idle account with all its keys."""
    with redis_server() as server:
        accounts.load_all(server.url, 1)
        before = _used(server)
        accounts.load_all(server.url, count + 1)
        return (_used(server) - before) / count


def run(plan: Plan) -> Iterator[Result]:
    """Three shapes of holds and ids: a few each, all in one organization, one each."""
    repetitions = 1 if plan.quick else _REPETITIONS
    mode = durability("off")
    say("memory: idle accounts")
    yield single(
        "memory.idle_account",
        "bytes",
        [_account(plan.many) for _ in range(repetitions)],
        durability=mode,
        target=Target("value", 400, at_least=False),
        detail={"accounts": plan.many, "each": "3 grants, 2 coming periods, id of 20 characters"},
    )
    shapes = {
        "20_in_each_organization": plan.many // _PER_ORGANIZATION,
        "all_in_one_organization": 1,
        "one_in_each_organization": plan.many,
    }
    for shape, organizations in shapes.items():
        say(f"memory: holds and settled ids, {shape}")
        taken = [_take(organizations, plan.many) for _ in range(repetitions)]
        # With one in each, its key and value are what is counted: stated, no target.
        judged = shape != "one_in_each_organization"
        for what, which, bound in (("open_hold", 0, 200), ("settled_id", 1, 80)):
            yield single(
                f"memory.{what}.{shape}",
                "bytes",
                [one[which] for one in taken],
                durability=mode,
                target=Target("value", bound, at_least=False) if judged else None,
                detail={"counted": plan.many, "id": 'gate.new_id("hld"), 29 characters'},
            )
