"""peek: the account as it is now, and the verdict on so many credits."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeAlias, cast

from gate.domain.accounts import GRANT_KINDS, STATUSES, GrantKind, Status
from gate.domain.limits import ms_instant
from gate.domain.outcomes import (
    Denial,
    Inactive,
    Insufficient,
    Limit,
    NotLoaded,
    Outcome,
    Throttled,
)
from gate.hot import answers
from gate.hot.command import Command


class PeekArguments(NamedTuple):
    credits: int


class GrantView(NamedTuple):
    """A grant as it stands; `expires_at` None: with the period, or never."""

    kind: GrantKind
    left: int
    expires_at: datetime | None


class ComingView(NamedTuple):
    """A period to come; status and config_version None: as they are."""

    period_no: int
    ends_at: datetime | None
    allowance: int
    status: Status | None
    config_version: int | None


class Account(Outcome, frozen=True):
    """One account, advanced to now. The first fields say whether the credits that were asked about
    would be admitted: see `denial`. Instants in ms since 1970, 2^48 - 1: never; limit 0: none."""

    code: ClassVar[str] = "account"

    verdict: str
    limit: str
    retry_after_ms: int
    required: int
    available: int
    reason: str
    status: str
    posted: int
    held: int
    open_holds: int
    overage: int
    debt: int
    used: int
    epoch: int
    seq: int
    period_no: int
    config_version: int
    started_at_ms: int
    ends_at_ms: int
    grace_until_ms: int
    warn_basis: int
    warned_percent: int
    tokens: int
    overage_limit: int
    rate_per_second: int
    burst: int
    rate_per_minute: int
    rate_per_hour: int
    strict_burst: int
    max_open_holds: int
    max_attachment_size_mb: int
    max_debt: int
    next_expiry_ms: int
    next_change_at_ms: int
    grants: tuple[GrantView, ...]
    coming: tuple[ComingView, ...]

    @property
    def left(self) -> int:
        """Credits left in all grants."""
        return sum(grant.left for grant in self.grants)

    @property
    def denial(self) -> Denial | None:
        """What a reserve of so many credits would be denied with now; None: it is admitted."""
        wait = None if self.retry_after_ms < 0 else self.retry_after_ms
        if self.verdict == "insufficient":
            return Insufficient(self.organization_id, self.available, self.required, wait)
        if self.verdict == "throttled":
            limit = cast("Limit", self.limit)
            return Throttled(self.organization_id, limit, wait, self.required, self.available)
        if self.verdict == "inactive":
            return Inactive(self.organization_id, self.limit, self.reason)
        return None


PeekOutcome: TypeAlias = Account | NotLoaded


def _account(organization_id: str, id: str, reply: list[Any]) -> Account:
    values: list[Any] = [v.decode() if type(v) is bytes else v for v in reply[1:-2]]
    grants, coming = reply[-2:]
    values += [
        tuple(
            GrantView(GRANT_KINDS[kind - 1], left, ms_instant(expires_at))
            for kind, left, expires_at in zip(*[iter(grants)] * 3, strict=True)
        ),
        tuple(
            ComingView(
                period_no,
                ms_instant(ends_at),
                allowance,
                STATUSES[status - 1] if status else None,
                version or None,
            )
            for period_no, ends_at, allowance, status, version in zip(
                *[iter(coming)] * 5, strict=True
            )
        ),
    ]
    return Account(organization_id, *values)


peek: Command[PeekOutcome] = Command(
    "peek",
    ("account", "journal", "holds"),
    PeekArguments,
    {
        "account": _account,
        "not_loaded": answers.not_loaded,
    },
)

__all__ = ["Account", "ComingView", "GrantView", "PeekArguments", "PeekOutcome", "peek"]
