"""The organizations of the demo: one for each way in which an admission can end."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from gate.demo.errors import DemoError
from gate.domain.accounts import COMING_MAX, Terms
from gate.domain.calendar import Anchor, coming_periods, period_containing
from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.ledger.organizations import NewOrganization, SubscriptionStatus, first_allowance
from gate.ledger.plans import Plan, PlanVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Ends the address of every demo organization: news@small.example.com is org_small's.
DOMAIN = "example.com"

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9.-]+")
_ID_LENGTH_MAX = 128
#: Of the pack that org_pack bought: within the month or not, it is used first if it ends first.
_PACK_LIFETIME: Final = timedelta(days=2)
_MONTHS: Final = Anchor(day=1, timezone="UTC")
_FREE_CREDITS: Final = "100"


def refuse_production(environ: Mapping[str, str]) -> None:
    """Raises DemoError where real customers are."""
    if environ.get("NODE_ENV") == "production":
        raise DemoError("NODE_ENV=production loads no demo organizations: unset it, or use another")


class Demo(NamedTuple):
    """An organization, and in a few words what it shows. `rollover` and `pack`: credits that it has
    beside its plan's, carried over and bought."""

    organization_id: str
    shows: str
    plan: Plan
    status: SubscriptionStatus = "active"
    rollover: int = 0
    pack: int = 0


def free_plan(environ: Mapping[str, str]) -> Plan:
    """What organizations begin with: INITIAL_CREDITS a month. Raises BadArgument."""
    text = environ.get("INITIAL_CREDITS", "").strip() or _FREE_CREDITS
    if not text.isascii() or not text.isdigit() or int(text) > CREDITS_MAX:
        raise BadArgument("INITIAL_CREDITS", text, "a whole number from 0 to 2^52")
    return Plan(
        id="pln_free", name="Free", monthly_credits=int(text), terms=Terms(rate_per_second=50)
    )


def demo_organizations() -> dict[str, Demo]:
    """All of them by id."""
    pack_plan = Plan(
        id="pln_demo_12",
        name="Demo 12, overage and rollover",
        monthly_credits=12,
        terms=Terms(rate_per_second=500, overage_limit=40, max_rollover_credits=20),
        base_price_usd=Decimal("9.00"),
        overage_price_per_email=Decimal("0.002"),
    )
    demos = (
        Demo("org_demo", "healthy", _plan(5_000)),
        Demo("org_small", "25 a month", _plan(25)),
        Demo("org_slow", "20 a second", _plan(1_000, rate_per_second=20)),
        Demo("org_paused", "paused", _plan(1_000), status="paused"),
        Demo("org_pack", "rollover, pack, overage", pack_plan, rollover=8, pack=10),
    )
    return {demo.organization_id: demo for demo in demos}


def stranger(organization_id: str) -> Demo:
    """An organization that is in the mail and not among the demo's: with enough of everything not
    to end the run."""
    return Demo(organization_id, "default terms", _plan(1_000_000, rate_per_second=1_000))


def newcomer(demo: Demo, version: PlanVersion, now: datetime, partition: int) -> NewOrganization:
    """The organization as it begins: in this month of UTC, the months after it known for most of a
    year, and what it has to be given."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    period = period_containing(_MONTHS, month, now)
    name = demo.organization_id.removeprefix("org_")
    return NewOrganization(
        id=demo.organization_id,
        partition=partition,
        plan_id=demo.plan.id,
        terms=version.terms,
        status=demo.status,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        coming=coming_periods(_MONTHS, month, period.number, COMING_MAX, version.monthly_credits),
        operations=_operations(demo, version, now),
        name=name,
        billing_email=f"billing@{name}.{DOMAIN}",
    )


def organization_of(domain: str) -> str:
    """The organization that sends from `domain`: org_small for small.example.com, and for other
    domains one named after it."""
    name = _NOT_IN_ID.sub("-", domain.lower().removesuffix(f".{DOMAIN}")).strip(".-")
    return f"org_{name or 'unknown'}"[:_ID_LENGTH_MAX]


def _plan(monthly_credits: int, *, rate_per_second: int = 500) -> Plan:
    return Plan(
        id=f"pln_demo_{monthly_credits}_{rate_per_second}",
        name=f"Demo {monthly_credits:,}, {rate_per_second:,} a second",
        monthly_credits=monthly_credits,
        terms=Terms(rate_per_second=rate_per_second),
        base_price_usd=Decimal("19.00"),
    )


def _operations(demo: Demo, version: PlanVersion, now: datetime) -> list[Operation]:
    operations = []
    if demo.rollover:
        change = CreditChange(entry="rollover_applied", source="rollover", credits=demo.rollover)
        operations.append(_operation(demo, "rollover", change, period_no=1))
    if demo.pack:
        change = CreditChange(
            entry="credit_purchased",
            source="purchased",
            credits=demo.pack,
            expires_at=now + _PACK_LIFETIME,
        )
        operations.append(_operation(demo, "pack", change))
    if version.monthly_credits:
        operations.append(first_allowance(demo.organization_id, version.monthly_credits))
    return operations


def _operation(
    demo: Demo, kind: str, change: CreditChange, *, period_no: int | None = None
) -> Operation:
    return Operation(
        organization_id=demo.organization_id,
        id=f"{kind}_1",
        kind=kind,
        content=OperationContent(changes=(change,)),
        period_no=period_no,
    )
