"""apply: one operation on an account: credits, status, terms, the periods to come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

from gate.domain.outcomes import NotLoaded, Outcome
from gate.hot import answers
from gate.hot.command import Command


class Change(NamedTuple):
    """Credits given (+) or taken (-). `entry`: 1 credit_purchased … 7 period_reset; `source`:
    1 rollover, 2 base, 3 purchased, 0 any (only to take); `rest`: what cannot be taken becomes
    debt (1) or is let go (0)."""

    entry: int
    source: int
    credits: int
    expires_at_ms: int = 0
    rest: int = 0


class ApplyArguments(NamedTuple):
    operation_id: str
    period_no: int
    status: int
    status_reason: int
    grace_until: int
    ends_at: int
    terms: bytes
    coming: bytes
    reference: str
    reason: str
    changes: Sequence[Change] = ()

    def flat(self) -> tuple[str | int | bytes, ...]:
        """As ARGV: the fields, then five values for each change."""
        return (*self[:-1], *(value for change in self.changes for value in change))


class Applied(Outcome, frozen=True):
    """The operation stands in the account since delta `seq`. `taken`: credits taken back."""

    code: ClassVar[str] = "applied"

    posted: int
    seq: int
    taken: int
    replayed: bool


class Stale(Outcome, frozen=True):
    """The operation was meant for another period; the account is in `period_no`."""

    code: ClassVar[str] = "stale"

    period_no: int


ApplyOutcome: TypeAlias = Applied | Stale | NotLoaded


def _applied(organization_id: str, id: str, reply: list[Any]) -> Applied:
    _, posted, seq, taken, replayed = reply
    return Applied(organization_id, posted, seq, taken, replayed == 1)


def _stale(organization_id: str, id: str, reply: list[Any]) -> Stale:
    _, period_no = reply
    return Stale(organization_id, period_no)


apply: Command[ApplyOutcome] = Command(
    "apply",
    ("account", "journal", "operations"),
    ApplyArguments,
    {
        "applied": _applied,
        "stale": _stale,
        "not_loaded": answers.not_loaded,
    },
)
