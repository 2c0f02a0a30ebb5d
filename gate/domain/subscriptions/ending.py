"""How a subscription ends: at the end of what is paid for, or now; and how it is kept after all.

It ends by a turn in either case, so that its last period is closed and invoiced like any other.
Purchased credits stay for a later subscription; at the end, those that the plan carries over do so
too. At a cancellation now base and rollover credits lapse, and of the base price the share is given
back that is left of its time or of its credits, whichever is less: whoever used up a month's
credits on its first day has used the month. Of a year, the credits of all later months are left.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from gate.domain.accounts import ComingPeriod
from gate.domain.calendar import period_boundary
from gate.domain.instants import instant
from gate.domain.invoices import Line
from gate.domain.money import negated, usd_in_words
from gate.domain.operations import OperationContent
from gate.domain.proration import money_share
from gate.domain.subscriptions.periods import (
    caught_up,
    judged_at,
    last_paid_no,
    paid_span,
    running_span,
)
from gate.domain.subscriptions.planned import (
    Planned,
    Preview,
    credits_in_words,
    dropped_in_words,
    operation,
    when_in_words,
)
from gate.domain.subscriptions.scheduling import calendar_operation
from gate.domain.subscriptions.states import Refused, next_status
from gate.domain.subscriptions.views import AccountView, ScheduledEnd, SubscriptionView


def cancel_at_end(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
) -> Planned:
    """It goes on to the end of what is paid for: of the period, or of the year; of the period,
    where payment is missing. A plan change that is scheduled is dropped. Raises Refused: the status
    does not allow it, or it is scheduled already. BadArgument."""
    subscription = caught_up(subscription, account)
    next_status("cancel_at_end", subscription.status)
    judged_at(account, at)
    if isinstance(subscription.scheduled, ScheduledEnd):
        detail = "the cancellation is scheduled already"
        raise Refused("cancel_at_end", subscription.status, "scheduled", detail)
    last, ends_at = last_paid_no(subscription, account), running_span(subscription, account).ends_at
    after = replace(subscription, scheduled=ScheduledEnd(last + 1))
    over_at = period_boundary(subscription.anchor, ends_at, last - account.period_no)
    return Planned(
        operations=calendar_operation("cancel_at_end", operation_id, after, account),
        subscription=after,
        preview=Preview(
            sentences=(
                f"Cancelled on {when_in_words(over_at, after)}; until then everything stays as it"
                " is.",
                "Purchased credits are kept for a later subscription.",
                *dropped_in_words(subscription, after),
            ),
            takes_effect_at=over_at,
        ),
    )


def reactivate(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
) -> Planned:
    """Withdraws a cancellation that is scheduled. (One that is over begins anew with `start`.)
    Raises Refused: there is none, or it is over. BadArgument."""
    next_status("reactivate", subscription.status)
    judged_at(account, at)
    if not isinstance(subscription.scheduled, ScheduledEnd):
        detail = "no cancellation is scheduled"
        raise Refused("reactivate", subscription.status, "not_scheduled", detail)
    after = replace(subscription, scheduled=None)
    return Planned(
        operations=calendar_operation("reactivate", operation_id, after, account),
        subscription=after,
        preview=Preview(sentences=(f"{after.plan.name} goes on as before.",)),
    )


def cancel_now(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
    give_back: bool = True,
) -> Planned:
    """Ends it at once. `give_back` False: no money is given back. Raises Refused, BadArgument."""
    subscription = caught_up(subscription, account)
    status = next_status("cancel_now", subscription.status)
    assert status is not None
    now = instant("at", at) if account.ends_at is None else judged_at(account, at)
    lines = _unused(subscription, account, now) if give_back else ()
    after = replace(subscription, status=status, scheduled=None, paused=None, awaits_payment=False)
    number = account.period_no + 1
    # What is paid back must not be carried over: the turn goes by the terms of the closed period.
    terms = replace(account.terms, max_rollover_credits=None)
    end = ComingPeriod(period_no=number, ends_at=now, allowance=0, status="cancelled")
    lapsing = account.base_left + account.rollover_left
    money = (
        f"{usd_in_words(negated(lines[0].amount))} is given back."
        if lines
        else "Nothing is given back."
    )
    return Planned(
        operations=operation(
            "cancel_now",
            operation_id,
            account,
            OperationContent(ends_at=now, terms=terms, coming=(end,)),
        ),
        subscription=after,
        preview=Preview(
            sentences=(
                f"Cancelled now: {credits_in_words(lapsing)} left of the plan lapse. {money}",
                "Purchased credits are kept for a later subscription.",
            ),
            credits=-lapsing,
            lines=lines,
        ),
    )


def _unused(
    subscription: SubscriptionView, account: AccountView, now: datetime
) -> tuple[Line, ...]:
    """The line that gives back what is left of the price; none if nothing is."""
    plan = subscription.plan
    if subscription.status == "trialing" or subscription.awaits_payment:
        return ()
    if subscription.paused is not None:
        account = replace(account, ends_at=subscription.paused.ends_at)
        now = subscription.paused.at
    share = paid_span(subscription, account).share_left(now)
    if plan.monthly_credits:
        share = min(share, _credits_left(subscription, account))
    amount = money_share(plan.base_price_usd, share)
    if amount == 0:
        return ()
    return (
        Line(
            kind="credit_note",
            description=f"{plan.name}, unused",
            amount=negated(amount),
            period_no=account.period_no,
            config_version=plan.config_version,
        ),
    )


def _credits_left(subscription: SubscriptionView, account: AccountView) -> Fraction:
    """Which share of the credits that the base price pays for is not spent."""
    monthly, year, back = (
        subscription.plan.monthly_credits,
        subscription.year,
        subscription.taken_back,
    )
    months, later = (1, 0) if year is None else (12, year.last_period_no - account.period_no)
    unspent = account.base_left
    if back is not None and back.period_no == account.period_no:
        unspent += back.credits
    return Fraction(later * monthly + unspent, months * monthly)
