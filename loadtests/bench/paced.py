"""A process that sends at a given rate: reserves and commits, and PING beside them.

`python -m loadtests.bench.paced` reads a PacedJob as JSON on stdin and answers rounds as JSON.
As many callers as may be in flight, each with a schedule of its own; a duration counts from the
call to its outcome.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate import Gate, HoldRef, Reserved
from loadtests.bench.accounts import organization
from loadtests.bench.event_loops import runner
from loadtests.bench.results import percentile
from loadtests.bench.servers import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_WARM_UP_S = 0.3
LOOP = "asyncio"


@dataclass
class PacedJob:
    """Rounds of verbs and PING in turns, at half the rate that `in_flight` callers reached."""

    url: str
    organizations: int
    in_flight: int
    rounds: int
    seconds: float
    peak_s: float
    loop: str = LOOP


class Load:
    """Reserves and commits by one gate; a commit settles the oldest hold."""

    def __init__(self, gate: Gate, organizations: int) -> None:
        self.gate = gate
        self._names = [organization(number) for number in range(organizations)]
        self._held: deque[HoldRef | Reserved] = deque()
        self._number = 0

    @property
    def held(self) -> int:
        """Holds that are open."""
        return len(self._held)

    async def reserve(self) -> None:
        """One hold more."""
        self._number += 1
        held = await self.gate.reserve(self._names[self._number % len(self._names)])
        assert isinstance(held, Reserved)
        self._held.append(held)

    async def commit(self) -> None:
        """One hold fewer."""
        hold = self._held.popleft() if self._held else HoldRef(self._names[0], "none", 0)
        await self.gate.commit(hold)

    async def ping(self) -> None:
        """What the transport and the network take."""
        await self.gate.caller.transport.execute("PING")

    async def peak(self, in_flight: int, seconds: float) -> float:
        """Calls a second of so many callers who reserve and commit one after another."""
        end = time.perf_counter() + seconds
        done = 0

        async def caller() -> None:
            nonlocal done
            while time.perf_counter() < end:
                await self.reserve()
                await self.commit()
                done += 2

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(in_flight)))
        return done / (time.perf_counter() - started)


async def paced(
    kinds: tuple[Callable[[], Awaitable[None]], ...], rate: float, in_flight: int, seconds: float
) -> list[list[float]]:
    """So many callers, each at its own pace, at `rate` calls a second together, of the kinds in
    turn; the sorted durations in s of each kind, from the call to its outcome."""
    clock = time.perf_counter
    durations: list[list[float]] = [[] for _ in kinds]
    started = clock()

    async def caller(number: int) -> None:
        turn = number
        while (due := started + turn / rate) < started + seconds:
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            kind = turn // in_flight % len(kinds)
            called = clock()
            await kinds[kind]()
            durations[kind].append(clock() - called)
            turn += in_flight

    await asyncio.gather(*(caller(number) for number in range(in_flight)))
    return [sorted(one) for one in durations]


async def work(job: PacedJob) -> dict[str, list[float]]:
    """The peak rate, and by round p50 and p99 in µs of each."""
    async with Gate.connect(job.url, partitions=PARTITIONS, deadline_ms=30_000) as gate:
        load = Load(gate, job.organizations)
        await load.peak(job.in_flight, _WARM_UP_S)
        peak = await load.peak(job.in_flight, job.peak_s)
        taken: dict[str, list[float]] = {"peak": [peak]}
        rate = peak / 2
        for _ in range(job.in_flight):
            await load.reserve()
        for number in range(-1, job.rounds):
            verbs = await paced((load.reserve, load.commit), rate, job.in_flight, job.seconds)
            pings = await paced((load.ping,), rate, job.in_flight, job.seconds)
            if number < 0:
                continue
            for name, sorted_s in zip(("reserve", "commit", "ping"), verbs + pings, strict=True):
                for percent in (50, 99):
                    found = percentile(sorted_s, percent) * 1e6
                    taken.setdefault(f"{name}_p{percent}", []).append(found)
        return taken


def main() -> None:
    """Reads a job, does it, prints the rounds."""
    job = PacedJob(**json.load(sys.stdin))
    with runner(job.loop) as loop:
        print(json.dumps(loop.run(work(job))))


if __name__ == "__main__":
    main()
