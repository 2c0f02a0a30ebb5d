"""A process that sends: closed loops of several clients in turns, on one event loop.

`python -m loadtests.bench.sender` reads a Job as JSON on stdin and answers slices as JSON on
stdout. It runs apart from the process that started the servers, so that a sender has an
interpreter, and as far as the machine has them a core, of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from loadtests.bench.clients import KINDS, Client
from loadtests.bench.event_loops import runner
from loadtests.bench.results import percentile

_WARM_UP_S = 0.3


class Spec(NamedTuple):
    """A client: what kind, on which server, over how many organizations."""

    kind: str
    url: str
    organizations: int


@dataclass
class Job:
    """Clients under labels; each runs `rounds` slices at each number in flight, in turns."""

    clients: dict[str, Spec]
    in_flight: list[int]
    rounds: int
    slice_s: float
    loop: str = "asyncio"


class Slice(NamedTuple):
    """Calls a second; the median duration, taken where calls are one after another; and how much
    of one core the sender used."""

    rate: float
    p50_us: float
    cpu: float


Slices = dict[tuple[str, int], list[Slice]]


async def closed_loop(client: Client, in_flight: int, seconds: float) -> Slice:
    """`in_flight` callers, each with one call at a time."""
    clock = time.perf_counter
    done = 0
    durations: list[float] = []
    started, used = clock(), time.process_time()
    end = started + seconds

    async def caller(first: int) -> None:
        nonlocal done
        number, call = first, client.call
        while clock() < end:
            await call(number)
            number += in_flight
            done += 1

    if in_flight == 1:
        now = started
        while now < end:
            await client.call(done)
            done += 1
            before, now = now, clock()
            durations.append(now - before)
    else:
        await asyncio.gather(*map(caller, range(in_flight)))
    elapsed, used = clock() - started, time.process_time() - used
    p50_us = percentile(sorted(durations), 50) * 1e6 if durations else 0.0
    return Slice(done / elapsed, p50_us, used / elapsed)


async def work(job: Job) -> list[tuple[str, int, list[Slice]]]:
    """All slices of a job."""
    answer = []
    for in_flight in job.in_flight:
        clients = {
            label: KINDS[spec.kind](spec.url, spec.organizations, in_flight)
            for label, spec in job.clients.items()
        }
        taken: dict[str, list[Slice]] = {label: [] for label in clients}
        for client in clients.values():
            await client.open()
            await closed_loop(client, in_flight, min(_WARM_UP_S, job.slice_s))
        for number in range(job.rounds):
            order = list(clients)
            for label in order if number % 2 == 0 else reversed(order):
                taken[label].append(await closed_loop(clients[label], in_flight, job.slice_s))
        for client in clients.values():
            await client.close()
        answer += [(label, in_flight, slices) for label, slices in taken.items()]
    return answer


def send(job: Job) -> Slices:
    """Runs a job in a process of its own."""
    answer = in_subprocess("loadtests.bench.sender", asdict(job))
    return {
        (label, in_flight): [Slice(*one) for one in slices] for label, in_flight, slices in answer
    }


def in_subprocess(module: str, job: dict[str, Any]) -> Any:
    """The JSON that a module of this package answers to a job on its stdin."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(job),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Reads a job, does it, prints the slices."""
    given = json.load(sys.stdin)
    given["clients"] = {label: Spec(*spec) for label, spec in given["clients"].items()}
    job = Job(**given)
    with runner(job.loop) as loop:
        print(json.dumps(loop.run(work(job))))


if __name__ == "__main__":
    main()
