"""From an account's row to the bytes that Redis is given, the short way.

An AccountState and `pack_account` take 50 µs of this process, this takes 7; the budget for all that
a rebuild does with an account, in three processes, is 50.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from gate.domain.accounts import (
    FROZEN_REASONS,
    GRANT_KINDS,
    GRANTS_MAX,
    STATUSES,
    UINT32_MAX,
    AccountState,
    ComingPeriod,
    FrozenReason,
    Status,
    Terms,
    check_coming,
)
from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX, NEVER_MS, check_id, instant_ms
from gate.hot.layout import (
    GRANT,
    HEAD,
    HEAD_FIELDS,
    REST,
    kind_code,
    pack_account,
    pack_coming,
    reason_code,
    status_code,
)
from gate.hot.live_account import REST_FIELDS
from gate.ledger.accounts import CreditsLeft

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gate.hot.packing import Packing

#: Distinct terms and calendars, which thousands of accounts share.
_SHARED_MAX: Final = 4_096
#: What AccountState allows.
_SEQ_MAX: Final = 2**48 - 2
_PERCENT_MAX: Final = 10_000


class AccountRow(NamedTuple):
    """The columns of load_account_texts.sql; but for the first two they are None unless ready."""

    organization_id: str
    answer: str
    epoch: int
    seq: int
    overage: int
    debt: int
    used: int
    warned_percent: int
    allowance: int
    status: Status
    frozen_reason: FrozenReason | None
    grace_until: datetime | None
    period_no: int
    starts_at: datetime | None
    ends_at: datetime | None
    terms: str
    coming: str
    grants: str


class _Pattern(NamedTuple):
    """The packed form of an account that has these terms and nothing else, in pieces. `head` and
    `rest` are numbers with the bytes of the records, so that fields are set by adding to them."""

    head: int
    rest: int
    warn_at: bytes
    longer: bytes


def _bits(packing: Packing, names: Sequence[str]) -> dict[str, int]:
    """By how many bits each field of a record stands from its begin."""
    bits, bit = {}, 0
    for name, (digit, letter) in zip(
        names, re.findall(r"I(\d)|([Bd])", packing.lua_format), strict=True
    ):
        bits[name] = bit
        bit += 8 * (int(digit) if digit else {"B": 1, "d": 8}[letter])
    return bits


_HEAD: Final = _bits(HEAD, HEAD_FIELDS)
_EPOCH, _PERIOD_NO, _SEQ = _HEAD["epoch"], _HEAD["period_no"], _HEAD["seq"]
_USED, _GRANTS = _HEAD["used"], _HEAD["grants"]
_REST: Final = _bits(REST, REST_FIELDS)
_STATUS, _REASON, _WARNED = _REST["status"], _REST["reason"], _REST["warned"]
_OVERAGE, _DEBT, _ALLOWANCE = _REST["overage"], _REST["debt"], _REST["warn_basis"]
_STARTS_AT, _ENDS_AT, _GRACE_UNTIL = _REST["started_at"], _REST["ends_at"], _REST["grace_until"]
_GRANT: Final = _bits(GRANT, ("left", "source", "expires_at"))
_SOURCE, _EXPIRES_AT = _GRANT["source"], _GRANT["expires_at"]

_STATUS_CODES: Final = {status: status_code(status) for status in STATUSES}
_REASON_CODES: Final = {reason: reason_code(reason) for reason in (None, *FROZEN_REASONS)}
_KIND_CODES: Final = {kind: kind_code(kind) for kind in GRANT_KINDS}

_TERMS: Final = tuple(Terms.__dataclass_fields__)
_terms_decoder = msgspec.json.Decoder(Terms)
_coming_decoder = msgspec.json.Decoder(tuple[ComingPeriod, ...])
_grants_decoder = msgspec.json.Decoder(list[CreditsLeft])


def pack_row(row: AccountRow) -> bytes | None:
    """What `pack_account` makes of the account that a row says; None for one that has to be looked
    at more closely: out of range, or with grants that an account cannot have."""
    try:
        check_id("organization_id", row.organization_id)
        pattern = _pattern(row.terms)
        coming = _calendar(row.coming, row.period_no, row.ends_at)
        grants = _grants_decoder.decode(row.grants)
        if not _is_plain(row, grants):
            return None
        head = (
            pattern.head
            + (row.epoch << _EPOCH)
            + (row.period_no << _PERIOD_NO)
            + (row.seq << _SEQ)
            + (row.used << _USED)
            + (len(grants) << _GRANTS)
        )
        rest = (
            pattern.rest
            + (_STATUS_CODES[row.status] << _STATUS)
            + (_REASON_CODES[row.frozen_reason] << _REASON)
            + (row.warned_percent << _WARNED)
            + (row.overage << _OVERAGE)
            + (row.debt << _DEBT)
            + (row.allowance << _ALLOWANCE)
            + (_instant_or_0(row.starts_at) << _STARTS_AT)
            + (instant_ms("ends_at", row.ends_at) << _ENDS_AT)
            + (_instant_or_0(row.grace_until) << _GRACE_UNTIL)
        )
        packed = [head.to_bytes(HEAD.size, "little")]
        for grant in grants:
            expires_at = instant_ms("expires_at", grant.expires_at)
            number = (
                grant.credits + (_KIND_CODES[grant.kind] << _SOURCE) + (expires_at << _EXPIRES_AT)
            )
            packed.append(number.to_bytes(GRANT.size, "little"))
    except (BadArgument, msgspec.ValidationError):
        return None
    packed += (rest.to_bytes(REST.size, "little"), pattern.warn_at, coming, pattern.longer)
    return b"".join(packed)


def _is_plain(row: AccountRow, grants: Sequence[CreditsLeft]) -> bool:
    """Whether every number fits its field, as the checks of AccountState see to."""
    credits = [grant.credits for grant in grants]
    numbers = (row.overage, row.debt, row.used, row.allowance)
    return (
        len(credits) <= GRANTS_MAX
        and min(credits, default=1) > 0
        and min(numbers) >= 0
        and max(sum(credits), *numbers) <= CREDITS_MAX
        and 1 <= row.epoch <= UINT32_MAX
        and 1 <= row.period_no <= UINT32_MAX
        and 0 <= row.seq <= _SEQ_MAX
        and 0 <= row.warned_percent <= _PERCENT_MAX
    )


def _instant_or_0(at: datetime | None) -> int:
    return 0 if at is None else instant_ms("instant", at)


@lru_cache(_SHARED_MAX)
def _pattern(terms: str) -> _Pattern:
    decoded = _terms_decoder.decode(terms)
    state = AccountState("any", **{name: getattr(decoded, name) for name in _TERMS})
    packed = pack_account(state)
    end_of_rest = HEAD.size + REST.size
    end_of_warn_at = end_of_rest + 2 * len(decoded.warn_at)
    head = int.from_bytes(packed[: HEAD.size], "little")
    rest = int.from_bytes(packed[HEAD.size : end_of_rest], "little")
    return _Pattern(
        head - (state.epoch << _EPOCH) - (state.period_no << _PERIOD_NO),
        rest - (status_code(state.status) << _STATUS) - (NEVER_MS << _ENDS_AT),
        packed[end_of_rest:end_of_warn_at],
        packed[end_of_warn_at + len(pack_coming(())) :],
    )


@lru_cache(_SHARED_MAX)
def _calendar(coming: str, period_no: int, ends_at: datetime | None) -> bytes:
    decoded = _coming_decoder.decode(coming)
    check_coming(decoded, period_no, ends_at)
    return pack_coming(decoded)
