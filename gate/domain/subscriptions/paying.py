"""What payments do: a failed one starts a grace, a late one ends it, and a missing one takes back.

The turn alone gives a period's credits. While a payment is missing admission goes on until the
grace ends; then what is left of the allowance is taken back once, and later periods bring none.
Once it is paid, what was taken back in the running period is given again; if its period is over,
the running one, which brought nothing, gets its allowance. A year that was never paid begins with
the period in which it is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gate.domain.accounts import ComingPeriod
from gate.domain.calendar import Anchor
from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.operations import CreditChange, OperationContent
from gate.domain.proration import Span
from gate.domain.subscriptions.periods import (
    caught_up,
    coming_of,
    running_span,
    year_from,
)
from gate.domain.subscriptions.planned import (
    Planned,
    Preview,
    credits_in_words,
    given,
    operation,
    status_for,
    taken,
    when_in_words,
)
from gate.domain.subscriptions.scheduling import is_withheld
from gate.domain.subscriptions.starting import first_credits
from gate.domain.subscriptions.states import Refused, next_status
from gate.domain.subscriptions.views import (
    AccountView,
    PaidYear,
    SubscriptionView,
    TakenBack,
)


def payment_failed(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    grace_until: datetime,
    operation_id: str,
) -> Planned:
    """Past due from now on; admission goes on until `grace_until`, which may be now. A later
    failure of the same payment does not make it longer: it is refused. Raises Refused, BadArgument.
    """
    subscription = caught_up(subscription, account)
    status = next_status("payment_failed", subscription.status)
    assert status is not None
    until = instant("grace_until", grace_until)
    if until < instant("at", at):
        raise BadArgument("grace_until", grace_until, "now or later")
    after = replace(subscription, status=status, taken_back=None)
    content = OperationContent(status=status_for(account, "past_due"), grace_until=until)
    return Planned(
        operations=operation("payment_failed", operation_id, account, content, any_period=True),
        subscription=after,
        preview=Preview(
            sentences=(
                f"Past due: sending goes on until {when_in_words(until, after)}; then what is left"
                " of the allowance is taken back.",
            )
        ),
    )


def end_grace(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
) -> Planned:
    """Takes back what is left of the allowance, once. Raises Refused: it is not past due, the grace
    is not over, it was done. BadArgument."""
    subscription = caught_up(subscription, account)
    next_status("end_grace", subscription.status)
    until = account.grace_until
    if is_withheld(subscription) or (until is not None and instant("at", at) < until):
        detail = "the grace is not over, or what it gave was taken back already"
        raise Refused("end_grace", subscription.status, "grace", detail)
    after = replace(subscription, taken_back=TakenBack(account.period_no, account.base_left))
    period = running_span(subscription, account)
    content = OperationContent(
        changes=taken(account.base_left),
        coming=_coming(after, account, period),
    )
    return Planned(
        operations=operation("end_grace", operation_id, account, content),
        subscription=after,
        preview=Preview(
            sentences=(
                f"{credits_in_words(account.base_left)} of the unpaid allowance are taken back;"
                " they come again once it is paid.",
            ),
            credits=-account.base_left,
        ),
    )


def pay(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
) -> Planned:
    """The payment has come. Of an active subscription it confirms, and changes nothing. Raises
    Refused, BadArgument."""
    subscription = caught_up(subscription, account)
    before, status = subscription.status, next_status("pay", subscription.status)
    assert status is not None
    instant("at", at)
    after = replace(subscription, status=status, awaits_payment=False, taken_back=None)
    if before == "active":
        sentence = "Paid; nothing changes."
        return Planned(operations=(), subscription=after, preview=Preview(sentences=(sentence,)))
    if not is_withheld(subscription):
        content = OperationContent(status=status_for(account, "active"))
        return Planned(
            operations=operation("pay", operation_id, account, content, any_period=True),
            subscription=after,
            preview=Preview(sentences=("Paid; the subscription is active again.",)),
        )
    period, year = running_span(subscription, account), subscription.year
    if year is not None and subscription.awaits_payment:
        # It is paid from now on, though it was to begin earlier.
        after = replace(after, year=_paid_year(subscription.anchor, year, account, period))
    changes = _owed(subscription, account, period)
    credits = sum(change.credits for change in changes)
    content = OperationContent(
        changes=changes,
        status=status_for(account, "active"),
        coming=_coming(after, account, period),
    )
    return Planned(
        operations=operation("pay", operation_id, account, content),
        subscription=after,
        preview=Preview(
            sentences=(
                f"Paid; the subscription is active, with {credits_in_words(credits)} more until"
                f" {when_in_words(period.ends_at, after)}.",
            ),
            credits=credits,
        ),
    )


def unfreeze(
    subscription: SubscriptionView,
    account: AccountView,
    *,
    at: datetime,
    operation_id: str,
) -> Planned:
    """Ends what froze the account: it gets the subscription's status again. Raises Refused: it is
    not frozen, or has more debt than its terms allow, so that it would freeze again."""
    next_status("unfreeze", subscription.status)
    instant("at", at)
    if account.status != "frozen":
        raise Refused("unfreeze", subscription.status, "frozen", "the account is not frozen")
    if account.debt > account.terms.max_debt:
        detail = f"debt of {account.debt:,}, at most {account.terms.max_debt:,} is allowed"
        raise Refused("unfreeze", subscription.status, "debt", detail)
    content = OperationContent(status=subscription.status)
    return Planned(
        operations=operation("unfreeze", operation_id, account, content, any_period=True),
        subscription=subscription,
        preview=Preview(sentences=(f"The account is {subscription.status} again.",)),
    )


def _paid_year(anchor: Anchor, year: PaidYear, account: AccountView, period: Span) -> PaidYear:
    if year.first_period_no == account.period_no:
        return year
    return year_from(anchor, account.period_no, account.starts_at, period)


def _owed(
    subscription: SubscriptionView, account: AccountView, period: Span
) -> tuple[CreditChange, ...]:
    """What a payment that was missing gives to the running period."""
    if subscription.awaits_payment:
        share = period.share_left(account.starts_at)
        credits = first_credits(subscription.plan, share)
        return given(credits, "credit_purchased")
    back = subscription.taken_back
    if back is not None and back.period_no == account.period_no:
        return given(back.credits)
    return given(subscription.plan.monthly_credits)


def _coming(
    subscription: SubscriptionView, account: AccountView, period: Span
) -> tuple[ComingPeriod, ...]:
    return coming_of(
        subscription,
        period_no=account.period_no,
        ends_at=period.ends_at,
        terms=account.terms,
        withheld=is_withheld(subscription),
    )
