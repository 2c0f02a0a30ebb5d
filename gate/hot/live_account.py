"""The packed account as it stands in Redis, by name: what lib/account.lua reads, read in Python.

Nothing is brought up to now, as `peek` does, and whether the numbers agree with one another is not
asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gate.domain.accounts import (
    FROZEN_REASONS,
    GRANT_KINDS,
    STATUSES,
    FrozenReason,
    GrantKind,
    Status,
    Terms,
)
from gate.domain.errors import ContractError
from gate.hot.layout import COMING, GRANT, HEAD, HEAD_FIELDS, LAYOUT, LONGER, REST, TERMS
from gate.hot.packing import Packing

#: The names that lib/account.lua gives to the fields of its records, and those of HEAD.
REST_FIELDS: Final = (
    "status reason warned overage overage_limit debt started_at ends_at grace_until warn_basis "
    "max_debt max_rollover thresholds"
).split()
TERMS_FIELDS: Final = (
    "config_version overage_limit rate_second burst rate_minute rate_hour strict max_open_holds "
    "max_attachment max_debt max_rollover thresholds"
).split()
LONGER_FIELDS: Final = "rate_minute backlog_minute rate_hour backlog_hour".split()

_COUNT = Packing("<B")
_PERCENT = Packing("<I2")
_KINDS: Final = dict(enumerate(GRANT_KINDS, 1))
_STATUSES: Final = dict(enumerate(STATUSES, 1))
_REASONS: Final[dict[int, FrozenReason | None]] = {0: None, **dict(enumerate(FROZEN_REASONS, 1))}


class LiveGrant(NamedTuple):
    """Credits given, of which `left` are left; `expires_at_ms` 2^48 - 1: with the period, or
    never."""

    kind: GrantKind
    left: int
    expires_at_ms: int


class LiveComing(NamedTuple):
    """A period to come; `ends_at_ms` 2^48 - 1: it does not end. `status` and `config_version` None:
    as they are then."""

    period_no: int
    ends_at_ms: int
    allowance: int
    status: Status | None
    config_version: int | None


class LiveAccount(NamedTuple):
    """An account at (epoch, seq). `allowance` is what warnings are percentages of. Instants in ms
    since 1970: `starts_at_ms` and `grace_until_ms` 0: none, `ends_at_ms` 2^48 - 1: it does not
    end. `grants` in the order in which they burn. `terms.burst` is a number, never None."""

    epoch: int
    seq: int
    period_no: int
    config_version: int
    status: Status
    frozen_reason: FrozenReason | None
    posted: int
    held: int
    open_holds: int
    overage: int
    debt: int
    used: int
    warned_percent: int
    allowance: int
    starts_at_ms: int
    ends_at_ms: int
    grace_until_ms: int
    grants: tuple[LiveGrant, ...]
    coming: tuple[LiveComing, ...]
    terms: Terms


def unpack_account(packed: bytes) -> LiveAccount:
    """The account that `packed` says. Raises ContractError for a layout that this release does not
    know, and for bytes that make no sense."""
    if packed[:1] != bytes([LAYOUT]):
        found = packed[0] if packed else "none"
        raise ContractError(f"account of layout {found}, this release reads {LAYOUT}")
    try:
        return _read_account(_Reader(packed))
    except (KeyError, ValueError, OverflowError) as error:
        raise ContractError(f"the account cannot be read: {error!r}") from error


class _Reader:
    """Reads on from `position` in `packed`. Raises ValueError for what is cut off or no whole
    number, OverflowError for an infinite one."""

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.position = 0

    def values(self, packing: Packing) -> tuple[int, ...]:
        begin = self.position
        values, self.position = packing.unpack(self.packed, begin)
        if packing.pack(*values) != self.packed[begin : self.position]:
            raise ValueError(f"a number behind byte {begin} is not whole")
        return values

    def named(self, packing: Packing, names: list[str]) -> dict[str, int]:
        return dict(zip(names, self.values(packing), strict=True))

    def warn_at(self, count: int) -> tuple[int, ...]:
        return tuple(self.values(_PERCENT)[0] for _ in range(count))


def _read_account(reader: _Reader) -> LiveAccount:
    a = reader.named(HEAD, HEAD_FIELDS)
    grants = tuple(_read_grant(reader) for _ in range(a["grants"]))
    a |= reader.named(REST, REST_FIELDS)
    warn_at = reader.warn_at(a["thresholds"])
    coming = tuple(_read_coming(reader) for _ in range(*reader.values(_COUNT)))
    a |= {"strict": a["limits"] % 2, "rate_minute": 0, "rate_hour": 0}
    if a["limits"] >= 2:
        a |= reader.named(LONGER, LONGER_FIELDS)
    if reader.position != len(reader.packed):
        raise ValueError("it is longer than it says")
    return LiveAccount(
        epoch=a["epoch"],
        seq=a["seq"],
        period_no=a["period_no"],
        config_version=a["config_version"],
        status=_STATUSES[a["status"]],
        frozen_reason=_REASONS[a["reason"]],
        posted=a["posted"],
        held=a["held"],
        open_holds=a["open_holds"],
        overage=a["overage"],
        debt=a["debt"],
        used=a["used"],
        warned_percent=a["warned"],
        allowance=a["warn_basis"],
        starts_at_ms=a["started_at"],
        ends_at_ms=a["ends_at"],
        grace_until_ms=a["grace_until"],
        grants=grants,
        coming=coming,
        terms=_terms(a, warn_at),
    )


def _read_grant(reader: _Reader) -> LiveGrant:
    left, kind, expires_at_ms = reader.values(GRANT)
    return LiveGrant(_KINDS[kind], left, expires_at_ms)


def _read_coming(reader: _Reader) -> LiveComing:
    period_no, ends_at_ms, allowance, status, brings_terms = reader.values(COMING)
    version = None
    if brings_terms:
        t = reader.named(TERMS, TERMS_FIELDS)
        version = _terms(t, reader.warn_at(t["thresholds"])).config_version
    return LiveComing(
        period_no, ends_at_ms, allowance, _STATUSES[status] if status else None, version
    )


def _terms(t: Mapping[str, int], warn_at: tuple[int, ...]) -> Terms:
    return Terms(
        rate_per_second=t["rate_second"],
        burst=t["burst"],
        rate_per_minute=t["rate_minute"] or None,
        rate_per_hour=t["rate_hour"] or None,
        strict_burst=bool(t["strict"]),
        overage_limit=t["overage_limit"],
        max_open_holds=t["max_open_holds"] or None,
        max_attachment_size_mb=t["max_attachment"],
        max_debt=t["max_debt"],
        max_rollover_credits=None if t["max_rollover"] < 0 else t["max_rollover"],
        warn_at=warn_at,
        config_version=t["config_version"],
    )
