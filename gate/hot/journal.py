"""The journal's deltas: what one entry of a partition's stream says (lua/README.md, section 6)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from gate.domain.errors import ContractError
from gate.domain.limits import NEVER_MS
from gate.hot.packing import Packing

DELTA = Packing("<BBI4I6ddI6I4B")
LEG = Packing("<BBdI4I4I6")

#: The same for Python's own struct, which is many times as fast; numbers of six bytes are bytes.
_DELTA = struct.Struct("<BBI6sdd6sIB")
_LEG = struct.Struct("<BBdII6s")

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
#: Entries of legs whose amount is no part of the change of posted.
MOVES_NOTHING: Final = frozenset(name for code, name in ENTRIES.items() if code >= 100)

#: late, unknown, is_part, froze, by the flags of a delta.
_FLAGS: Final = tuple((bool(n & 1), bool(n & 2), bool(n & 4), bool(n & 8)) for n in range(16))
_KINDS: Final = dict(enumerate(KINDS, 1))

#: The last millisecond of the year 9999, behind which there is no datetime, and how far a double
#: tells whole numbers apart.
_INSTANT_MS_MAX = 253_402_300_799_999
_EXACT_MAX = 2**53

_ID_BYTES_MAX: Final = 128


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
        return self.entry not in MOVES_NOTHING


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


def read_delta(fields: Mapping[bytes, bytes]) -> Delta:
    """The delta that a stream entry's fields say. Raises ContractError if they make no sense."""
    try:
        packed = fields[b"d"]
        kind, flags, epoch, seq, posted, held, at, part, leg_count = _DELTA.unpack_from(packed)
        legs = _read_legs(packed) if leg_count else ()
        if len(packed) != _DELTA.size + leg_count * _LEG.size:
            raise ValueError("the delta is not as long as it says")
        late, unknown, is_part, froze = _FLAGS[flags]
        reference, reason, sends, expired_ids = _read_more(fields[b"m"])
        at_ms = int.from_bytes(at, "little")
        if at_ms > _INSTANT_MS_MAX:
            raise ValueError("a delta behind the year 9999")
        return Delta(
            _id(fields[b"o"]),
            _id(fields[b"i"]),
            _KINDS[kind],
            late,
            unknown,
            is_part,
            froze,
            epoch,
            int.from_bytes(seq, "little"),
            _whole(posted),
            _whole(held),
            at_ms,
            part,
            legs,
            reference,
            reason,
            sends,
            expired_ids,
        )
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise ContractError(f"journal entry cannot be read: {error!r}") from error


def _read_legs(packed: bytes) -> tuple[Leg, ...]:
    legs = []
    for entry, source, amount, period_no, config_version, expires_at in _LEG.iter_unpack(
        packed[_DELTA.size :]
    ):
        expires_at_ms = int.from_bytes(expires_at, "little")
        if _INSTANT_MS_MAX < expires_at_ms < NEVER_MS:
            raise ValueError("a grant that expires behind the year 9999")
        legs.append(
            Leg(
                ENTRIES[entry],
                SOURCES[source],
                _whole(amount),
                period_no,
                config_version,
                expires_at_ms,
            )
        )
    return tuple(legs)


def _read_more(more: bytes) -> tuple[str, str, bytes, tuple[str, ...]]:
    if not more:
        return "", "", b"", ()
    texts, position = [], 0
    for size in (1, 2, 4, 4):
        length = int.from_bytes(more[position : position + size], "little")
        position += size
        texts.append(more[position : position + length])
        position += length
    if position != len(more):
        raise ValueError("field m has another length than it says")
    expired = tuple(_text(texts[3]).split("\n")) if texts[3] else ()
    return _shown(texts[0]), _shown(texts[1]), texts[2], expired


def _id(raw: bytes) -> str:
    if len(raw) > _ID_BYTES_MAX:
        raise ValueError("an id of more than 128 bytes")
    return _text(raw)


def _text(raw: bytes) -> str:
    text = raw.decode()
    if "\0" in text:
        raise ValueError("text with NUL")
    return text


def _shown(raw: bytes) -> str:
    """Text that is kept for people: what PostgreSQL cannot keep of it must not hold up credits."""
    return raw.decode(errors="replace").replace("\0", "\ufffd")


def _whole(number: float) -> int:
    if -_EXACT_MAX <= number <= _EXACT_MAX and number.is_integer():
        return int(number)
    raise ValueError(f"{number} is no whole number up to 2^53")
