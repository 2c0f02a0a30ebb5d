"""How far booking is behind at half the peak rate, and what the daemon costs the senders."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gate.ledger.pool import connected
from loadtests.bench.books import prepare
from loadtests.bench.daemon import reconciler
from loadtests.bench.paced import LOOP
from loadtests.bench.progress import say
from loadtests.bench.progress_of_booking import LOOK_EVERY_S, Progress
from loadtests.bench.results import Result, Target, compare, percentile, single
from loadtests.bench.servers import durability, postgres_server, redis_server
from loadtests.bench.settling import Settled, SettlingJob, settle
from loadtests.bench.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.stack import RedisServer
    from loadtests.bench.daemon import Daemon
    from loadtests.bench.plan import Plan

_ORGANIZATIONS = 1000
_IN_FLIGHT = 64
_BELOW_1_S = Target("value", 1000, at_least=False)
_MODE = f"{durability('everysec')} / synchronous_commit on"


class _Bench:
    """One Redis, one PostgreSQL, one daemon that comes and goes, one sender at a time."""

    def __init__(self, plan: Plan, redis: RedisServer, daemon: Daemon, progress: Progress) -> None:
        self._plan, self._redis, self._daemon, self._progress = plan, redis, daemon, progress
        self._rate = 0.0
        self.taken: defaultdict[str, list[float]] = defaultdict(list)

    async def peak(self) -> None:
        """Commits a second with the daemon beside; half of them is the rate from here on."""
        self._daemon.start()
        for _ in range(1 + self._plan.lag_rounds):
            settled = await self._settle(None)
            self.taken["peak"].append(settled.rate / 2)
        del self.taken["peak"][0]
        peaks = sorted(self.taken["peak"])
        self._rate = peaks[len(peaks) // 2]
        await self._progress.drained()
        self._daemon.stop()

    async def round(self, *, daemon_first: bool) -> None:
        """The rate without the daemon, with the daemon while it catches up, and when it has."""
        if not daemon_first:
            self._note(await self._settle(self._rate), "without")
        # As much as it takes to keep the daemon busy.
        self.taken["peak without"].append((await self._settle(None)).rate / 2)
        self._daemon.start()
        await self._progress.moving()
        self._note(await self._settle(self._rate), "beside")
        self.taken["behind"].append(await self._progress.behind())
        await self._progress.drained()
        await self._lag()
        self._daemon.stop()
        if daemon_first:
            self._note(await self._settle(self._rate), "without")

    async def _lag(self) -> None:
        watching = asyncio.create_task(self._progress.watch())
        settled = await self._settle(self._rate)
        while await self._behind_while_watching(watching):
            await asyncio.sleep(LOOK_EVERY_S)
        lags = await self._progress.lags(settled.began, settled.ended)
        self.taken["commits"].append(len(lags) / (settled.ended - settled.began))
        for percent in (50, 99):
            self.taken[f"lag_p{percent}"].append(percentile(lags, percent) * 1000)
        self.taken["lag_max"].append(lags[-1] * 1000)

    async def _settle(self, rate: float | None) -> Settled:
        job = SettlingJob(self._redis.url, _ORGANIZATIONS, _IN_FLIGHT, self._plan.lag_s, rate)
        return await asyncio.to_thread(settle, job)

    def _note(self, settled: Settled, which: str) -> None:
        for name, micros in settled.percentiles.items():
            self.taken[f"{name} {which}"].append(micros)
