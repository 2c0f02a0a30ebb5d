"""What one booking transaction reads, and what it writes. Values alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from gate.domain.operations import Operation
    from gate.domain.sends import Send
    from gate.hot.journal import Delta
    from gate.hot.journal_stream import StreamEntry
    from reconciler.image import Image

#: What may happen once: `settlement:<part>:<id>` or `operation:<id>`. A reversal's reference is the
#: fact that it reverses.
Fact: TypeAlias = str

SendEnd: TypeAlias = Literal["sent", "failed"]


def settlement_fact(settlement_id: str, part: int) -> Fact:
    """The fact that a hold (or a part of it, 1, 2, …), or a spend was settled."""
    return f"settlement:{part}:{settlement_id}"


def operation_fact(operation_id: str) -> Fact:
    """The fact that an operation changed its account."""
    return f"operation:{operation_id}"


class Read(NamedTuple):
    """An entry of a partition's journal, and the delta that it says; `error` where it says none."""

    partition: int
    entry: StreamEntry
    delta: Delta | None
    error: str = ""


class KnownOperation(NamedTuple):
    """A row of `operation`."""

    operation: Operation
    status: str


class Gap(NamedTuple):
    """Deltas that were missing, from seq `first` to `last`."""

    organization_id: str
    epoch: int
    first: int
    last: int


@dataclass(slots=True)
class Known:
    """What the ledger knows already of the facts in a batch, by (organization_id, fact).

    `standing`: how often a fact stands in the ledger, its entries less their reversals; absent: it
    is not in it at all. `reverses`: of reversals in the ledger, what they reverse.
    `looked_up`: organizations of which all settlements of the batch were looked up, and `gaps`:
    their deltas for which an amount was booked without them.
    """

    operations: Mapping[tuple[str, str], KnownOperation] = field(default_factory=dict)
    standing: Counter[tuple[str, Fact]] = field(default_factory=Counter)
    reverses: dict[tuple[str, Fact], Fact] = field(default_factory=dict)
    looked_up: frozenset[str] = frozenset()
    gaps: list[Gap] = field(default_factory=list)


#: A row of `credit_ledger`, in the order of LEDGER_COLUMNS.
LedgerRow: TypeAlias = tuple[object, ...]
LEDGER_COLUMNS = (
    "id",
    "organization_id",
    "subscription_id",
    "entry_type",
    "delta",
    "balance_after",
    "reason",
    "reference_id",
    "created_at",
    "entry_no",
    "epoch",
    "seq",
    "delta_kind",
    "settlement_id",
    "part",
    "operation_id",
    "period_no",
    "config_version",
    "split",
    "late",
    "repeated",
    "chain",
)


class SendNews(NamedTuple):
    """What a delta says of one message. `status` is the send's own, or what the kind of the delta
    means; `entry_no` the entry that paid for it, None where nothing was charged."""

    organization_id: str
    subscription_id: str | None
    send: Send
    status: str
    hold_id: str
    at: datetime
    entry_no: int | None


class HoldEnd(NamedTuple):
    """What becomes of the messages that are still queued under a hold."""

    organization_id: str
    hold_id: str
    status: SendEnd
    error: str | None
    at: datetime
    entry_no: int | None


class ClosedPeriod(NamedTuple):
    """A period that turned: what its invoice needs. Instants None: not known."""

    organization_id: str
    subscription_id: str | None
    period_no: int
    config_version: int
    starts_at: datetime | None
    ends_at: datetime | None
    allowance: int
    used: int
    overage: int
    next_period_no: int


class Event(NamedTuple):
    """A row of `event_outbox`; `message_id` is made from what it tells."""

    subject: str
    message_id: str
    payload: Mapping[str, object]


class Booked(NamedTuple):
    """An operation whose delta came back. `left_out`: it was a repeat, or is not to be; its mark
    goes all the same, and `status` says what becomes of the row (None: it stays as it is)."""

    organization_id: str
    operation_id: str
    status: Literal["booked", "stale"] | None
    epoch: int
    seq: int


class Quarantined(NamedTuple):
    """An entry of the journal that could not be booked."""

    partition: int
    entry_id: str
    fields: tuple[bytes, ...]
    organization_id: str | None
    reason: str


class Report(NamedTuple):
    """A row of `drift_report`. `credits`: live − booked, None where it cannot be told."""

    organization_id: str
    kind: str
    epoch: int
    seq: int
    live: Mapping[str, object]
    booked: Mapping[str, object]
    credits: int | None
    action: str


@dataclass(slots=True)
class Usage:
    """What an organization used on a day, in credits."""

    credits: int = 0
    overage: int = 0


@dataclass(slots=True)
class Batch:
    """What is written beside the cursors, in the order in which it happened."""

    images: dict[str, Image] = field(default_factory=dict)
    entries: list[LedgerRow] = field(default_factory=list)
    usage: dict[tuple[str, date], Usage] = field(default_factory=dict)
    news: list[SendNews] = field(default_factory=list)
    hold_ends: list[HoldEnd] = field(default_factory=list)
    closed: list[ClosedPeriod] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    booked: list[Booked] = field(default_factory=list)
    reversals: list[Operation] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    #: Organizations that turned out to be diverged: their settlements must be looked up, and the
    #: batch booked again from the start.
    to_look_up: set[str] = field(default_factory=set)
    deltas: int = 0
