"""What a verb answers: admitted or done, or a denial. All frozen values; nothing here is raised.

In order of precedence, which is what is answered where several apply: NotLoaded; what the id says
(Settled, Conflict, NotFound, or the first answer again with `replayed`); Inactive; Insufficient
(or Throttled for the sweep); Throttled for open holds; Throttled for a rate.

A struct's fields after `organization_id` (and the id) are those of the answer in the header of the
verb's Lua file, in its order. Credits are whole numbers, `_ms` milliseconds.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from gate.domain.errors import Denied

HowSettled: TypeAlias = Literal["committed", "released", "expired"]
Limit: TypeAlias = Literal["second", "minute", "hour", "open_holds", "sweep"]


def _duration(ms: int) -> str:
    """A wait as a person says it."""
    for unit, size in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000)):
        if ms >= 2 * size:
            return f"{ms // size:,} {unit}"
    return f"{ms:,} ms"


class Outcome(msgspec.Struct, frozen=True):
    """Any answer. `code` is a stable word; `admitted` is False for denials alone."""

    code: ClassVar[str]
    admitted: ClassVar[bool] = True

    organization_id: str

    def raise_if_denied(self) -> None:
        """Raises Denied if this is a denial, and does nothing else."""


class Denial(Outcome, frozen=True):
    """A no, with its reason. Prints one sentence."""

    admitted: ClassVar[bool] = False

    @property
    def retry_after_ms(self) -> int | None:
        """When the same call can succeed at the earliest; None if waiting alone does not help."""
        return None

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, with nothing else changed by the caller."""
        return self.retry_after_ms is not None

    def raise_if_denied(self) -> None:
        raise Denied(self)


class Reserved(Outcome, frozen=True):
    """A hold is open. `credits` is what it was granted; this is the receipt that `commit`,
    `release` and `extend` take. `available` and `expires_at_ms` are those of now."""

    code: ClassVar[str] = "reserved"

    hold_id: str
    credits: int
    expires_at_ms: int
    available: int
    max_attachment_size_mb: int
    replayed: bool


class Extended(Outcome, frozen=True):
    """The hold has `credits` and lives until `expires_at_ms` (since 1970)."""

    code: ClassVar[str] = "extended"

    hold_id: str
    credits: int
    expires_at_ms: int
    available: int


class Committed(Outcome, frozen=True):
    """Settled as spent. `returned` went back to available; `posted` and `seq` are the account's;
    `late`: the hold was gone and this is a debit of its own."""

    code: ClassVar[str] = "committed"

    id: str
    spent: int
    returned: int
    posted: int
    seq: int
    late: bool
    replayed: bool


class Released(Outcome, frozen=True):
    """Settled for nothing. `how`: released, or expired before the release came."""

    code: ClassVar[str] = "released"

    hold_id: str
    returned: int
    how: HowSettled
    replayed: bool


class Recorded(Outcome, frozen=True):
    """The sends stand in the journal, in the delta `seq`."""

    code: ClassVar[str] = "recorded"

    seq: int


class Paced(Outcome, frozen=True):
    """Rate tokens were taken; `available` are left in the limit per second."""

    code: ClassVar[str] = "paced"

    available: int


class Loaded(Outcome, frozen=True):
    """The account is in Redis now."""

    code: ClassVar[str] = "loaded"

    posted: int
    seq: int


class Present(Outcome, frozen=True):
    """The account was in Redis already, and stays as it is."""

    code: ClassVar[str] = "present"

    epoch: int
    seq: int


class Insufficient(Denial, frozen=True):
    """Too few credits. `retry_after_ms`: the next instant at which the account changes by itself (a
    hold expires, a period turns), None if there is none."""

    code: ClassVar[str] = "insufficient"

    available: int
    required: int
    retry_after_ms: int | None

    def __str__(self) -> str:
        wait = self.retry_after_ms
        change = "" if wait is None else f"; this may change in {_duration(wait)}"
        return (
            f"{self.organization_id} has {self.available:,} credits available and needs "
            f"{self.required:,}{change}."
        )


class Throttled(Denial, frozen=True):
    """Too fast, or too many open holds. `limit` names the limit; `required` and `available` are
    its tokens (of `sweep`: credits); `retry_after_ms` is None where the call is too large."""

    code: ClassVar[str] = "throttled"

    limit: Limit
    retry_after_ms: int | None
    required: int
    available: int

    def __str__(self) -> str:
        if self.retry_after_ms is None:
            return (
                f"{self.organization_id} may not take {self.required:,} tokens at once: the burst "
                f"of its plan is strict; split the call."
            )
        what = {
            "open_holds": "has as many open holds as its plan allows",
            "sweep": "has overdue holds that are being swept",
        }.get(self.limit, f"is at its limit per {self.limit}")
        return f"{self.organization_id} {what}; try again in {_duration(self.retry_after_ms)}."


class Inactive(Denial, frozen=True):
    """The subscription admits nothing. `status`: past_due, paused, cancelled, frozen, or
    period_unknown; `reason`: why it is frozen (debt, repair), or grace_ended."""

    code: ClassVar[str] = "inactive"

    status: str
    reason: str

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.organization_id} may not send: its subscription is {self.status}{why}."


class Conflict(Denial, frozen=True):
    """The id was used with other numbers. `field` names the one that differs, `expected` is what
    it was the first time (of `part`: the next one)."""

    code: ClassVar[str] = "conflict"

    id: str
    field: str
    expected: int

    def __str__(self) -> str:
        return (
            f"{self.id} of {self.organization_id} was used with another {self.field}: "
            f"{self.expected:,} is expected."
        )


class Settled(Denial, frozen=True):
    """The id is settled already. `spent` is 0 unless it was committed."""

    code: ClassVar[str] = "settled"

    id: str
    how: HowSettled
    spent: int

    def __str__(self) -> str:
        return f"{self.id} of {self.organization_id} is {self.how} already; take a new id."


class NotFound(Denial, frozen=True):
    """No hold of this id. After a release it can not be opened any more."""

    code: ClassVar[str] = "not_found"

    hold_id: str
    replayed: bool = False

    def __str__(self) -> str:
        return f"{self.organization_id} has no hold {self.hold_id}."


class NotLoaded(Denial, frozen=True):
    """The account is not in Redis: neither 0 credits nor unlimited."""

    code: ClassVar[str] = "not_loaded"

    def __str__(self) -> str:
        return f"The account of {self.organization_id} is not in Redis; it has to be loaded."


ReserveOutcome: TypeAlias = (
    Reserved | Insufficient | Throttled | Inactive | Conflict | Settled | NotLoaded
)
ExtendOutcome: TypeAlias = (
    Extended | Insufficient | Throttled | Inactive | Settled | NotFound | NotLoaded
)
CommitOutcome: TypeAlias = Committed | Settled | Conflict | NotLoaded
ReleaseOutcome: TypeAlias = Released | NotFound | Settled | NotLoaded
SpendOutcome: TypeAlias = (
    Committed | Insufficient | Throttled | Inactive | Conflict | Settled | NotLoaded
)
RecordOutcome: TypeAlias = Recorded | NotLoaded
PaceOutcome: TypeAlias = Paced | Throttled | NotLoaded
LoadOutcome: TypeAlias = Loaded | Present
