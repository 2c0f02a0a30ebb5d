"""Plans and organizations as the demo records them: once, and without credits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gate.demo.organizations import (
    Demo,
    demo_organizations,
    free_plan,
    newcomer,
    stranger,
)
from gate.domain.accounts import Terms
from gate.domain.errors import BadArgument
from gate.domain.operations import content_of
from gate.ledger.organizations import add_organizations
from gate.ledger.plans import Plan, PlanVersion, add_plan, keep_version

if TYPE_CHECKING:
    from gate.ledger.connection import Connection

NOW = datetime(2027, 12, 31, 23, 59, tzinfo=UTC)
PACK = demo_organizations()["org_pack"]


async def add(connection: Connection, demo: Demo, now: datetime = NOW) -> frozenset[str]:
    version = await add_plan(connection, demo.plan)
    return await add_organizations(connection, [newcomer(demo, version, now, 3)], actor="test")


async def read(connection: Connection, table: str, organization_id: str) -> list[dict[str, Any]]:
    order = "number" if table == "operation" else "created_at"
    rows = await connection.fetch(
        f"SELECT * FROM {table} WHERE organization_id = $1 ORDER BY {order}", organization_id
    )
    return [dict(row) for row in rows]


async def test_organization__begins_with_nothing_and_is_given_all_by_operations(
    connection: Connection,
) -> None:
    demo = PACK._replace(organization_id="org_begins")
    assert await add(connection, demo) == {"org_begins"}
    (account,) = await read(connection, "account", "org_begins")
    assert (account["epoch"], account["seq"], account["posted"], account["allowance"]) == (0,) * 4
    assert account["partition"] == 3
    assert not await connection.fetch(
        "SELECT FROM account_grant WHERE organization_id = $1", "org_begins"
    )
    version = await keep_version(connection, demo.plan.id)
    assert version is not None
    assert msgspec.convert(account["terms"], Terms) == version.terms

    operations = await read(connection, "operation", "org_begins")
    said = [
        (one["id"], one["status"], one["period_no"], content_of(one["content"]).changes[0])
        for one in operations
    ]
    assert [(id, status, period, c.source, c.credits) for id, status, period, c in said] == [
        ("rollover_1", "pending", 1, "rollover", 8),
        ("pack_1", "pending", None, "purchased", 10),
        ("first_allowance", "pending", 1, "base", 12),
    ]
    assert said[1][3].expires_at == NOW + timedelta(days=2)


async def test_periods__are_months_known_for_most_of_a_year(connection: Connection) -> None:
    await add(connection, PACK._replace(organization_id="org_months"))
    (account,) = await read(connection, "account", "org_months")
    (subscription,) = await read(connection, "subscription", "org_months")
    assert (account["starts_at"], account["ends_at"]) == (
        datetime(2027, 12, 1, tzinfo=UTC),
        datetime(2028, 1, 1, tzinfo=UTC),
    )
    assert subscription["current_period_start"] == account["starts_at"]
    assert subscription["current_period_end"] == account["ends_at"]
    ends = [datetime.fromisoformat(period["ends_at"]) for period in account["coming"]]
    assert ends == [datetime(2028, month, 1, tzinfo=UTC) for month in range(2, 10)]
    assert {period["allowance"] for period in account["coming"]} == {12}


async def test_organization_that_is_there__is_left_alone(connection: Connection) -> None:
    demo = stranger("org_twice")
    assert await add(connection, demo) == {"org_twice"}
    await connection.execute(
        "UPDATE account SET posted = 7, seq = 4 WHERE organization_id = $1", "org_twice"
    )
    before = [await read(connection, table, "org_twice") for table in ("account", "subscription")]
    assert await add(connection, demo, NOW + timedelta(days=40)) == frozenset()
    after = [await read(connection, table, "org_twice") for table in ("account", "subscription")]
    assert before == after
    assert len(await read(connection, "operation", "org_twice")) == 1


async def test_paused_organization__is_paused_from_the_start(connection: Connection) -> None:
    demo = demo_organizations()["org_paused"]._replace(organization_id="org_rests")
    await add(connection, demo)
    (account,) = await read(connection, "account", "org_rests")
    (subscription,) = await read(connection, "subscription", "org_rests")
    assert (account["status"], subscription["status"]) == ("paused", "paused")


async def test_failure__leaves_nothing_of_an_organization(connection: Connection) -> None:
    version = PlanVersion(5, Terms(rate_per_second=1))
    unknown_plan = replace(newcomer(stranger("org_half"), version, NOW, 0), plan_id="pln_nowhere")
    with pytest.raises(Exception, match="pln_nowhere"):
        await add_organizations(connection, [unknown_plan], actor="test")
    assert not await connection.fetch("SELECT FROM organization WHERE id = $1", "org_half")


async def test_plan__stays_as_it_is_and_is_given_one_version(connection: Connection) -> None:
    plan = Plan(
        id="pln_once",
        name="Once",
        monthly_credits=10,
        terms=Terms(rate_per_second=5, burst=9, overage_limit=3, warn_at=(50, 90)),
        overage_price_per_email=Decimal("0.002"),
    )
    first = await add_plan(connection, plan)
    assert first.terms == replace(plan.terms, config_version=first.terms.config_version)
    assert await add_plan(connection, replace(plan, monthly_credits=99)) == first
    assert await keep_version(connection, "pln_nowhere") is None


async def test_plan_that_changes__gets_another_version(connection: Connection) -> None:
    plan = Plan(
        id="pln_changes",
        name="Changes",
        monthly_credits=10,
        terms=Terms(rate_per_second=5, max_rollover_credits=4),
    )
    first = await add_plan(connection, plan)
    await connection.execute(
        "UPDATE plan SET monthly_credits = 20, max_rollover_credits = NULL WHERE id = $1", plan.id
    )
    second = await keep_version(connection, plan.id)
    assert second is not None
    assert second.monthly_credits == 20
    assert second.terms.config_version > first.terms.config_version
    # Rollover without a ceiling.
    assert second.terms.max_rollover_credits == 2**52


@pytest.mark.parametrize(("given", "credits"), [({}, 100), ({"INITIAL_CREDITS": "250"}, 250)])
def test_free_plan__gives_the_initial_credits(given: dict[str, str], credits: int) -> None:
    assert (free_plan(given).name, free_plan(given).monthly_credits) == ("Free", credits)


@pytest.mark.parametrize("text", ["-1", "many", "1e3", "9" * 20])
def test_initial_credits__are_a_whole_number(text: str) -> None:
    with pytest.raises(BadArgument, match="INITIAL_CREDITS"):
        free_plan({"INITIAL_CREDITS": text})


def test_demo_organizations__differ_in_what_they_may() -> None:
    demos = demo_organizations()
    assert demos["org_slow"].plan.terms.rate_per_second == 20
    assert demos["org_small"].plan.monthly_credits == 25
    assert (PACK.plan.terms.overage_limit, PACK.plan.terms.max_rollover_credits) == (40, 20)
    assert len({demo.plan.id for demo in demos.values()}) == len(demos)
