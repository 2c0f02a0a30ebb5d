"""Organizations that have a ledger: recorded, loaded, given their credits, all of it booked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.hot.commands import apply
from gate.hot.commands.apply import Applied
from gate.hot.keys import partition_of
from gate.hot.operation import apply_arguments
from gate.ledger.organizations import NewOrganization, add_organizations
from gate.ledger.plans import Plan, add_plan
from gate.ledger.pool import connected
from gate.ledger.transaction import borrowed
from loadtests.bench.accounts import organization
from loadtests.bench.servers import PARTITIONS
from reconciler.consumer import Consumer
from reconciler.log import configure_log
from reconciler.metrics import Metrics
from reconciler.reload import load_absent
from reconciler.settings import Settings
from reconciler.startup import Once, connected_context
from reconciler.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gate.ledger.connection import Connection
    from reconciler.context import Context

_TOGETHER = 1000
_CREDITS = 10**12
_TERMS = Terms(rate_per_second=10**9)
_PLAN = Plan(
    id="pln_bench",
    name="Bench",
    monthly_credits=_CREDITS,
    terms=_TERMS,
    base_price_usd=Decimal(10),
    overage_price_per_email=Decimal("0.01"),
)


@asynccontextmanager
async def opened(
    redis_url: str, database_url: str, *, partitions: int = PARTITIONS
) -> AsyncIterator[Context]:
    """What the reconciler's parts work with, as its one-off commands have it; the tables are made,
    and those of the days to come."""
    settings = Settings(redis_url=redis_url, database_url=database_url, partitions=partitions)
    async with connected_context(
        settings,
        metrics=Metrics(),
        log=configure_log("warning"),
        stop=asyncio.Event(),
        patience=Once(),
        migrate_first=True,
    ) as context:
        await Upkeep(context).make_partitions()
        yield context


async def prepare(redis_url: str, database_url: str, count: int) -> None:
    """An empty Redis and an empty database get `count` organizations."""
    async with opened(redis_url, database_url) as context:
        await fill(context, count)


async def fill(context: Context, count: int) -> None:
    """`count` organizations, each with two grants that do not run out and two coming periods."""
    names = [organization(number) for number in range(count)]
    async with borrowed(context.pool) as connection:
        await add_plan(connection, _PLAN)
        for begin in range(0, count, _TOGETHER):
            some = [_new(context, name) for name in names[begin : begin + _TOGETHER]]
            await add_organizations(connection, some, actor="bench")
    consumer = Consumer(context)
    await _load(context, consumer, names)
    for begin in range(0, count, _TOGETHER):
        await _give(context, names[begin : begin + _TOGETHER])
    await drain(context, consumer)
    async with borrowed(context.pool) as connection:
        await settle(connection)
        grants = await connection.fetchval("SELECT count(*) FROM account_grant")
    if grants != 2 * count:
        raise RuntimeError(f"{count} organizations have {grants} booked grants")


async def drain(context: Context, consumer: Consumer) -> None:
    """Books until nothing is left behind the cursors."""
    while await consumer.tick(range(context.meta.partitions)):
        pass


async def settle(connection: Connection) -> None:
    """What autovacuum does within a minute. Like it, this leaves empty tables alone: those that
    were found empty once are read from end to end by plans that are made before they are not."""
    await connection.execute(
        "VACUUM ANALYZE organization, subscription, operation, account, account_grant"
    )


async def add_database(url: str, name: str) -> str:
    """Another database of that server, empty; its URL."""
    async with connected(url) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    return url.rpartition("/")[0] + "/" + name


def _new(context: Context, name: str) -> NewOrganization:
    now = datetime.now(UTC)
    return NewOrganization(
        id=name,
        partition=partition_of(name, context.meta.partitions),
        plan_id=_PLAN.id,
        terms=_TERMS,
        starts_at=now - timedelta(days=10),
        ends_at=now + timedelta(days=20),
        coming=[
            ComingPeriod(period_no=2, ends_at=now + timedelta(days=50), allowance=_CREDITS),
            ComingPeriod(period_no=3, ends_at=now + timedelta(days=81), allowance=_CREDITS),
        ],
        operations=[_credits(name)],
    )


async def _load(context: Context, consumer: Consumer, names: Sequence[str]) -> None:
    """Page by page: a partition is loaded from only when the loads before are booked."""
    partitions = context.meta.partitions
    own: list[list[str]] = [[] for _ in range(partitions)]
    for name in names:
        own[partition_of(name, partitions)].append(name)
    for begin in range(0, max(map(len, own)), _TOGETHER):
        await drain(context, consumer)
        for part, some in enumerate(own):
            await load_absent(context, part, some[begin : begin + _TOGETHER])


def _credits(name: str) -> Operation:
    changes = (
        CreditChange(entry="credit_purchased", source="base", credits=_CREDITS),
        CreditChange(entry="credit_purchased", source="purchased", credits=_CREDITS),
    )
    return Operation(
        organization_id=name,
        id="first_credits",
        kind="first_credits",
        content=OperationContent(changes=changes),
        reason="the credits of a measurement",
    )


async def _give(context: Context, names: Sequence[str]) -> None:
    """Applies the operation of each, as whoever records one does."""
    operations = map(_credits, names)
    calls = [
        context.caller.call(apply, one.organization_id, one.id, apply_arguments(one).flat())
        for one in operations
    ]
    for answer in await asyncio.gather(*calls):
        if not isinstance(answer, Applied):
            raise RuntimeError(f"not applied: {answer}")
