"""New organizations: who they are, what they subscribed to, their accounts, their first operations.

An account begins with nothing. Credits come by operations alone, so that the ledger of every
organization chains from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from gate.domain.accounts import ComingPeriod, Terms, check_coming
from gate.domain.calendar import Anchor
from gate.domain.ids import new_id
from gate.domain.limits import check_id
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.ledger.statement import load_statement

if TYPE_CHECKING:
    from datetime import datetime

    from gate.ledger.connection import Connection

SubscriptionStatus: TypeAlias = Literal["active", "past_due", "cancelled", "trialing", "paused"]

FIRST_ALLOWANCE = "first_allowance"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrganization:
    """An organization in its first period, which runs from `starts_at` to `ends_at` (None: it does
    not end) under `terms`; `coming` are the periods after it.

    `partition` is the one of Redis that its keys are in. `operations` are applied in their order.
    Raises BadArgument.
    """

    id: str
    partition: int
    plan_id: str
    terms: Terms
    starts_at: datetime
    ends_at: datetime | None = None
    coming: Sequence[ComingPeriod] = ()
    operations: Sequence[Operation] = ()
    status: SubscriptionStatus = "active"
    name: str | None = None
    billing_email: str | None = None
    timezone: str = "UTC"
    anchor_day: int = 1
    period_no: int = 1

    def __post_init__(self) -> None:
        check_id("id", self.id)
        Anchor(self.anchor_day, self.timezone)
        check_coming(self.coming, self.period_no, self.ends_at)


def first_allowance(organization_id: str, credits: int, *, period_no: int = 1) -> Operation:
    """The operation that gives the allowance of the first period, `credits` (1 or more): of the
    later ones the turn gives it."""
    change = CreditChange(entry="credit_purchased", source="base", credits=credits)
    return Operation(
        organization_id=organization_id,
        id=FIRST_ALLOWANCE,
        kind=FIRST_ALLOWANCE,
        content=OperationContent(changes=(change,)),
        period_no=period_no,
        reason="the allowance of the first period",
    )


async def add_organizations(
    connection: Connection, organizations: Sequence[NewOrganization], *, actor: str
) -> frozenset[str]:
    """Records organizations, in one transaction; the ids of those that were new.

    Of one that is there nothing is touched: neither its terms nor its operations. `actor`: who
    does it. Raises Unavailable, ContractError.
    """
    # In the order of their ids, so that two of these do not wait for each other.
    ordered = sorted(organizations, key=lambda one: one.id)
    async with connection.transaction():
        names = await load_statement("add_organizations").fetch(
            connection,
            _id,
            [one.id for one in ordered],
            [one.name for one in ordered],
            [one.billing_email for one in ordered],
            [one.timezone for one in ordered],
            [one.anchor_day for one in ordered],
        )
        added = frozenset(names)
        new = [one for one in ordered if one.id in added]
        if new:
            await _add_subscriptions(connection, new)
            await _add_accounts(connection, new)
            await _add_operations(connection, new, actor)
    return added


async def _add_subscriptions(connection: Connection, new: Sequence[NewOrganization]) -> None:
    await load_statement("add_subscriptions").execute(
        connection,
        [new_id("sub") for _ in new],
        [one.id for one in new],
        [one.plan_id for one in new],
        [one.status for one in new],
        [one.period_no for one in new],
        [one.starts_at for one in new],
        [one.ends_at for one in new],
    )


async def _add_accounts(connection: Connection, new: Sequence[NewOrganization]) -> None:
    await load_statement("add_accounts").execute(
        connection,
        [one.id for one in new],
        [one.partition for one in new],
        [one.status for one in new],
        [one.period_no for one in new],
        [one.starts_at for one in new],
        [one.ends_at for one in new],
        [one.terms for one in new],
        [tuple(one.coming) for one in new],  # a list would be a dimension of the array
    )


async def _add_operations(
    connection: Connection, new: Sequence[NewOrganization], actor: str
) -> None:
    operations = [operation for one in new for operation in one.operations]
    await load_statement("add_operations").execute(
        connection,
        [one.organization_id for one in operations],
        [one.id for one in operations],
        [one.kind for one in operations],
        [one.period_no for one in operations],
        [one.content for one in operations],
        [one.reference for one in operations],
        [one.reason for one in operations],
        actor,
    )


def _id(id: str) -> str:
    return id
