"""The journal's deltas: what one entry of a partition's stream says (lua/README.md, section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gate.domain.errors import ContractError
from gate.hot.packing import Packing

DELTA = Packing("<BBI4I6ddI6I4B")
LEG = Packing("<BBdI4I4I6")

KINDS: Final = (
    "reserved",
    "committed",
    "released",
    "spent",
    "recorded",
    "applied",
    "loaded",
    "retired",
    "advanced",
    "expired",
    "audited",
)
ENTRIES: Final = {
    1: "credit_purchased",
    2: "email_sent",
    3: "rollover_applied",
    4: "manual_adjustment",
    5: "refund",
    6: "plan_change",
    7: "period_reset",
    100: "turn",
    101: "warning",
    102: "audit",
}
SOURCES: Final = ("none", "rollover", "base", "purchased", "overage", "debt")
ENTRY_CODES: Final = {name: code for code, name in ENTRIES.items()}


class Leg(NamedTuple):
    """One movement within a delta. `amount` is in credits, except for the entries `turn` (credits
    used in the closed period), `warning` (percent) and `audit` (by how much held was corrected).
    `expires_at_ms` is the grant's, 2^48 - 1: with its period or never; 0: no grant."""

    entry: str
    source: str
    amount: int
    period_no: int
    config_version: int
    expires_at_ms: int

    @property
    def moves_posted(self) -> bool:
        """Whether `amount` is part of the change of posted."""
        return ENTRY_CODES[self.entry] < 100


class Delta(NamedTuple):
    """One change of one account. `posted` and `held` are after it; `at_ms` is since 1970."""

    organization_id: str
    id: str
    kind: str
    late: bool
    unknown: bool
    is_part: bool
    froze: bool
    epoch: int
    seq: int
    posted: int
    held: int
    at_ms: int
    part: int
    legs: tuple[Leg, ...]
    reference: str
    reason: str
    sends: bytes
    expired_ids: tuple[str, ...]


def _read_more(more: bytes) -> tuple[str, str, bytes, tuple[str, ...]]:
    texts, position = [], 0
    for size in (1, 2, 4, 4):
        length = int.from_bytes(more[position : position + size], "little")
        position += size
        texts.append(more[position : position + length])
        position += length
    if position != len(more):
        raise ValueError("field m has another length than it says")
    expired = tuple(texts[3].decode().split("\n")) if texts[3] else ()
    return texts[0].decode(), texts[1].decode(), texts[2], expired


def read_delta(fields: Mapping[bytes, bytes]) -> Delta:
    """The delta that a stream entry's fields say. Raises ContractError if they make no sense."""
    try:
        values, position = DELTA.unpack(fields[b"d"])
        kind, flags, epoch, seq, posted, held, at_ms, part, leg_count = values
        legs = []
        for _ in range(leg_count):
            leg, position = LEG.unpack(fields[b"d"], position)
            legs.append(Leg(ENTRIES[leg[0]], SOURCES[leg[1]], *leg[2:]))
        if position != len(fields[b"d"]) or kind == 0:
            raise ValueError("the delta is not as long as it says, or of kind 0")
        more = _read_more(fields[b"m"]) if fields[b"m"] else ("", "", b"", ())
        return Delta(
            fields[b"o"].decode(),
            fields[b"i"].decode(),
            KINDS[kind - 1],
            bool(flags & 1),
            bool(flags & 2),
            bool(flags & 4),
            bool(flags & 8),
            epoch,
            seq,
            posted,
            held,
            at_ms,
            part,
            tuple(legs),
            *more,
        )
    except (KeyError, IndexError, ValueError, OverflowError) as error:
        raise ContractError(f"journal entry cannot be read: {error!r}") from error
