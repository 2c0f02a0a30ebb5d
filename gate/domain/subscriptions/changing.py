"""Another plan: at once where nothing gets less, else when what was paid for is over.

At once: the new terms are in force, and credits and money are the difference for the rest of the
running period, to the second. Money of an annual plan is for the rest of its year; from monthly to
annual, a year begins with the running period. Later: the period in which it begins brings it; of a
year, the first after it. In a trial the plan is changed at once, its credits stay as they are, and
money begins after it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Literal

from gate.domain.errors import BadArgument
from gate.domain.invoices import Line
from gate.domain.operations import OperationContent
from gate.domain.plans import PlanView
from gate.domain.proration import credits_given, money_share
from gate.domain.subscriptions.periods import (
    caught_up,
    coming_of,
    judged_at,
    last_paid_no,
    later_boundary,
    paid_span,
    reaches_account,
    running_span,
)
from gate.domain.subscriptions.planned import (
    Planned,
    Preview,
    credits_in_words,
    given,
    money_in_words,
    operation,
    plan_in_words,
    when_in_words,
)
from gate.domain.subscriptions.starting import trial_terms
from gate.domain.subscriptions.states import Refused, next_status
from gate.domain.subscriptions.views import (
    AccountView,
    PaidYear,
    ScheduledPlan,
    SubscriptionView,
)

When = Literal["now", "period_end"]


def takes_effect(present: PlanView, plan: PlanView) -> When:
    """At once if it gives no fewer credits and costs no less a month; but a year that is paid for
    is not given back for months."""
    gives_less = plan.monthly_credits < present.monthly_credits
    costs_less = plan.price_per_month < present.price_per_month
    out_of_a_year = present.is_annual and not plan.is_annual
    return "period_end" if gives_less or costs_less or out_of_a_year else "now"


def change_plan(
    subscription: SubscriptionView,
    account: AccountView,
    plan: PlanView,
    *,
    at: datetime,
    operation_id: str,
    when: When | None = None,
) -> Planned:
    """Changes the plan, or its version; takes the place of anything that is scheduled. The present
    plan withdraws a change that is scheduled.

    `when`: as `takes_effect` says, or later than that. Raises Refused: the status does not allow
    it, it is the present plan, it is less and not at the period's end. BadArgument.
    """
    subscription = caught_up(subscription, account)
    next_status("change_plan", subscription.status)
    now, present = judged_at(account, at), subscription.plan
    if plan == present:
        return _withdraw(subscription, account, operation_id)
    if subscription.status == "trialing":
        return _change_in_trial(subscription, account, plan, operation_id)
    earliest = takes_effect(present, plan)
    if when == "now" and earliest == "period_end":
        detail = "it gives or costs less, or the year is paid for: at the period's end only"
        raise Refused("change_plan", subscription.status, "period_end_only", detail)
    if (when or earliest) == "now":
        return _change_now(subscription, account, plan, now, operation_id)
    return _change_later(subscription, account, plan, operation_id)


def _change_now(
    subscription: SubscriptionView,
    account: AccountView,
    plan: PlanView,
    now: datetime,
    operation_id: str,
) -> Planned:
    present, period = subscription.plan, running_span(subscription, account)
    year = subscription.year
    if plan.is_annual and year is None:
        whole = _year_seconds(subscription, account)
        year = PaidYear(account.period_no, account.starts_at, whole)
    after = replace(subscription, plan=plan, scheduled=None, year=year)
    credits = credits_given(
        plan.monthly_credits - present.monthly_credits, period.share_left(now)
    )
    unused = _proration(
        present, -paid_span(subscription, account).share_left(now), "unused", account.period_no
    )
    rest = _proration(plan, paid_span(after, account).share_left(now), "rest", account.period_no)
    lines = tuple(line for line in (unused, rest) if line.amount)
    content = OperationContent(
        changes=given(credits),
        terms=plan.terms,
        coming=coming_of(
            after, period_no=account.period_no, ends_at=period.ends_at, terms=plan.terms
        ),
    )
    until = when_in_words(period.ends_at, after)
    return Planned(
        operations=operation("change_plan", operation_id, account, content),
        subscription=after,
        preview=Preview(
            sentences=(
                f"{plan.name} instead of {present.name} from now on:"
                f" {credits_in_words(credits)} more until {until}, {money_in_words(lines)}.",
                f"Then {plan_in_words(plan)}.",
            ),
            credits=credits,
            lines=lines,
        ),
    )


def _change_later(
    subscription: SubscriptionView, account: AccountView, plan: PlanView, operation_id: str
) -> Planned:
    period = running_span(subscription, account)
    last = last_paid_no(subscription, account)
    after = replace(subscription, scheduled=ScheduledPlan(plan, last + 1))
    begins_at = later_boundary(subscription.anchor, period.ends_at, last - account.period_no)
    present = subscription.plan.name
    return Planned(
        operations=_calendar(after, account, period.ends_at, operation_id),
        subscription=after,
        preview=Preview(
            sentences=(
                f"{plan.name} instead of {present} from {when_in_words(begins_at, after)} on;"
                f" until then everything stays as it is.",
                f"Then {plan_in_words(plan)}.",
            ),
            takes_effect_at=begins_at,
        ),
    )


def _change_in_trial(
    subscription: SubscriptionView, account: AccountView, plan: PlanView, operation_id: str
) -> Planned:
    ends_at, number = running_span(subscription, account).ends_at, account.period_no
    year = PaidYear(number + 1, ends_at) if plan.is_annual else None
    after = replace(subscription, plan=plan, year=year)
    terms = trial_terms(plan)
    content = OperationContent(
        terms=terms,
        coming=coming_of(after, period_no=number, ends_at=ends_at, terms=terms, status="active"),
    )
    then = f"From {when_in_words(ends_at, after)} on: {plan_in_words(plan)}."
    return Planned(
        operations=operation("change_plan", operation_id, account, content),
        subscription=after,
        preview=Preview(
            sentences=(
                f"{plan.name} instead of {subscription.plan.name} from now on; the trial and its"
                " credits stay as they are, and nothing is to pay.",
                *((then,) if after.scheduled is None else ()),
            )
        ),
    )


def _withdraw(
    subscription: SubscriptionView, account: AccountView, operation_id: str
) -> Planned:
    if not isinstance(subscription.scheduled, ScheduledPlan):
        raise Refused("change_plan", subscription.status, "same_plan", "it is the present plan")
    after = replace(subscription, scheduled=None)
    ends_at = running_span(subscription, account).ends_at
    return Planned(
        operations=_calendar(after, account, ends_at, operation_id),
        subscription=after,
        preview=Preview(
            sentences=(
                f"{subscription.plan.name} stays; {subscription.scheduled.plan.name} does not"
                " take its place.",
            )
        ),
    )
