"""The reconciler, journal to committed entries with account rows, beside COPY of the same rows."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING

from loadtests.bench.booker import LOOP, BookingJob, Round, Took
from loadtests.bench.books import add_database
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, compare
from loadtests.bench.sender import in_subprocess
from loadtests.bench.servers import PARTITIONS, durability, postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.bench.plan import Plan

_BESIDE_COPY = Target("ratio", 0.4)
#: Kind of settlement, and whether the target is about it.
_KINDS = {"spend": True, "reserve_commit": False, "reserve_commit_sends": False}
#: Organizations, partitions, kinds.
_CASES: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "one_hot_organization": (1, PARTITIONS, tuple(_KINDS)),
    "4000_organizations": (4000, PARTITIONS, tuple(_KINDS)),
    "4000_organizations.one_partition": (4000, 1, ("spend",)),
}


def run(plan: Plan) -> Iterator[Result]:
    """Settlements a second from the journal to the commit, as a share of what COPY writes."""
    for case, (organizations, partitions, kinds) in _CASES.items():
        say(f"booking: {case}")
        with redis_server("everysec") as redis, postgres_server() as postgres:
            job = BookingJob(
                redis_url=redis.url,
                database_url=postgres.url,
                copy_url=asyncio.run(add_database(postgres.url, "copied")),
                partitions=partitions,
                organizations=organizations,
                kinds=list(kinds),
                count=plan.settlements,
                rounds=plan.bookings,
            )
            taken = in_subprocess("loadtests.bench.booker", asdict(job))
        for kind in kinds:
            judged = _KINDS[kind] and partitions == PARTITIONS
            rounds = [Round(Took(*one), Took(*two), *rest) for one, two, *rest in taken[kind]]
            yield _result(f"booking.{case}.{kind}", kind, partitions, rounds, judged=judged)


def _result(name: str, kind: str, partitions: int, rounds: list[Round], *, judged: bool) -> Result:
    rows = "ledger rows and rows of email_send" if kind.endswith("sends") else "ledger rows"
    settled = rounds[0].settled
    return compare(
        name,
        "settlements/s",
        [one.settled / one.booking.seconds for one in rounds],
        [one.settled / one.copy.seconds for one in rounds],
        compared_with=f"COPY of the same {rows}, as many transactions",
        durability=f"{durability('everysec')} / synchronous_commit on",
        target=_BESIDE_COPY if judged else None,
        detail={
            "settlements": settled,
            "deltas of each": 1 if kind == "spend" else 2,
            "partitions": partitions,
            "transactions": median(one.transactions for one in rounds),
            "settlements in the largest": max(one.largest for one in rounds),
            "µs of CPU in the booking process": _micros([one.booking for one in rounds], settled),
            "and of COPY": _micros([one.copy for one in rounds], settled),
            "loop": LOOP,
        },
    )


def _micros(taken: list[Took], settled: int) -> float:
    return round(median(one.cpu_s for one in taken) / settled * 1e6, 1)
