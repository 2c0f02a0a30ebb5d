"""A row of `credit_ledger`: its digest, and the form in which booking writes it.

The digest covers all of an entry but its id and the instant of booking; of these two only the form
is known, and that they are of the same minutes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gate.domain.errors import BadArgument
from gate.domain.limits import instant_ms
from gate.ledger.chain import SOURCES, chain_digest
from gate.ledger.entry_id import made_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

#: The process that makes ids and the server that says when it was may have clocks of their own.
_BOOKING_TAKES: Final = timedelta(minutes=10)
_SOURCES: Final = frozenset(SOURCES)
_OPTIONAL_TEXTS: Final = (
    "subscription_id",
    "reason",
    "reference_id",
    "settlement_id",
    "operation_id",
)


class Entry(NamedTuple):
    """A row of `credit_ledger`."""

    id: str
    organization_id: str
    subscription_id: str | None
    entry_type: str
    delta: int
    balance_after: int
    reason: str | None
    reference_id: str | None
    created_at: datetime
    booked_at: datetime
    entry_no: int
    epoch: int
    seq: int
    delta_kind: str
    settlement_id: str | None
    part: int | None
    operation_id: str | None
    period_no: int | None
    config_version: int | None
    split: Any
    late: bool
    repeated: bool
    chain: bytes


def digest_of(before: bytes, entry: Entry, entry_no: int | None = None) -> bytes:
    """What the entry's chain is if `before` is that of the one before it; as another number than
    its own, if one is given."""
    return chain_digest(
        before,
        entry.id,
        entry.organization_id,
        entry.entry_no if entry_no is None else entry_no,
        entry.entry_type,
        entry.delta,
        entry.balance_after,
        entry.epoch,
        entry.seq,
        entry.delta_kind,
        entry.settlement_id,
        entry.part,
        entry.operation_id,
        entry.subscription_id,
        entry.period_no,
        entry.config_version,
        _ms(entry.created_at),
        entry.reference_id,
        entry.reason,
        entry.split if type(entry.split) is dict else {},
        entry.late,
        entry.repeated,
    )


def fits_behind(entry: Entry, befores: Sequence[bytes]) -> int | None:
    """Which digest of those that may stand before makes the entry's own; None: none does."""
    for index, before in enumerate(befores):
        if digest_of(before, entry) == entry.chain:
            return index
    return None


def malformed(entry: Entry) -> Iterable[str]:
    """Sentences on what booking never writes, and the digest does not tell.

    An infinite instant comes as one without a timezone."""
    if "" in entry:
        for name in _OPTIONAL_TEXTS:
            if getattr(entry, name) == "":
                yield f"{name} was edited: an empty text is never booked"
    if (entry.part is None) != (entry.settlement_id is None):
        yield "part was edited: every settlement has one and nothing else has"
    if entry.period_no is None:
        yield "period_no was edited: every entry has one"
    if entry.config_version is None:
        yield "config_version was edited: every entry has one"
    if entry.created_at.microsecond % 1000:
        yield "created_at was edited: Redis tells whole milliseconds"
    split = entry.split
    if type(split) is not dict or not split.keys() <= _SOURCES or not _are_whole(split.values()):
        yield "split was edited: it names other things than credits by source"
    elif sum(split.values()) != entry.delta:
        yield f"split adds up to {sum(split.values()):,}, delta is {entry.delta:,}"
    made = made_at(entry.id)
    if made is None:
        yield f"id was edited: {entry.id!r} is no id of an entry"
    elif entry.booked_at.tzinfo is None or abs(made - entry.booked_at) > _BOOKING_TAKES:
        yield (
            f"id or booked_at was edited: the id was made at {made:%Y-%m-%d %H:%M:%S}, "
            f"booked_at is {entry.booked_at:%Y-%m-%d %H:%M:%S}"
        )


def _are_whole(values: Iterable[object]) -> bool:
    return all(type(one) is int for one in values)


def _ms(instant: datetime) -> int:
    try:
        return instant_ms("created_at", instant)
    except BadArgument:  # before 1970: no instant that Redis tells
        return -1
