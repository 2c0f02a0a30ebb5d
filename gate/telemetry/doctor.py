"""Looks at a whole deployment, and says of each thing whether it is right and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.domain.errors import GateError, Unavailable
from gate.hot.server_facts import read_server_facts
from gate.hot.visit import visiting
from gate.ledger.condition import read_condition
from gate.telemetry.check import Check
from gate.telemetry.clocks import Clock, clock_checks, read_postgres_clock, read_redis_clock
from gate.telemetry.postgres_checks import postgres_checks
from gate.telemetry.redis_checks import redis_checks
from gate.telemetry.status import read_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.telemetry.check import Server
    from gate.telemetry.status import Status


async def examine(redis_url: str | None, database_url: str | None) -> list[Check]:
    """All checks. A server that cannot be looked at is a check that failed."""
    clocks: list[Clock] = []
    checks = await _examine_redis(redis_url, clocks)
    is_migrated, of_postgres = await _examine_postgres(database_url, clocks)
    checks += of_postgres
    checks += clock_checks(clocks) if clocks else []
    if is_migrated:
        checks += _booking(await read_status(redis_url, database_url))
    return checks


async def _examine_redis(url: str | None, clocks: list[Clock]) -> list[Check]:
    if url is None:
        return [_away("Redis", "no Redis was named", "give --redis-url or REDIS_URL")]
    try:
        async with visiting(url) as transport:
            facts = await read_server_facts(transport)
            clocks.append(await read_redis_clock(transport))
    except GateError as error:
        return [_away("Redis", str(error), _to_do(error))]
    return list(redis_checks(facts))


async def _examine_postgres(url: str | None, clocks: list[Clock]) -> tuple[bool, list[Check]]:
    """Whether all tables are there, and the checks."""
    if url is None:
        what = "no PostgreSQL was named"
        return False, [_away("PostgreSQL", what, "give --database-url or PG_URL")]
    try:
        condition = await read_condition(url)
        clocks.append(await read_postgres_clock(url))
    except GateError as error:
        return False, [_away("PostgreSQL", str(error), _to_do(error))]
    is_migrated = bool(condition.applied) and not condition.pending
    return is_migrated, list(postgres_checks(condition))


def _away(server: Server, said: str, to_do: str) -> Check:
    return Check(server, "connection", "fail", said, to_do)


def _to_do(error: GateError) -> str:
    if isinstance(error, Unavailable):
        return "see that it runs, and that the URL is right"
    return "put right what it says"


def _booking(status: Status) -> Iterator[Check]:
    """Whether what is in the journals comes into the ledger."""
    if status.ledger is None:
        return
    alive = len(status.ledger.reconcilers)
    if alive:
        yield Check("booking", "reconcilers", "ok", f"{alive} alive")
    else:
        said = "none is alive: journals grow and nothing is booked"
        yield Check("booking", "reconcilers", "fail", said, "start `gate reconcile`")
    foreign = [one.partition for one in status.partitions if one.tag is None]
    if foreign and any(one.tag is not None for one in status.partitions):
        yield Check(
            "booking",
            "partitions",
            "fail",
            f"PostgreSQL has cursors of {len(foreign)} partitions that this Redis has not",
            "see that both URLs are of the same deployment",
        )
    alone = [one for one in status.partitions if one.entries and one.owner is None]
    if alive and alone:
        numbers = ", ".join(f"{one.partition}" for one in alone[:8])
        yield Check(
            "booking",
            "owners",
            "warn",
            f"nobody has partitions {numbers}{', …' if len(alone) > 8 else ''}",
            "look again in a few seconds: leases change hands; then at the reconcilers' logs",
        )
    forked = [one for one in status.partitions if one.is_anchored is False]
    if forked:
        yield Check(
            "booking",
            "anchors",
            "warn",
            f"{len(forked)} journals lack the entry that was booked last: Redis has lost data, "
            "or is not the one that was booked",
            "none while a reconciler is alive: it reloads their accounts, and reports",
        )
    for sentence in status.needs:
        if "no reconciler" not in sentence:
            what, _, to_do = sentence.partition(": ")
            yield Check("booking", "needs a person", "warn", what, to_do or "see `gate status`")
