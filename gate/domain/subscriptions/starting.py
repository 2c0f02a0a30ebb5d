"""How a subscription begins: at once, or once it is paid. (With a trial: `trials`.)

A first period that begins in the middle of its month costs its share, and gives its share rounded
up; on a free plan it gives all, as nobody pays for less.

A new account is opened as it is to be, and gets its first allowance by an operation. One that is
there already is made to turn at once, and the turn gives the allowance.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from gate.domain.accounts import ComingPeriod
from gate.domain.calendar import Anchor
from gate.domain.instants import instant
from gate.domain.invoices import Line
from gate.domain.operations import Operation, OperationContent
from gate.domain.plans import PlanView
from gate.domain.proration import credits_given, money_share
from gate.domain.subscriptions.periods import (
    base_share,
    coming_of,
    first_span,
    year_from,
)
from gate.domain.subscriptions.planned import (
    Opening,
    Planned,
    Preview,
    credits_in_words,
    given,
    money_in_words,
    operation,
    plan_in_words,
    when_in_words,
)
from gate.domain.subscriptions.states import (
    Refused,
    SubscriptionStatus,
    TransitionName,
    next_status,
)
from gate.domain.subscriptions.views import (
    AccountView,
    SubscriptionView,
    WholePeriod,
)


def start(
    plan: PlanView,
    anchor: Anchor,
    *,
    organization_id: str,
    at: datetime,
    operation_id: str,
    paid: bool = True,
    ended: AccountView | None = None,
) -> Planned:
    """Begins a subscription at `at`. `paid` False: its first period waits for payment, and admits
    and gives nothing until `pay`; a free plan never waits. `ended`: the account of one that was
    cancelled; its purchased credits are there again, its periods are counted on.

    Raises Refused: the account's subscription goes on. BadArgument.
    """
    now = instant("at", at)
    paid = paid or plan.is_free
    before: SubscriptionStatus | None = None if ended is None else "cancelled"
    name: TransitionName = "start" if paid else "start_unpaid"
    status = begun(name, before)
    if ended is not None and not _is_over(ended, now):
        raise Refused("start", "active", "status", "the account's subscription is not over")
    number = 1 if ended is None else ended.period_no + 1
    span = first_span(anchor, now)
    subscription = SubscriptionView(
        status=status,
        plan=plan,
        anchor=anchor,
        year=year_from(anchor, number, now, span) if plan.is_annual else None,
        whole=None if span.left(now) == span.seconds else WholePeriod(number, span.seconds),
        awaits_payment=not paid,
    )
    credits = first_credits(plan, span.share_left(now)) if paid else 0
    first = first_period(organization_id, subscription, number, now, span.ends_at)
    preview = first_preview(subscription, first, credits)
    if ended is not None:
        coming = coming_of(
            subscription,
            period_no=ended.period_no,
            ends_at=now,
            terms=ended.terms,
            status=status,
            withheld=not paid,
        )
        coming = (replace(coming[0], allowance=credits), *coming[1:])
        content = turned(now, coming, paid=paid)
        operations = operation(name, operation_id, ended, content)
        return Planned(operations=operations, subscription=subscription, preview=preview)
    coming = coming_of(
        subscription, period_no=number, ends_at=span.ends_at, terms=plan.terms, withheld=not paid
    )
    return Planned(
        operations=first_allowance(organization_id, operation_id, credits),
        subscription=subscription,
        preview=preview,
        opening=Opening(
            status=status,
            terms=plan.terms,
            period_no=number,
            starts_at=now,
            ends_at=span.ends_at,
            coming=coming,
        ),
    )


def first_credits(plan: PlanView, share: Fraction) -> int:
    """What a first period gives that is this share of its month."""
    return plan.monthly_credits if plan.is_free else credits_given(plan.monthly_credits, share)


def begun(name: TransitionName, before: SubscriptionStatus | None) -> SubscriptionStatus:
    """The status of what begins. Raises Refused."""
    status = next_status(name, before)
    assert status is not None  # whatever begins has one
    return status


def _is_over(ended: AccountView, now: datetime) -> bool:
    return ended.status == "cancelled" and ended.ends_at is not None and ended.ends_at <= now


def turned(now: datetime, coming: tuple[ComingPeriod, ...], *, paid: bool) -> OperationContent:
    """The running period ends now, so that the account turns by itself. A grace of an earlier time
    must not let in who has not paid."""
    return OperationContent(ends_at=now, coming=coming, grace_until=None if paid else now)


def first_allowance(organization_id: str, operation_id: str, credits: int) -> tuple[Operation, ...]:
    """The operation that gives a new account its first credits; none if there are none."""
    if credits == 0:
        return ()
    return (
        Operation(
            organization_id=organization_id,
            id=operation_id,
            kind="first_allowance",
            content=OperationContent(changes=given(credits, "credit_purchased")),
            period_no=1,
            reason="the allowance of the first period",
        ),
    )


def first_period(
    organization_id: str,
    subscription: SubscriptionView,
    number: int,
    now: datetime,
    ends_at: datetime,
) -> AccountView:
    """The account as it will be in the first period."""
    return AccountView(
        organization_id=organization_id,
        status=subscription.status,
        period_no=number,
        starts_at=now,
        ends_at=ends_at,
        terms=subscription.plan.terms,
    )


def first_preview(subscription: SubscriptionView, first: AccountView, credits: int) -> Preview:
    """What beginning now means, with the base price that the period's invoice will ask for."""
    plan, waits = subscription.plan, subscription.awaits_payment
    due = base_share(replace(subscription, status="active", awaits_payment=False), first)
    line = Line(
        kind="base",
        description=plan.name,
        amount=money_share(plan.base_price_usd, due),
        credits=credits,
        period_no=first.period_no,
        config_version=plan.config_version,
    )
    lines = (line,) if line.amount else ()
    gives = "nothing until it is paid" if waits else credits_in_words(credits)
    assert first.ends_at is not None  # as it was made
    until = when_in_words(first.ends_at, subscription)
    return Preview(
        sentences=(
            f"{plan.name} from now on: {money_in_words(lines)}.",
            f"The first period gives {gives} and ends on {until}.",
            f"Then {plan_in_words(plan)}.",
        ),
        credits=credits,
        lines=lines,
    )
