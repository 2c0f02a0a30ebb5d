"""A subscription and its account as they are now, for use cases to judge. Frozen, and checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

from gate.domain.accounts import STATUSES, UINT32_MAX, Status, Terms
from gate.domain.calendar import Anchor
from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.limits import CREDITS_MAX, check_id, check_whole
from gate.domain.plans import PlanView
from gate.domain.subscriptions.states import SUBSCRIPTION_STATUSES, SubscriptionStatus


class ScheduledPlan(NamedTuple):
    """Another plan, from the first instant of period `period_no` on."""

    plan: PlanView
    period_no: int


class ScheduledEnd(NamedTuple):
    """A cancellation: period `period_no` does not begin any more."""

    period_no: int


class WholePeriod(NamedTuple):
    """How many seconds count as the whole of period `period_no`, where its two ends do not tell: it
    began late in a month, or was paused."""

    period_no: int
    seconds: int


class PaidYear(NamedTuple):
    """The twelve periods that one annual payment is for, from `first_period_no`, which begins at
    `starts_at`. `seconds`: what counts as the whole, where the ends do not tell."""

    first_period_no: int
    starts_at: datetime
    seconds: int | None = None

    @property
    def last_period_no(self) -> int:
        """The last of the twelve."""
        return self.first_period_no + 11


class Paused(NamedTuple):
    """Since when, and when the running period would have ended."""

    at: datetime
    ends_at: datetime


class Rested(NamedTuple):
    """How many seconds period `period_no` was paused for in all, and by how many days its end was
    moved for that."""

    period_no: int
    seconds: int
    days: int


class TakenBack(NamedTuple):
    """What was left of the allowance of period `period_no` when the grace had ended."""

    period_no: int
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """The account: its running period (`ends_at` None: it does not end), the terms in force, and in
    credits what is left of base and rollover grants, and the debt. Raises BadArgument."""

    organization_id: str
    status: Status
    period_no: int
    starts_at: datetime
    ends_at: datetime | None
    terms: Terms
    base_left: int = 0
    rollover_left: int = 0
    debt: int = 0
    grace_until: datetime | None = None

    def __post_init__(self) -> None:
        check_id("organization_id", self.organization_id)
        if self.status not in STATUSES:
            raise BadArgument("status", self.status, f"one of {', '.join(STATUSES)}")
        check_whole("period_no", self.period_no, 1, UINT32_MAX)
        instant("starts_at", self.starts_at)
        if self.ends_at is not None and instant("ends_at", self.ends_at) < self.starts_at:
            raise BadArgument("ends_at", self.ends_at, "None, or an instant after starts_at")
        if not isinstance(self.terms, Terms):
            raise BadArgument("terms", self.terms, "Terms")
        for name in ("base_left", "rollover_left", "debt"):
            check_whole(name, getattr(self, name), 0, CREDITS_MAX)
        if self.grace_until is not None:
            instant("grace_until", self.grace_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """The subscription, as it is to be stored: `status`, `plan` (in the version that is in force),
    `anchor` of its periods, and what is scheduled, at most one thing.

    `year`: what an annual plan is paid for. `whole`, `rested`: facts of one period, of no meaning
    in another. `paused`: while it is. `awaits_payment`: its first period was never paid.
    `taken_back`: since a grace has ended. Raises BadArgument.
    """

    status: SubscriptionStatus
    plan: PlanView
    anchor: Anchor
    scheduled: ScheduledPlan | ScheduledEnd | None = None
    year: PaidYear | None = None
    whole: WholePeriod | None = None
    paused: Paused | None = None
    rested: Rested | None = None
    taken_back: TakenBack | None = None
    awaits_payment: bool = False

    def __post_init__(self) -> None:
        if self.status not in SUBSCRIPTION_STATUSES:
            allowed = f"one of {', '.join(SUBSCRIPTION_STATUSES)}"
            raise BadArgument("status", self.status, allowed)
        if (self.paused is not None) != (self.status == "paused"):
            raise BadArgument("paused", self.paused, "an instant while paused, else None")
        if (self.year is not None) != self.plan.is_annual:
            raise BadArgument("year", self.year, "the year of an annual plan, else None")
        if self.awaits_payment and self.status != "past_due":
            raise BadArgument("awaits_payment", True, "False, unless past due")

    def changes(self, before: SubscriptionView | None) -> dict[str, object]:
        """The fields that differ from those of another, with their values; None: all."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if before is None or getattr(self, one.name) != getattr(before, one.name)
        }
