"""A process that reserves and commits for a while, as fast as it goes or at a given rate.

`python -m loadtests.bench.settling` reads a SettlingJob as JSON on stdin and answers Settled.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import NamedTuple

from gate import Gate
from loadtests.bench.event_loops import runner
from loadtests.bench.paced import LOOP, Load, paced
from loadtests.bench.results import percentile
from loadtests.bench.sender import in_subprocess
from loadtests.bench.servers import PARTITIONS

_WARM_UP_S = 0.3
_PERCENTS = (50, 99)


@dataclass
class SettlingJob:
    """`in_flight` callers for so many seconds; `rate` None: without a pause, else at so many calls
    a second together, half of them reserves and half commits."""

    url: str
    organizations: int
    in_flight: int
    seconds: float
    rate: float | None = None


class Settled(NamedTuple):
    """Calls a second; when it began and ended, in seconds since 1970; p50 and p99 of each verb in
    µs, where it was paced."""

    rate: float
    began: float
    ended: float
    percentiles: dict[str, float]


def settle(job: SettlingJob) -> Settled:
    """Runs a job in a process of its own."""
    return Settled(*in_subprocess("loadtests.bench.settling", asdict(job)))


async def work(job: SettlingJob) -> Settled:
    """A warm-up, and what is measured. No hold stays open."""
    async with Gate.connect(job.url, partitions=PARTITIONS, deadline_ms=30_000) as gate:
        load = Load(gate, job.organizations)
        await load.peak(job.in_flight, _WARM_UP_S)
        if job.rate is None:
            began = time.time()
            rate = await load.peak(job.in_flight, job.seconds)
            return Settled(rate, began, time.time(), {})
        verbs = (load.reserve, load.commit)
        await asyncio.gather(*(load.reserve() for _ in range(job.in_flight)))
        await paced(verbs, job.rate, job.in_flight, _WARM_UP_S)
        began = time.time()
        durations = await paced(verbs, job.rate, job.in_flight, job.seconds)
        ended = time.time()
        await asyncio.gather(*(load.commit() for _ in range(load.held)))
        return Settled(
            sum(map(len, durations)) / (ended - began),
            began,
            ended,
            {
                f"{name}_p{percent}": percentile(sorted_s, percent) * 1e6
                for name, sorted_s in zip(("reserve", "commit"), durations, strict=True)
                for percent in _PERCENTS
            },
        )


def main() -> None:
    """Reads a job, does it, prints what came of it."""
    job = SettlingJob(**json.load(sys.stdin))
    with runner(LOOP) as loop:
        print(json.dumps(loop.run(work(job))))


if __name__ == "__main__":
    main()
