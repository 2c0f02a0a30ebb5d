"""Plans on offer, and the versions that organizations are given their terms by."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gate.domain.accounts import Terms
from gate.domain.errors import BadArgument, ContractError
from gate.domain.limits import CREDITS_MAX, check_whole
from gate.ledger.statement import load_statement

if TYPE_CHECKING:
    from gate.domain.calendar import Cycle
    from gate.ledger.connection import Connection

_NAME_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A tier: what it gives in a month (0 to 2^52 credits), what it costs in USD, what it allows.

    The version that `terms` bear does not count. Raises BadArgument.
    """

    id: str
    name: str
    monthly_credits: int
    terms: Terms
    base_price_usd: Decimal = Decimal(0)
    overage_price_per_email: Decimal = Decimal(0)
    billing_cycle: Cycle = "monthly"

    def __post_init__(self) -> None:
        check_whole("monthly_credits", self.monthly_credits, 0, CREDITS_MAX)
        if not 1 <= len(self.name) <= _NAME_LENGTH_MAX:
            raise BadArgument("name", self.name, f"1 to {_NAME_LENGTH_MAX} characters")
        for name in ("base_price_usd", "overage_price_per_email"):
            if not getattr(self, name) >= 0:
                raise BadArgument(name, getattr(self, name), "0 or more")


class PlanVersion(NamedTuple):
    """A plan as it is now: what each period gives, and the terms with their configuration version.

    It is what accounts are given, entries are booked under and invoices are priced by.
    """

    monthly_credits: int
    terms: Terms


async def add_plan(connection: Connection, plan: Plan) -> PlanVersion:
    """Offers a plan and says its newest version. One that is there under its id stays as it is.

    Raises Unavailable, ContractError.
    """
    terms = plan.terms
    async with connection.transaction():
        await load_statement("add_plan").execute(
            connection,
            plan.id,
            plan.name,
            plan.monthly_credits,
            terms.overage_limit,
            plan.base_price_usd,
            plan.overage_price_per_email,
            plan.billing_cycle,
            terms.max_rollover_credits,
            terms.rate_per_second,
            terms.rate_per_minute,
            terms.rate_per_hour,
            terms.burst,
            terms.strict_burst,
            terms.max_open_holds,
            terms.max_debt,
            terms.max_attachment_size_mb,
            list(terms.warn_at),
        )
        version = await keep_version(connection, plan.id)
    if version is None:
        raise ContractError(f"plan {plan.id} was deleted while it was added")
    return version


async def keep_version(connection: Connection, plan_id: str) -> PlanVersion | None:
    """The newest version of a plan, made anew if the plan has changed since; None: no such plan.

    Raises Unavailable, ContractError.
    """
    statement = load_statement("keep_plan_version")
    return await statement.fetch_one(connection, _version, plan_id)


def _version(monthly_credits: int, terms: Any) -> PlanVersion:
    try:
        return PlanVersion(monthly_credits, msgspec.convert(terms, Terms))
    except msgspec.ValidationError as error:
        raise ContractError(f"a plan in PostgreSQL allows what no account can: {error}") from error
