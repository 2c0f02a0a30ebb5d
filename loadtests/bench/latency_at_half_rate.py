"""p50 and p99 of reserve and commit at half the peak rate, beside PING at that rate."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, get_args

from gate.stack import AppendFsync
from loadtests.bench import accounts
from loadtests.bench.paced import LOOP, PacedJob
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, compare, single
from loadtests.bench.sender import in_subprocess
from loadtests.bench.servers import durability, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.bench.plan import Plan

_ORGANIZATIONS = 1000
_IN_FLIGHT = 64
_BELOW_1_MS = Target("value", 1000, at_least=False)
_BESIDE_PING = Target("ratio", 4, at_least=False)


def run(plan: Plan) -> Iterator[Result]:
    """In each mode of durability: the peak, then p50 and p99 of both verbs."""
    for mode in get_args(AppendFsync):
        with redis_server(mode) as server:
            accounts.load_all(server.url, _ORGANIZATIONS)
            say(f"latency_at_half_rate: {durability(mode)}")
            job = PacedJob(
                url=server.url,
                organizations=_ORGANIZATIONS,
                in_flight=_IN_FLIGHT,
                rounds=plan.paced_rounds,
                seconds=plan.paced_s,
                peak_s=plan.paced_s,
            )
            taken = in_subprocess("loadtests.bench.paced", asdict(job))
        name = f"latency_at_half_rate.{mode}"
        yield single(
            f"{name}.peak",
            "calls/s",
            taken["peak"],
            durability=durability(mode),
            detail={
                "calls": "reserve and commit in turn",
                "in flight": _IN_FLIGHT,
                "loop": LOOP,
            },
        )
        for verb in ("reserve", "commit"):
            for percent in ("p50", "p99"):
                for suffix, target in (("", _BELOW_1_MS), (".beside_ping", _BESIDE_PING)):
                    if percent == "p50" and suffix:
                        continue
                    yield compare(
                        f"{name}.{verb}_{percent}{suffix}",
                        "µs",
                        taken[f"{verb}_{percent}"],
                        taken[f"ping_{percent}"],
                        compared_with=f"{percent} of PING at the same rate",
                        durability=durability(mode),
                        target=target if percent == "p99" else None,
                    )
