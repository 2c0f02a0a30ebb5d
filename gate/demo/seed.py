"""Records the demo's plans and organizations in PostgreSQL. Run again, it changes nothing."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.client.gate import Gate
from gate.demo.organizations import free_plan, newcomer
from gate.hot.keys import partition_of
from gate.ledger.migrate import migrate
from gate.ledger.organizations import add_organizations
from gate.ledger.plans import add_plan
from gate.ledger.pool import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from gate.demo.organizations import Demo
    from gate.hot.meta import Meta
    from gate.ledger.connection import Connection
    from gate.ledger.plans import PlanVersion

#: Organizations of one transaction.
_AT_ONCE: Final = 500
_ACTOR: Final = "demo"


class Place(NamedTuple):
    """Where the demo runs. `partitions` is for a Redis that has no accounts yet."""

    redis_url: str
    database_url: str
    partitions: int


async def seed(
    place: Place,
    demos: Iterable[Demo],
    *,
    environ: Mapping[str, str],
    now: datetime,
    report: Callable[[str], None],
) -> None:
    """Migrates, and records the plans and the organizations that are not there. `report` is told
    what happens. Raises Unavailable, ContractError, BadArgument."""
    await migrate(place.database_url, report=report)
    async with Gate.connect(
        place.redis_url, database_url="", partitions=place.partitions, client_name="demo"
    ) as gate:
        meta = gate.caller.meta
    async with connected(place.database_url, application_name="gate demo") as connection:
        await add_plan(connection, free_plan(environ))
        versions: dict[str, PlanVersion] = {}
        added, rest = 0, iter(demos)
        while batch := list(islice(rest, _AT_ONCE)):
            added += await _add(connection, meta, batch, versions, now)
        if added:
            report(f"recorded {added:,} new organizations")


async def _add(
    connection: Connection,
    meta: Meta,
    demos: list[Demo],
    versions: dict[str, PlanVersion],
    now: datetime,
) -> int:
    """How many were new. `versions`: of the plans that were offered already."""
    for plan in {demo.plan.id: demo.plan for demo in demos}.values():
        if plan.id not in versions:
            versions[plan.id] = await add_plan(connection, plan)
    newcomers = [
        newcomer(demo, versions[demo.plan.id], now, _partition(meta, demo.organization_id))
        for demo in demos
    ]
    return len(await add_organizations(connection, newcomers, actor=_ACTOR))


def _partition(meta: Meta, organization_id: str) -> int:
    return meta.exceptions.get(organization_id, partition_of(organization_id, meta.partitions))
