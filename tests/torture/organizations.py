"""The organizations of a storm: short periods, and everything that a plan can ask for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.operations import CreditChange, OperationContent
from gate.hot.keys import partition_of
from gate.ledger.statement import load_statement

if TYPE_CHECKING:
    from gate.ledger.connection import Connection

_PLAN: Final = """
INSERT INTO plan (id, name, monthly_credits, base_price_usd, overage_price_per_email)
VALUES ('pln_torture', 'Torture', 1000, 10, 0.01)
"""
#: Its periods are looked after here; the calendar of the reconciler would make them a month long.
_SUBSCRIPTION: Final = """
INSERT INTO subscription (id, organization_id, plan_id, current_period_start, current_period_end,
                          cancel_at_period_end)
VALUES ('sub_' || $1, $1, 'pln_torture', $2, $3, true)
"""
_ACCOUNT: Final = """
INSERT INTO account (organization_id, partition, starts_at, ends_at, terms, coming)
VALUES ($1, $2, $3, $4, $5, $6)
"""
AHEAD: Final = 4
_FIRST_PERIOD_S: Final = 8.0


class Plan(NamedTuple):
    """What is sold to an organization; a period's allowance follows from its number."""

    organization_id: str
    period_s: float
    allowance: int
    terms: Terms

    def allowance_of(self, period_no: int) -> int:
        """Different from period to period, so that one cannot pass for another."""
        return self.allowance + period_no

    def periods(self, after_no: int, begins: datetime, count: int) -> tuple[ComingPeriod, ...]:
        """The periods behind number `after_no`, which ends when the first of them begins."""
        length = timedelta(seconds=self.period_s)
        return tuple(
            ComingPeriod(
                period_no=after_no + number,
                ends_at=begins + number * length,
                allowance=self.allowance_of(after_no + number),
            )
            for number in range(1, count + 1)
        )


def make_plans(seed: int, count: int) -> list[Plan]:
    """The same plans for the same seed: some rich, some that run into overage, debt and denials."""
    chance = random.Random(f"plans {seed}")
    plans = []
    for number in range(count):
        terms = Terms(
            rate_per_second=chance.choice((50, 1_000_000_000, 1_000_000_000)),
            overage_limit=chance.choice((0, 100, 5_000)),
            max_rollover_credits=chance.choice((None, 0, 200, 5_000)),
            max_debt=chance.choice((50, 1_000_000)),
            max_open_holds=chance.choice((None, None, 20)),
            config_version=1,
        )
        plans.append(
            Plan(
                organization_id=f"org_{number}",
                period_s=chance.choice((2.0, 3.0, 5.0)),
                allowance=chance.choice((100, 800, 3_000)),
                terms=terms,
            )
        )
    return plans


async def add_organizations(connection: Connection, plans: list[Plan], partitions: int) -> None:
    """Rows of all of them, in their first period, and the operation that gives its allowance."""
    now = datetime.now(UTC).replace(microsecond=0)
    ends_at = now + timedelta(seconds=_FIRST_PERIOD_S)
    await connection.execute(_PLAN)
    for plan in plans:
        name = plan.organization_id
        await connection.execute("INSERT INTO organization (id) VALUES ($1)", name)
        await connection.execute(_SUBSCRIPTION, name, now, ends_at)
        part = partition_of(name, partitions)
        coming = plan.periods(1, ends_at, AHEAD)
        await connection.execute(_ACCOUNT, name, part, now, ends_at, plan.terms, coming)
        change = CreditChange(entry="credit_purchased", source="base", credits=plan.allowance_of(1))
        content = OperationContent(changes=(change,))
        await add_operation(connection, name, "op_first", 1, content)


async def add_plain_organization(
    connection: Connection, name: str, partitions: int, *, base: int = 1_000, purchased: int = 500
) -> None:
    """One without a subscription, whose period does not end and whom no rate holds back."""
    terms = Terms(rate_per_second=1_000_000_000)
    await connection.execute("INSERT INTO organization (id) VALUES ($1)", name)
    part = partition_of(name, partitions)
    await connection.execute(_ACCOUNT, name, part, None, None, terms, [])
    changes = (
        CreditChange(entry="credit_purchased", source="base", credits=base),
        CreditChange(entry="credit_purchased", source="purchased", credits=purchased),
    )
    await add_operation(connection, name, "op_first", None, OperationContent(changes=changes))


async def add_operation(
    connection: Connection,
    organization_id: str,
    operation_id: str,
    period_no: int | None,
    content: OperationContent,
) -> None:
    """Records an operation, as the platform does."""
    statement = load_statement("add_operation")
    given = (organization_id, operation_id, "allowance", period_no, content, None, None, "torture")
    await statement.execute(connection, *given)
