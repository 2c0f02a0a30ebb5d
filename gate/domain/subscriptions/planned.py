"""What a use case answers: operations for the account, the subscription after it, a preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gate.domain.accounts import ComingPeriod, Status, Terms
from gate.domain.instants import in_words
from gate.domain.invoices import Line
from gate.domain.money import negated, total, usd_in_words
from gate.domain.operations import CreditChange, EntryType, Operation, OperationContent
from gate.domain.plans import PlanView
from gate.domain.subscriptions.states import TransitionName
from gate.domain.subscriptions.views import (
    AccountView,
    ScheduledEnd,
    ScheduledPlan,
    SubscriptionView,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What it means, before anything is done: `credits` that come (+) or go (−) at once, `lines` of
    money, when it takes effect (None: at once), and the same in `sentences` for a person.

    Lines of kind base are what the invoice of their period will say by itself, for show; all others
    are to be recorded with the operation.
    """

    sentences: tuple[str, ...]
    credits: int = 0
    lines: tuple[Line, ...] = ()
    takes_effect_at: datetime | None = None

    @property
    def money(self) -> Decimal:
        """The sum of the lines in USD; negative: given back."""
        return total(line.amount for line in self.lines)

    @property
    def recorded(self) -> tuple[Line, ...]:
        """The lines to record."""
        return tuple(line for line in self.lines if line.kind != "base")

    def __str__(self) -> str:
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A new account as it begins, without credits: these come by the operations."""

    status: Status
    terms: Terms
    period_no: int
    starts_at: datetime
    ends_at: datetime
    coming: tuple[ComingPeriod, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """`operations` in their order, none where the account has nothing to learn; `subscription` as
    it is to be stored; `opening` where there was no account."""

    operations: tuple[Operation, ...]
    subscription: SubscriptionView
    preview: Preview
    opening: Opening | None = None

    def subscription_changes(self, before: SubscriptionView | None) -> dict[str, object]:
        """The fields of the subscription that change."""
        return self.subscription.changes(before)


def operation(
    name: TransitionName,
    id: str,
    account: AccountView,
    content: OperationContent,
    *,
    any_period: bool = False,
) -> tuple[Operation, ...]:
    """The operation that tells the account, for its running period only unless `any_period`; none
    if there is nothing to tell."""
    if content == OperationContent():
        return ()
    return (
        Operation(
            organization_id=account.organization_id,
            id=id,
            kind=name,
            content=content,
            period_no=None if any_period else account.period_no,
        ),
    )


def status_for(account: AccountView, status: Status) -> Status | None:
    """A status to set; None while the account is frozen, which only `unfreeze` ends. One that the
    account has already is set as well: another operation may be on its way to it."""
    return None if account.status == "frozen" else status


def given(credits: int, entry: EntryType = "plan_change") -> tuple[CreditChange, ...]:
    """Base credits that come; none if there are none."""
    return _base(entry, credits) if credits else ()


def taken(credits: int) -> tuple[CreditChange, ...]:
    """Base credits that go, as far as they are there; none if there are none."""
    return _base("plan_change", -credits) if credits else ()


def _base(entry: EntryType, credits: int) -> tuple[CreditChange, ...]:
    return (CreditChange(entry=entry, source="base", credits=credits),)


def credits_in_words(credits: int) -> str:
    """1 credit, 2,000 credits."""
    return f"{credits:,} credit{'' if credits == 1 else 's'}"


def plan_in_words(plan: PlanView) -> str:
    """What it gives and costs: 50,000 credits a month for $29.00 a month."""
    price = "for nothing" if plan.is_free else f"for {usd_in_words(plan.base_price_usd)}"
    cycle = "" if plan.is_free else " a year" if plan.is_annual else " a month"
    return f"{credits_in_words(plan.monthly_credits)} a month {price}{cycle}"


def money_in_words(lines: Sequence[Line]) -> str:
    """What is to be paid or given back."""
    amount = total(line.amount for line in lines)
    if amount < 0:
        return f"{usd_in_words(negated(amount))} given back"
    return f"{usd_in_words(amount)} to pay" if amount else "nothing to pay"


def dropped_in_words(before: SubscriptionView, after: SubscriptionView) -> tuple[str, ...]:
    """That what was scheduled is so no more, if that is the case."""
    if before.scheduled == after.scheduled:
        return ()
    if isinstance(before.scheduled, ScheduledEnd):
        return ("The cancellation is withdrawn.",)
    if isinstance(before.scheduled, ScheduledPlan):
        return (f"The change to {before.scheduled.plan.name} is dropped.",)
    return ()


def when_in_words(at: datetime, subscription: SubscriptionView) -> str:
    """An instant by the organization's clocks."""
    return in_words(at, subscription.anchor.timezone)
