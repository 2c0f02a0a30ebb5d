"""`Gate.spend` beside the same booking in PostgreSQL: one hot organization, and ten thousand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from loadtests.bench import accounts
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, compare
from loadtests.bench.sender import Job, Spec, send
from loadtests.bench.servers import durability, postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.bench.plan import Plan

_MANY = 10_000
_IN_FLIGHT = 64
_CASES = {"one_hot_organization": (1, 20.0), "10000_organizations": (_MANY, 5.0)}
#: Kind of client, what it is, and whether the target is about it.
_OTHERS = {
    "transaction": ("PostgresSpend", "UPDATE … RETURNING, INSERT in a transaction", True),
    "one_statement": ("PostgresOneStatement", "both in one statement", True),
    "not_synced": ("PostgresNotSynced", "one statement, synchronous_commit off", False),
}
_SCHEMA = """
CREATE TABLE account (id text PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))
    WITH (fillfactor = 50);
CREATE TABLE ledger (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text NOT NULL,
    spend_id text NOT NULL,
    amount bigint NOT NULL,
    balance_after bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, spend_id)
);
"""


async def _prepare(url: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute(_SCHEMA)
    rows = ((accounts.organization(number), 10**12) for number in range(_MANY))
    await connection.copy_records_to_table("account", records=rows)
    await connection.execute("VACUUM ANALYZE account")
    await connection.close()


def run(plan: Plan) -> Iterator[Result]:
    """Spends a second, and how many times those of PostgreSQL; both remember the id."""
    with redis_server("everysec") as redis, postgres_server() as postgres:
        accounts.load_all(redis.url, _MANY)
        asyncio.run(_prepare(postgres.url))
        for case, (organizations, bound) in _CASES.items():
            say(f"postgres_comparison: {case}")
            clients = {"ours": Spec("GateSpend", redis.url, organizations)} | {
                label: Spec(kind, postgres.url, organizations)
                for label, (kind, _, _) in _OTHERS.items()
            }
            taken = send(Job(clients, [_IN_FLIGHT], plan.rounds, plan.slice_s))
            for label, (_, what, judged) in _OTHERS.items():
                synced = "off" if label == "not_synced" else "on"
                yield compare(
                    f"postgres_comparison.{case}.{label}",
                    "spends/s",
                    [one.rate for one in taken["ours", _IN_FLIGHT]],
                    [one.rate for one in taken[label, _IN_FLIGHT]],
                    compared_with=f"PostgreSQL, asyncpg pool of 16: {what}",
                    durability=f"{durability('everysec')} / synchronous_commit {synced}",
                    target=Target("ratio", bound) if judged else None,
                )
