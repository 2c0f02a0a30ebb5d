"""What the append-only file costs: `Gate.spend` without one, synced every second, synced always."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, get_args

from gate.stack import AppendFsync
from loadtests.bench import accounts, servers
from loadtests.bench.progress import say
from loadtests.bench.results import Result, compare, single
from loadtests.bench.sender import Job, Spec, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.bench.plan import Plan

_ORGANIZATIONS = 1000
_IN_FLIGHT = 64


def run(plan: Plan) -> Iterator[Result]:
    """Spends a second in each mode, as a share of those without a file."""
    clients = {}
    with ExitStack() as stack:
        for mode in get_args(AppendFsync):
            server = stack.enter_context(servers.redis_server(mode))
            accounts.load_all(server.url, _ORGANIZATIONS)
            clients[mode] = Spec("GateSpend", server.url, _ORGANIZATIONS)
        say("durability: spends without a file, everysec, always")
        taken = send(Job(clients, [_IN_FLIGHT], plan.rounds, plan.slice_s))
    off = [one.rate for one in taken["off", _IN_FLIGHT]]
    yield single("durability.off", "spends/s", off, durability=servers.durability("off"))
    modes: tuple[AppendFsync, ...] = ("everysec", "always")
    for mode in modes:
        yield compare(
            f"durability.{mode}",
            "spends/s",
            [one.rate for one in taken[mode, _IN_FLIGHT]],
            off,
            compared_with="the same without AOF",
            durability=servers.durability(mode),
        )
