"""An emptied Redis is rebuilt from PostgreSQL, and both are compared account by account."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from loadtests.bench.books import opened, prepare
from loadtests.bench.daemon import environment
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, single
from loadtests.bench.servers import PARTITIONS, durability, postgres_server, redis_server
from loadtests.bench.wire import Wire
from reconciler.drift import Sweep, compare_partition, total

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.stack import PostgresServer, RedisServer
    from loadtests.bench.plan import Plan

_FAST = Target("value", 20_000)
_MODE = f"{durability('everysec')} / synchronous_commit on"
#: What the command says at its end.
_TOLD = re.compile(r"loaded ([\d,]+) accounts in [\d.]+ s \(([\d,]+)/s\)")


class _Rebuilt(NamedTuple):
    """Organizations a second: while they were loaded, and from the start of the process to its
    end, with the fork that is found and the loads that are booked."""

    loading: float
    in_all: float


def _rebuild(redis: RedisServer, postgres: PostgresServer, accounts: int) -> _Rebuilt:
    with Wire(redis) as wire:
        wire.call("FLUSHALL", "SYNC")
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "rebuild", "--log-level", "error"],
            env=environment(redis.url, postgres.url),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - started
        there = len(wire.call("KEYS", "gate:*:a:*"))
    told = _TOLD.match(done.stdout)
    loaded, rate = (int(one.replace(",", "")) for one in told.groups()) if told else (0, 0)
    if not loaded == there == accounts:
        raise RuntimeError(f"{there} of {accounts} accounts are there: {done.stdout}")
    return _Rebuilt(rate, accounts / seconds)


async def _sweep(redis: RedisServer, postgres: PostgresServer, times: int) -> list[Sweep]:
    """Over all partitions, as the daemon does it, but for its pauses."""
    async with opened(redis.url, postgres.url) as context:
        return [
            total(
                [
                    await compare_partition(context, part, mark=True, audit=True)
                    for part in range(PARTITIONS)
                ]
            )
            for _ in range(times)
        ]


def run(plan: Plan) -> Iterator[Result]:
    """Organizations a second into an emptied Redis; seconds of a sweep over all of them."""
    with redis_server("everysec") as redis, postgres_server() as postgres:
        say(f"rebuild: {plan.accounts} organizations are made")
        asyncio.run(prepare(redis.url, postgres.url, plan.accounts))
        taken = []
        for number in range(plan.rebuilds + 1):
            say(f"rebuild: {number + 1} of {plan.rebuilds + 1}")
            taken.append(_rebuild(redis, postgres, plan.accounts))
        del taken[0]
        say("rebuild: sweeps")
        sweeps = asyncio.run(_sweep(redis, postgres, plan.rebuilds + 1))[1:]
    detail = {"organizations": plan.accounts, "grants of each": 2}
    yield single(
        "rebuild.loading",
        "organizations/s",
        [one.loading for one in taken],
        durability=_MODE,
        target=_FAST,
        detail=detail,
    )
    yield single(
        "rebuild.in_all",
        "organizations/s",
        [one.in_all for one in taken],
        durability=_MODE,
        detail=detail | {"with": "start of the process, marking, booking of the loads"},
    )
    wrong = [one for one in sweeps if one.accounts != plan.accounts or one.differing]
    if wrong:
        raise RuntimeError(f"a sweep found something: {wrong[0]}")
    yield single(
        "rebuild.drift_sweep",
        "s",
        [one.seconds for one in sweeps],
        durability=_MODE,
        detail=detail | {"accounts/s": round(plan.accounts / min(one.seconds for one in sweeps))},
    )
