"""Trials: they cost nothing, and the first period that is paid, or none, follows by itself.

A trial allows no overage, which nobody would pay, and carries nothing over into what follows. Its
credits are its own: another plan changes what follows it, and its limits, not them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gate.domain.accounts import ComingPeriod, Terms
from gate.domain.calendar import Anchor
from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.limits import CREDITS_MAX, check_whole
from gate.domain.plans import PlanView
from gate.domain.subscriptions.periods import coming_of, judged_at, on_day_of
from gate.domain.subscriptions.planned import (
    Opening,
    Planned,
    Preview,
    credits_in_words,
    operation,
    plan_in_words,
    when_in_words,
)
from gate.domain.subscriptions.starting import (
    begun,
    first_allowance,
    first_period,
    first_preview,
    turned,
)
from gate.domain.subscriptions.states import Refused, TransitionName
from gate.domain.subscriptions.views import (
    AccountView,
    PaidYear,
    ScheduledEnd,
    ScheduledPlan,
    SubscriptionView,
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
    status = begun("start_trial", before)
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
        content = turned(now, (trial, *coming), paid=True)
        operations = operation("start_trial", operation_id, account, content)
        return Planned(operations=operations, subscription=subscription, preview=preview)
    return Planned(
        operations=first_allowance(organization_id, operation_id, credits),
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
    status = begun(name, subscription.status)
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
    first = first_period(account.organization_id, after, number, now, coming[0].ends_at)
    preview = first_preview(after, first, coming[0].allowance)
    lapse = f"What is left of the trial lapses: {credits_in_words(account.base_left)}."
    return Planned(
        operations=operation(name, operation_id, account, turned(now, coming, paid=paid)),
        subscription=after,
        preview=replace(preview, sentences=(*preview.sentences, lapse)),
    )


def trial_terms(plan: PlanView) -> Terms:
    """What a plan allows in a trial."""
    return replace(plan.terms, overage_limit=0, max_rollover_credits=None)


def _behind_trial(
    plan: PlanView, then: PlanView | None, number: int
) -> ScheduledPlan | ScheduledEnd | None:
    if then is None:
        return ScheduledEnd(number)
    return None if then == plan else ScheduledPlan(then, number)
