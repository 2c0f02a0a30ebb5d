"""The state machine of a subscription, as data: what is possible, and what it does to accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from gate.domain.errors import GateError
from gate.domain.operations import EntryType

SubscriptionStatus = Literal["active", "past_due", "cancelled", "trialing", "paused"]
SUBSCRIPTION_STATUSES: Final[tuple[SubscriptionStatus, ...]] = get_args(SubscriptionStatus)

TransitionName = Literal[
    "start",
    "start_unpaid",
    "start_trial",
    "end_trial",
    "end_trial_unpaid",
    "trial_over",
    "change_plan",
    "payment_failed",
    "pay",
    "end_grace",
    "pause",
    "resume",
    "cancel_at_end",
    "reactivate",
    "cancel_now",
    "period_over",
    "unfreeze",
]
Field = Literal["status", "grace_until", "ends_at", "endless", "terms", "coming"]
RefusalReason = Literal[
    "status",  # not in this status
    "same_plan",  # the plan is the present one
    "period_end_only",  # not at once
    "scheduled",  # it is to happen already
    "not_scheduled",  # there is nothing to withdraw
    "not_free",  # the present plan is paid for
    "grace",  # the grace is not over, or what it gave was taken back
    "frozen",  # the account is not frozen
    "debt",  # there is more debt than the terms allow
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One arrow. `from_statuses`: None is no subscription at all. `to` None: the status stays.

    `fields` of OperationContent are what its operation may set, `entries` what its credits are
    booked as; nothing else. `by`: an operation, or the account's own turn, which needs nobody.
    """

    name: TransitionName
    from_statuses: tuple[SubscriptionStatus | None, ...]
    to: SubscriptionStatus | None = None
    fields: frozenset[Field] = frozenset()
    entries: frozenset[EntryType] = frozenset()
    by: Literal["operation", "turn"] = "operation"


def _fields(*names: Field) -> frozenset[Field]:
    return frozenset(names)


def _entries(*names: EntryType) -> frozenset[EntryType]:
    return frozenset(names)


TRANSITIONS: Final[tuple[Transition, ...]] = (
    # The first allowance of a new organization; a cancelled one begins again by a turn.
    Transition(
        name="start",
        from_statuses=(None, "cancelled"),
        to="active",
        fields=_fields("ends_at", "coming"),
        entries=_entries("credit_purchased"),
    ),
    # A first period waits for payment: past due and without grace, nothing is admitted.
    Transition(
        name="start_unpaid",
        from_statuses=(None, "cancelled"),
        to="past_due",
        fields=_fields("grace_until", "ends_at", "coming"),
    ),
    # Of an active one only if its plan is free.
    Transition(
        name="start_trial",
        from_statuses=(None, "active"),
        to="trialing",
        fields=_fields("ends_at", "coming"),
        entries=_entries("credit_purchased"),
    ),
    Transition(
        name="end_trial",
        from_statuses=("trialing",),
        to="active",
        fields=_fields("ends_at", "coming"),
    ),
    Transition(
        name="end_trial_unpaid",
        from_statuses=("trialing",),
        to="past_due",
        fields=_fields("grace_until", "ends_at", "coming"),
    ),
    Transition(name="trial_over", from_statuses=("trialing",), to="active", by="turn"),
    Transition(
        name="change_plan",
        from_statuses=("active", "trialing"),
        fields=_fields("terms", "coming"),
        entries=_entries("plan_change"),
    ),
    Transition(
        name="payment_failed",
        from_statuses=("active",),
        to="past_due",
        fields=_fields("status", "grace_until"),
    ),
    # Of an active one it confirms, and changes nothing.
    Transition(
        name="pay",
        from_statuses=("past_due", "active"),
        to="active",
        fields=_fields("status", "coming"),
        entries=_entries("credit_purchased", "plan_change"),
    ),
    Transition(
        name="end_grace",
        from_statuses=("past_due",),
        fields=_fields("coming"),
        entries=_entries("plan_change"),
    ),
    Transition(
        name="pause",
        from_statuses=("active",),
        to="paused",
        fields=_fields("status", "endless", "coming"),
    ),
    Transition(
        name="resume",
        from_statuses=("paused",),
        to="active",
        fields=_fields("status", "ends_at", "coming"),
    ),
    Transition(
        name="cancel_at_end",
        from_statuses=("active", "trialing", "past_due"),
        fields=_fields("coming"),
    ),
    Transition(
        name="reactivate",
        from_statuses=("active", "trialing", "past_due"),
        fields=_fields("coming"),
    ),
    # By a turn at once, so that the last period is closed and invoiced as all others are.
    Transition(
        name="cancel_now",
        from_statuses=("active", "trialing", "past_due", "paused"),
        to="cancelled",
        fields=_fields("ends_at", "terms", "coming"),
    ),
    Transition(
        name="period_over",
        from_statuses=("active", "trialing", "past_due"),
        to="cancelled",
        by="turn",
    ),
    # Freezing is the account's and no status of a subscription: this ends it.
    Transition(
        name="unfreeze",
        from_statuses=("active", "trialing", "past_due", "paused"),
        fields=_fields("status"),
    ),
)

BY_NAME: Final = {transition.name: transition for transition in TRANSITIONS}


class Refused(GateError):
    """What was asked for is not possible now. `transition`: its name; `status`: the subscription's,
    None: there is none; `reason`: a stable word; `allowed`: what is possible in this status."""

    code = "gate.transition_refused"

    def __init__(
        self,
        transition: TransitionName,
        status: SubscriptionStatus | None,
        reason: RefusalReason,
        detail: str,
    ) -> None:
        self.transition: Final = transition
        self.status: Final = status
        self.reason: Final = reason
        self.allowed: Final = allowed(status)
        can = ", ".join(self.allowed) or "nothing"
        super().__init__(f"{transition} is refused: {detail} (possible now: {can})")


def allowed(status: SubscriptionStatus | None) -> tuple[TransitionName, ...]:
    """What somebody may do in a status, in the table's order. None: there is no subscription."""
    return tuple(
        one.name for one in TRANSITIONS if one.by == "operation" and status in one.from_statuses
    )


def next_status(
    name: TransitionName, status: SubscriptionStatus | None
) -> SubscriptionStatus | None:
    """The status after a transition; None: there was none, and is none. Raises Refused."""
    transition = BY_NAME[name]
    if status not in transition.from_statuses:
        shown = "there is no subscription" if status is None else f"the subscription is {status}"
        raise Refused(name, status, "status", shown)
    return transition.to or status
