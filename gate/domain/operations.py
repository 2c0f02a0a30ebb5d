"""Operations: changes of entitlement, as they stand in PostgreSQL before they reach the account."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from gate.domain.accounts import (
    COMING_MAX,
    FROZEN_REASONS,
    STATUSES,
    ComingPeriod,
    FrozenReason,
    Status,
    Terms,
)
from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX, check_whole, instant_ms

EntryType = Literal[
    "credit_purchased",
    "email_sent",
    "rollover_applied",
    "manual_adjustment",
    "refund",
    "plan_change",
    "period_reset",
]
ChangeSource = Literal["any", "rollover", "base", "purchased"]

CHANGES_MAX: Final = 16


class CreditChange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Credits given (+) to a grant of kind `source`, or taken (−) from such grants; `any`, only to
    take: from all, in the order in which they burn. `expires_at` None: base and rollover with the
    period, purchased never. `rest`: what cannot be taken becomes debt, or is let go.
    """

    entry: EntryType
    source: ChangeSource
    credits: int
    expires_at: datetime | None = None
    rest: Literal["debt", "drop"] = "drop"

    def __post_init__(self) -> None:
        check_whole("credits", self.credits, -CREDITS_MAX, CREDITS_MAX)
        if self.credits == 0:
            raise BadArgument("credits", 0, "more or less than 0")
        if self.source == "any" and self.credits > 0:
            raise BadArgument("source", self.source, "rollover, base or purchased, to give credits")
        instant_ms("expires_at", self.expires_at)


class OperationContent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an operation changes; what is None stays as it is. `ends_at` moves the end of the
    running period, `endless` takes it away. `coming` takes the place of all periods to come.
    """

    changes: tuple[CreditChange, ...] = ()
    status: Status | None = None
    frozen_reason: FrozenReason | None = None
    grace_until: datetime | None = None
    ends_at: datetime | None = None
    endless: bool = False
    terms: Terms | None = None
    coming: tuple[ComingPeriod, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.changes) > CHANGES_MAX:
            raise BadArgument("changes", len(self.changes), f"at most {CHANGES_MAX}")
        if self.coming is not None and len(self.coming) > COMING_MAX:
            raise BadArgument("coming", len(self.coming), f"at most {COMING_MAX} periods")
        if self.status is not None and self.status not in STATUSES:
            raise BadArgument("status", self.status, f"one of {', '.join(STATUSES)}")
        if self.frozen_reason is not None and (
            self.status != "frozen" or self.frozen_reason not in FROZEN_REASONS
        ):
            raise BadArgument("frozen_reason", self.frozen_reason, "debt or repair, when frozen")
        if self.endless and self.ends_at is not None:
            raise BadArgument("endless", True, "False where ends_at is given")
        instant_ms("grace_until", self.grace_until)
        instant_ms("ends_at", self.ends_at)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `operation` that is to be applied. `period_no` None: whatever period runs."""

    organization_id: str
    id: str
    kind: str
    content: OperationContent
    period_no: int | None = None
    reference: str | None = None
    reason: str | None = None


def content_of(value: object) -> OperationContent:
    """The content that a jsonb column says. Raises BadArgument."""
    try:
        return msgspec.convert(value, OperationContent)
    except msgspec.ValidationError as error:
        raise BadArgument("content", value, str(error)) from error
