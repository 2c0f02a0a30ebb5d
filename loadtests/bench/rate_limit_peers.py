"""Our rate limit, alone (`pace`) and with credits, id and journal (`spend`), beside limiters that
limit the rate and nothing else."""

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
_OURS = {"pace": "GatePace", "spend": "GateSpend"}
_PEERS = {
    "throttled-py GCRA": "ThrottledGcra",
    "throttled-py token bucket": "ThrottledTokenBucket",
    "limits fixed window": "LimitsFixedWindow",
    "limits moving window": "LimitsMovingWindow",
}
_IN_FLIGHT = [1, 64]


def run(plan: Plan) -> Iterator[Result]:
    """Calls a second of `pace` and `spend`, and how many times those of each peer."""
    with redis_server() as server:
        accounts.load_all(server.url, _ORGANIZATIONS)
        say("rate_limit_peers: pace and spend, throttled-py, limits")
        kinds = _OURS | _PEERS
        clients = {label: Spec(kind, server.url, _ORGANIZATIONS) for label, kind in kinds.items()}
        taken = send(Job(clients, _IN_FLIGHT, plan.rounds, plan.slice_s))
    for in_flight in _IN_FLIGHT:
        for verb in _OURS:
            for peer in _PEERS:
                yield compare(
                    f"rate_limit_peers.{verb}.{peer.replace(' ', '_')}.{in_flight}_in_flight",
                    "calls/s",
                    [one.rate for one in taken[verb, in_flight]],
                    [one.rate for one in taken[peer, in_flight]],
                    compared_with=peer,
                    durability=durability("off"),
                )
