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
from decimal import Decimal
from typing import Literal

from gate.domain.calendar import period_boundary
from gate.domain.invoices import Line
from gate.domain.money import negated
from gate.domain.operations import OperationContent
from gate.domain.plans import PlanView
from gate.domain.proration import credits_given, money_share
from gate.domain.subscriptions.periods import (
    caught_up,
    coming_of,
    judged_at,
    last_paid_no,
    paid_span,
    running_span,
    year_from,
)
from gate.domain.subscriptions.planned import (
    Planned,
    Preview,
    credits_in_words,
    dropped_in_words,
    given,
    money_in_words,
    operation,
    plan_in_words,
    when_in_words,
)
from gate.domain.subscriptions.scheduling import calendar_operation
from gate.domain.subscriptions.states import Refused, next_status
from gate.domain.subscriptions.trials import trial_terms
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
    present, number = subscription.plan, account.period_no
    period = running_span(subscription, account)
    year = subscription.year
    if plan.is_annual and year is None:
        year = year_from(subscription.anchor, number, account.starts_at, period)
    after = replace(subscription, plan=plan, scheduled=None, year=year)
    more = plan.monthly_credits - present.monthly_credits
    credits = credits_given(more, period.share_left(now))
    unused = money_share(present.base_price_usd, paid_span(subscription, account).share_left(now))
    rest = money_share(plan.base_price_usd, paid_span(after, account).share_left(now))
    lines = (
        *_proration(f"{present.name}, unused", negated(unused), present, number),
        *_proration(f"{plan.name}, for the rest", rest, plan, number, credits),
    )
    content = OperationContent(
        changes=given(credits),
        terms=plan.terms,
        coming=coming_of(after, period_no=number, ends_at=period.ends_at, terms=plan.terms),
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
                *dropped_in_words(subscription, after),
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
    begins_at = period_boundary(subscription.anchor, period.ends_at, last - account.period_no)
    present = subscription.plan.name
    return Planned(
        operations=calendar_operation("change_plan", operation_id, after, account),
        subscription=after,
        preview=Preview(
            sentences=(
                f"{plan.name} instead of {present} from {when_in_words(begins_at, after)} on;"
                " until then everything stays as it is.",
                f"Then {plan_in_words(plan)}.",
                *dropped_in_words(subscription, after),
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


def _withdraw(subscription: SubscriptionView, account: AccountView, operation_id: str) -> Planned:
    if not isinstance(subscription.scheduled, ScheduledPlan):
        raise Refused("change_plan", subscription.status, "same_plan", "it is the present plan")
    after = replace(subscription, scheduled=None)
    return Planned(
        operations=calendar_operation("change_plan", operation_id, after, account),
        subscription=after,
        preview=Preview(
            sentences=(
                f"{subscription.plan.name} stays; {subscription.scheduled.plan.name} does not"
                " take its place.",
            )
        ),
    )


def _proration(
    description: str, amount: Decimal, plan: PlanView, period_no: int, credits: int = 0
) -> tuple[Line, ...]:
    if amount == 0:
        return ()
    return (
        Line(
            kind="proration",
            description=description,
            amount=amount,
            credits=credits,
            period_no=period_no,
            config_version=plan.config_version,
        ),
    )
