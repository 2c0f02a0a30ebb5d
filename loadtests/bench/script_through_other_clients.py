"""The spend script through redis-py and valkey-glide, beside our transport alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.bench import accounts
from loadtests.bench.progress import say
from loadtests.bench.results import Result, compare
from loadtests.bench.sender import Job, Spec, send
from loadtests.bench.servers import durability, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.bench.plan import Plan

_ORGANIZATIONS = 1000
_OTHERS = {"redis-py asyncio": "RedisPySpend", "valkey-glide": "GlideSpend"}
_IN_FLIGHT = [1, 64, 512]


def run(plan: Plan) -> Iterator[Result]:
    """Calls a second of the transport, and how many times those of each other client."""
    with redis_server() as server:
        accounts.load_all(server.url, _ORGANIZATIONS)
        say("script_through_other_clients: transport, redis-py, valkey-glide")
        kinds = {"ours": "TransportSpend", **_OTHERS}
        clients = {label: Spec(kind, server.url, _ORGANIZATIONS) for label, kind in kinds.items()}
        taken = send(Job(clients, _IN_FLIGHT, plan.rounds, plan.slice_s))
    for in_flight in _IN_FLIGHT:
        for other in _OTHERS:
            yield compare(
                f"script_through_other_clients.{other.split()[0]}.{in_flight}_in_flight",
                "calls/s",
                [one.rate for one in taken["ours", in_flight]],
                [one.rate for one in taken[other, in_flight]],
                compared_with=other,
                durability=durability("off"),
            )
