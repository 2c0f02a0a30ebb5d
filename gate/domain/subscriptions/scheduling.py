"""What keeps the account's calendar in step with the subscription and its schedule."""

from __future__ import annotations

from datetime import datetime

from gate.domain.accounts import Status
from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.operations import Operation, OperationContent
from gate.domain.subscriptions.periods import coming_of, reaches_account
from gate.domain.subscriptions.planned import operation
from gate.domain.subscriptions.states import TransitionName
from gate.domain.subscriptions.views import AccountView, SubscriptionView


def calendar_operation(
    name: TransitionName,
    operation_id: str,
    subscription: SubscriptionView,
    account: AccountView,
    *,
    ends_at: datetime | None = None,
) -> tuple[Operation, ...]:
    """Tells the account of the periods to come, as the subscription is now. `ends_at`: another end
    of the running period, where the payment provider says it. Raises BadArgument: it does not end,
    or before it began."""
    if ends_at is not None and instant("ends_at", ends_at) <= account.starts_at:
        raise BadArgument("ends_at", ends_at, "an instant after the period began")
    end = ends_at or account.ends_at
    if end is None:
        raise BadArgument("ends_at", None, "an end of the running period")
    first: Status | None = "active" if subscription.status == "trialing" else None
    content = OperationContent(
        ends_at=ends_at,
        coming=coming_of(
            subscription,
            period_no=account.period_no,
            ends_at=end,
            terms=account.terms,
            status=first,
            withheld=is_withheld(subscription),
        ),
    )
    return operation(name, operation_id, account, content)


def is_withheld(subscription: SubscriptionView) -> bool:
    """Whether periods begin without an allowance, because payment is missing."""
    return subscription.awaits_payment or subscription.taken_back is not None


def is_to_be_placed(subscription: SubscriptionView, before_no: int, period_no: int) -> bool:
    """Whether what is scheduled has come near enough for the account to be told, now that it is in
    `period_no` and was told last in `before_no`: a `calendar_operation` does it. It happens to
    annual plans alone, whose year may end behind the eight periods that an account can know."""
    return reaches_account(subscription, period_no) and not reaches_account(subscription, before_no)
