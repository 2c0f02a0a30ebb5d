"""One async sender process at `Gate.spend`, beside redis-py with the same script and event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.bench import accounts, event_loops
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, compare
from loadtests.bench.sender import Job, Spec, send
from loadtests.bench.servers import durability, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.bench.plan import Plan

_ORGANIZATIONS = 1000
_TARGETS = {64: Target("ratio", 3), 512: Target("ratio", 5)}
_SEQUENTIAL = Target("ratio", 0.8, at_least=False)


def run(plan: Plan) -> Iterator[Result]:
    """Sequential p50, then throughput at 64 and 512 in flight, on each event loop."""
    for loop in event_loops.available():
        with redis_server() as server:
            accounts.load_all(server.url, _ORGANIZATIONS)
            say(f"client_throughput: on {loop}")
            clients = {
                "ours": Spec("GateSpend", server.url, _ORGANIZATIONS),
                "theirs": Spec("RedisPySpend", server.url, _ORGANIZATIONS),
            }
            taken = send(Job(clients, [1, *_TARGETS], plan.rounds, plan.slice_s, loop))
        yield compare(
            f"client_throughput.{loop}.sequential_p50",
            "µs",
            [one.p50_us for one in taken["ours", 1]],
            [one.p50_us for one in taken["theirs", 1]],
            compared_with="redis-py asyncio, same script and loop",
            durability=durability("off"),
            target=_SEQUENTIAL,
        )
        for in_flight, target in _TARGETS.items():
            ours, theirs = taken["ours", in_flight], taken["theirs", in_flight]
            yield compare(
                f"client_throughput.{loop}.{in_flight}_in_flight",
                "spends/s",
                [one.rate for one in ours],
                [one.rate for one in theirs],
                compared_with="redis-py asyncio, same script and loop",
                durability=durability("off"),
                target=target,
                detail={
                    "core used by our sender": round(max(one.cpu for one in ours), 2),
                    "core used by the other": round(max(one.cpu for one in theirs), 2),
                },
            )
