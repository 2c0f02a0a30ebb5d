"""How a subscription begins: at once, once it is paid, or with a trial.

A first period that begins in the middle of its month costs its share, and gives its share rounded
up; on a free plan it gives all, as nobody pays for less. A trial costs nothing, allows no overage
(nobody would pay it) and carries nothing over into the first period that is paid.

A new account is opened as it is to be, and gets its first allowance by an operation. One that is
there already is made to turn at once, and the turn gives the allowance.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.calendar import Anchor
from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.invoices import Line
from gate.domain.limits import CREDITS_MAX, check_whole
from gate.domain.operations import Operation, OperationContent
from gate.domain.plans import PlanView
from gate.domain.proration import credits_given, money_share
from gate.domain.subscriptions.periods import (
    base_share,
    coming_of,
    first_span,
    judged_at,
    on_day_of,
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
    PaidYear,
    ScheduledEnd,
    ScheduledPlan,
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
    status = _after(name, before)
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
    first = _first(organization_id, subscription, number, now, span.ends_at)
    preview = _preview(subscription, first, credits)
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
        content = _turned(now, coming, paid=paid)
        operations = operation(name, operation_id, ended, content)
        return Planned(operations=operations, subscription=subscription, preview=preview)
    coming = coming_of(
        subscription, period_no=number, ends_at=span.ends_at, terms=plan.terms, withheld=not paid
    )
    return Planned(
        operations=_first_allowance(organization_id, operation_id, credits),
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


def start_trial(
    plan: PlanView,
    timezone: str,
    *,
    organization_id: str,
    at: datetime,
    ends_at: datetime,
    operation_id: str,
    then: PlanView | None,
    credits: int | None = None,
    present: tuple[SubscriptionView, AccountView] | None = None,
) -> Planned:
    """A trial from `at` to `ends_at`, of `credits` (default: a month's). When it is over, the first
    period of plan `then` (the same or another) begins by itself, or with None it is cancelled.
    Periods are anchored on the day on which it ends.

    `present`: the subscription to a free plan that it takes the place of; what is left of that
    allowance lapses. Raises Refused: that is not active, or not free. BadArgument.
    """
    before = None if present is None else present[0].status
    status = _after("start_trial", before)
    if present is not None and not present[0].plan.is_free:
        raise Refused("start_trial", before, "not_free", "the present plan is paid for")
    now, end = instant("at", at), instant("ends_at", ends_at)
    if end <= now:
        raise BadArgument("ends_at", ends_at, "an instant after the start")
    credits = plan.monthly_credits if credits is None else credits
    check_whole("credits", credits, 0, CREDITS_MAX)
    number = 1 if present is None else present[1].period_no + 1
    subscription = SubscriptionView(
        status=status,
        plan=plan,
        anchor=on_day_of(Anchor(1, timezone), end),
        scheduled=_behind_trial(plan, then, number + 1),
        year=PaidYear(number + 1, end) if plan.is_annual else None,
    )
    terms = trial_terms(plan)
    coming = coming_of(subscription, period_no=number, ends_at=end, terms=terms, status="active")
    preview = Preview(
        sentences=(
            f"A trial of {plan.name} with {credits_in_words(credits)}, for nothing, until"
            f" {when_in_words(end, subscription)}.",
            f"Then {then.name}: {plan_in_words(then)}." if then else "Then it ends by itself.",
        ),
        credits=credits,
    )
    if present is not None:
        account = present[1]
        judged_at(account, now)
        trial = ComingPeriod(
            period_no=number, ends_at=end, allowance=credits, status=status, terms=terms
        )
        content = _turned(now, (trial, *coming), paid=True)
        operations = operation("start_trial", operation_id, account, content)
        return Planned(operations=operations, subscription=subscription, preview=preview)
    return Planned(
        operations=_first_allowance(organization_id, operation_id, credits),
        subscription=subscription,
        preview=preview,
        opening=Opening(
            status=status,
            terms=terms,
            period_no=number,
            starts_at=now,
            ends_at=end,
            coming=coming,
        ),
    )


def end_trial(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
    paid: bool = True,
) -> Planned:
    """Ends a trial now: the first period of its plan begins, anchored on today, whatever was to
    follow the trial. `paid` as in `start`. Raises Refused, BadArgument."""
    plan, number = subscription.plan, account.period_no + 1
    paid = paid or plan.is_free
    name: TransitionName = "end_trial" if paid else "end_trial_unpaid"
    status = _after(name, subscription.status)
    now = judged_at(account, at)
    after = replace(
        subscription,
        status=status,
        anchor=on_day_of(subscription.anchor, now),
        scheduled=None,
        year=PaidYear(number, now) if plan.is_annual else None,
        awaits_payment=not paid,
    )
    coming = coming_of(
        after,
        period_no=account.period_no,
        ends_at=now,
        terms=account.terms,
        status=after.status,
        withheld=not paid,
    )
    assert coming[0].ends_at is not None  # the calendar's periods end
    first = _first(account.organization_id, after, number, now, coming[0].ends_at)
    preview = _preview(after, first, coming[0].allowance)
    lapse = f"What is left of the trial lapses: {credits_in_words(account.base_left)}."
    return Planned(
        operations=operation(name, operation_id, account, _turned(now, coming, paid=paid)),
        subscription=after,
        preview=replace(preview, sentences=(*preview.sentences, lapse)),
    )


def first_credits(plan: PlanView, share: Fraction) -> int:
    """What a first period gives that is this share of its month."""
    return plan.monthly_credits if plan.is_free else credits_given(plan.monthly_credits, share)


def trial_terms(plan: PlanView) -> Terms:
    """What a plan allows in a trial."""
    return replace(plan.terms, overage_limit=0, max_rollover_credits=None)


def _after(name: TransitionName, before: SubscriptionStatus | None) -> SubscriptionStatus:
    status = next_status(name, before)
    assert status is not None  # whatever begins has a status
    return status


def _is_over(ended: AccountView, now: datetime) -> bool:
    return ended.status == "cancelled" and ended.ends_at is not None and ended.ends_at <= now


def _turned(now: datetime, coming: tuple[ComingPeriod, ...], *, paid: bool) -> OperationContent:
    """The running period ends now, so that the account turns by itself. A grace of an earlier time
    must not let in who has not paid."""
    return OperationContent(ends_at=now, coming=coming, grace_until=None if paid else now)


def _behind_trial(
    plan: PlanView, then: PlanView | None, number: int
) -> ScheduledPlan | ScheduledEnd | None:
    if then is None:
        return ScheduledEnd(number)
    return None if then == plan else ScheduledPlan(then, number)


def _first_allowance(
    organization_id: str, operation_id: str, credits: int
) -> tuple[Operation, ...]:
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


def _first(
    organization_id: str,
    subscription: SubscriptionView,
    number: int,
    now: datetime,
    ends_at: datetime,
) -> AccountView:
    return AccountView(
        organization_id=organization_id,
        status=subscription.status,
        period_no=number,
        starts_at=now,
        ends_at=ends_at,
        terms=subscription.plan.terms,
    )


def _preview(subscription: SubscriptionView, first: AccountView, credits: int) -> Preview:
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
