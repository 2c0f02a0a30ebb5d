"""How far booking is behind at half the peak rate, and what the daemon costs the senders."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

from gate.ledger.pool import connected
from loadtests.bench.books import prepare
from loadtests.bench.cursors import LOOK_EVERY_S, Cursors
from loadtests.bench.daemon import reconciler
from loadtests.bench.paced import LOOP
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, compare, percentile, single
from loadtests.bench.servers import durability, postgres_server, redis_server
from loadtests.bench.settling import Settled, SettlingJob, settle
from loadtests.bench.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.stack import PostgresServer, RedisServer
    from loadtests.bench.daemon import Daemon
    from loadtests.bench.plan import Plan

_ORGANIZATIONS = 1000
_IN_FLIGHT = 64
_BELOW_1_S = Target("value", 1000, at_least=False)
_LAGS = {"p50": 50, "p99": 99, "max": 100}
_MODE = f"{durability('everysec')} / synchronous_commit on"
_Taken = defaultdict[str, list[float]]


class _Rounds:
    """A daemon that comes and goes, and one sender at a time. `taken` are figures by name."""

    def __init__(self, plan: Plan, url: str, daemon: Daemon, cursors: Cursors) -> None:
        self._plan, self._url, self._daemon, self._cursors = plan, url, daemon, cursors
        self._rate = 0.0
        self.taken: _Taken = defaultdict(list)

    async def find_peak(self) -> None:
        """The most commits a second with the daemon beside; the rest runs at half of them."""
        self._daemon.start()
        for number in range(-1, self._plan.lag_rounds):
            settled = await self._settle(None)
            if number >= 0:
                self.taken["peak"].append(settled.rate / 2)
        # Half of the commits, and as many reserves.
        self._rate = median(self.taken["peak"])
        await self._cursors.drained()
        self._daemon.stop()

    async def run(self, *, daemon_first: bool) -> None:
        """At that rate: without the daemon, with it while it catches up, and when it has."""
        if not daemon_first:
            self._note("without", await self._settle(self._rate))
        # What is behind then keeps the daemon busy.
        self.taken["peak without"].append((await self._settle(None)).rate / 2)
        self._daemon.start()
        await self._cursors.moving()
        self._note("beside", await self._settle(self._rate))
        self.taken["behind"].append(await self._cursors.behind())
        await self._cursors.drained()
        await self._lag()
        self._daemon.stop()
        if daemon_first:
            self._note("without", await self._settle(self._rate))

    async def _lag(self) -> None:
        sending = asyncio.create_task(self._settle(self._rate))
        settled = await self._cursors.watch(sending)
        lags = await self._cursors.lags(settled.began, settled.ended)
        self.taken["commits"].append(len(lags) / (settled.ended - settled.began))
        for name, percent in _LAGS.items():
            self.taken[f"lag {name}"].append(percentile(lags, percent) * 1000)

    async def _settle(self, rate: float | None) -> Settled:
        job = SettlingJob(self._url, _ORGANIZATIONS, _IN_FLIGHT, self._plan.lag_s, rate)
        return await asyncio.to_thread(settle, job)

    def _note(self, which: str, settled: Settled) -> None:
        for name, micros in settled.percentiles.items():
            self.taken[f"{name} {which}"].append(micros)


async def _take(plan: Plan, redis: RedisServer, postgres: PostgresServer) -> _Taken:
    await prepare(redis.url, postgres.url, _ORGANIZATIONS)
    with Wire(redis) as wire, reconciler(redis.url, postgres.url) as daemon:
        async with connected(postgres.url) as connection:
            rounds = _Rounds(plan, redis.url, daemon, Cursors(wire, connection, daemon))
            say("booking_lag: peak rate")
            await rounds.find_peak()
            for number in range(plan.lag_rounds):
                say(f"booking_lag: round {number + 1} of {plan.lag_rounds}")
                await rounds.run(daemon_first=number % 2 == 1)
            return rounds.taken


def run(plan: Plan) -> Iterator[Result]:
    """The peak, the lag at half of it, and the latency there with and without the daemon."""
    with redis_server("everysec") as redis, postgres_server() as postgres:
        taken = asyncio.run(_take(plan, redis, postgres))
    yield compare(
        "booking_lag.peak",
        "commits/s",
        taken["peak"],
        taken["peak without"],
        compared_with="without the daemon",
        durability=_MODE,
        detail={"in flight": _IN_FLIGHT, "loop": LOOP, "organizations": _ORGANIZATIONS},
    )
    for name in _LAGS:
        yield single(
            f"booking_lag.{name}",
            "ms",
            taken[f"lag {name}"],
            durability=_MODE,
            target=_BELOW_1_S if name == "p99" else None,
            detail={
                "commits/s": round(median(taken["commits"])),
                "a look every ms": LOOK_EVERY_S * 1000,
            },
        )
    for name in ("reserve_p50", "reserve_p99", "commit_p50", "commit_p99"):
        yield compare(
            f"booking_lag.{name}_while_catching_up",
            "µs",
            taken[f"{name} beside"],
            taken[f"{name} without"],
            compared_with="without the daemon, at the same rate",
            durability=_MODE,
            detail={"deltas behind at the end, at least": round(min(taken["behind"]))},
        )
