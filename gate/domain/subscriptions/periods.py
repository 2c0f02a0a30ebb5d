"""The time around a subscription: what is paid for until when, and the periods to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from gate.domain.accounts import COMING_MAX, ComingPeriod, Status, Terms
from gate.domain.calendar import Anchor, period_boundary, period_containing
from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.proration import Span
from gate.domain.subscriptions.views import (
    AccountView,
    PaidYear,
    ScheduledEnd,
    ScheduledPlan,
    SubscriptionView,
)

PERIODS_AHEAD: Final = 2
"""How many periods an account knows; more, up to eight, if a change is scheduled behind them."""

_TWO_MONTHS = timedelta(days=62)


def judged_at(account: AccountView, at: datetime) -> datetime:
    """The instant in whole milliseconds. Raises BadArgument: not within the running period, so that
    the views are not those of that instant."""
    now = instant("at", at)
    if now < account.starts_at or (account.ends_at is not None and now >= account.ends_at):
        raise BadArgument("at", at, "within the running period")
    return now


def running_span(subscription: SubscriptionView, account: AccountView) -> Span:
    """The running period. Raises BadArgument: it does not end."""
    span = Span.between(account.starts_at, account.ends_at)
    whole = subscription.whole
    if whole is not None and whole.period_no == account.period_no:
        return Span(span.ends_at, whole.seconds)
    return span


def paid_span(subscription: SubscriptionView, account: AccountView) -> Span:
    """What the base price is for: the running period, or the year of an annual plan. Raises
    BadArgument: the running period does not end."""
    period, year = running_span(subscription, account), subscription.year
    if year is None:
        return period
    ends_at = period_boundary(
        subscription.anchor, period.ends_at, year.last_period_no - account.period_no
    )
    if year.seconds is not None:
        return Span(ends_at, year.seconds)
    return Span.between(year.starts_at, ends_at)


def first_span(anchor: Anchor, at: datetime) -> Span:
    """The first period of a subscription that begins at an instant. One that begins on the anchor's
    day is whole; any other is a part of the month that its anchor is in."""
    month = period_containing(anchor, at - _TWO_MONTHS, at)
    zone = ZoneInfo(anchor.timezone)
    same_day = at.astimezone(zone).date() == month.starts_at.astimezone(zone).date()
    return Span.between(at if same_day else month.starts_at, month.ends_at)


def year_from(anchor: Anchor, period_no: int, starts_at: datetime, period: Span) -> PaidYear:
    """The year that begins with a period. By what a short or a paused one differs from the clock,
    its year does too."""
    ends_at = period_boundary(anchor, period.ends_at, 11)
    differs = period.seconds - Span.between(starts_at, period.ends_at).seconds
    seconds = Span.between(starts_at, ends_at).seconds + differs if differs else None
    return PaidYear(period_no, starts_at, seconds)


def on_day_of(anchor: Anchor, at: datetime) -> Anchor:
    """The anchor moved to the day of an instant, by its clocks."""
    return replace(anchor, day=at.astimezone(ZoneInfo(anchor.timezone)).day)


def last_paid_no(subscription: SubscriptionView, account: AccountView) -> int:
    """The last period that is paid for or was agreed on: the year's of an annual plan, else the
    running one; the running one too in a trial, and where payment is missing."""
    if subscription.year is None or subscription.status in ("trialing", "past_due"):
        return account.period_no
    return subscription.year.last_period_no


def base_share(subscription: SubscriptionView, account: AccountView) -> Fraction:
    """How much of the base price is due for the running period, seen when it begins: none in a
    trial, while a first payment is waited for, and in all months of a year but the first; a share
    of a short first one. To be kept for its invoice, and worked out anew when a first payment
    comes."""
    if subscription.status in ("trialing", "cancelled") or subscription.awaits_payment:
        return Fraction(0)
    year = subscription.year
    if year is not None and year.first_period_no != account.period_no:
        return Fraction(0)
    return paid_span(subscription, account).share_left(account.starts_at)


def coming_of(
    subscription: SubscriptionView,
    *,
    period_no: int,
    ends_at: datetime,
    terms: Terms,
    status: Status | None = None,
    withheld: bool = False,
) -> tuple[ComingPeriod, ...]:
    """The periods after `period_no`, which ends at `ends_at` under `terms`, as the subscription and
    its schedule want them.

    `status`: of the first. `withheld`: they give no credits. A cancellation is a period of status
    cancelled that ends where it begins, and the last. Raises BadArgument.
    """
    plan, scheduled, begins_at = subscription.plan, subscription.scheduled, ends_at
    coming: list[ComingPeriod] = []
    for months in range(1, _count(subscription, period_no) + 1):
        number = period_no + months
        if isinstance(scheduled, ScheduledEnd) and scheduled.period_no == number:
            end = ComingPeriod(period_no=number, ends_at=begins_at, allowance=0, status="cancelled")
            return (*coming, end)
        if isinstance(scheduled, ScheduledPlan) and scheduled.period_no == number:
            plan = scheduled.plan
        begins_at = period_boundary(subscription.anchor, ends_at, months)
        coming.append(
            ComingPeriod(
                period_no=number,
                ends_at=begins_at,
                allowance=0 if withheld else plan.monthly_credits,
                status=status if months == 1 else None,
                terms=None if plan.terms == terms else plan.terms,
            )
        )
        terms = plan.terms
    return tuple(coming)


def reaches_account(subscription: SubscriptionView, period_no: int) -> bool:
    """Whether what is scheduled is near enough for an account in `period_no` to know it."""
    scheduled = subscription.scheduled
    return scheduled is not None and scheduled.period_no - period_no <= COMING_MAX


def caught_up(subscription: SubscriptionView, account: AccountView) -> SubscriptionView:
    """The subscription after the turns that its account has made: a plan that was scheduled is in
    force, a year that is over is followed by the next."""
    scheduled, number = subscription.scheduled, account.period_no
    if isinstance(scheduled, ScheduledPlan) and scheduled.period_no <= number:
        year = None
        if scheduled.plan.is_annual:
            year = PaidYear(scheduled.period_no, _start_of(subscription, account, scheduled[1]))
        subscription = replace(subscription, plan=scheduled.plan, scheduled=None, year=year)
    year = subscription.year
    if year is not None and number > year.last_period_no:
        first = number - (number - year.first_period_no) % 12
        year = PaidYear(first, _start_of(subscription, account, first))
        subscription = replace(subscription, year=year)
    return subscription


def _count(subscription: SubscriptionView, period_no: int) -> int:
    if subscription.scheduled is None or not reaches_account(subscription, period_no):
        return PERIODS_AHEAD
    return max(PERIODS_AHEAD, subscription.scheduled.period_no - period_no)


def _start_of(subscription: SubscriptionView, account: AccountView, period_no: int) -> datetime:
    """When an earlier period began (or the running one), by its anchor."""
    back = account.period_no - period_no
    if back == 0:
        return account.starts_at
    first = account.starts_at - timedelta(days=31 * back) - _TWO_MONTHS
    reached = period_containing(subscription.anchor, first, account.starts_at)
    return period_boundary(subscription.anchor, first, reached.number - 1 - back)
