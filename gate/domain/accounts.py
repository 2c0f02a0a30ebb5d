"""What an account is: its grants, its terms, its periods. Values, checked when they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from gate.domain.errors import BadArgument
from gate.domain.limits import (
    CREDITS_MAX,
    RATE_MAX,
    check_id,
    check_whole,
    instant_ms,
)

GrantKind = Literal["rollover", "base", "purchased"]
Status = Literal["active", "trialing", "past_due", "paused", "cancelled", "frozen"]
FrozenReason = Literal["debt", "repair"]

GRANT_KINDS: tuple[GrantKind, ...] = get_args(GrantKind)
STATUSES: tuple[Status, ...] = get_args(Status)
FROZEN_REASONS: tuple[FrozenReason, ...] = get_args(FrozenReason)

GRANTS_MAX = 16
COMING_MAX = 8
WARN_AT_MAX = 8
UINT32_MAX = 2**32 - 1


def _check_word(name: str, value: object, words: Sequence[str]) -> None:
    if value not in words:
        raise BadArgument(name, value, f"one of {', '.join(words)}")


def _check_list(name: str, values: object, kind: type) -> None:
    if not isinstance(values, list | tuple) or not all(isinstance(one, kind) for one in values):
        raise BadArgument(name, values, f"a list of {kind.__name__}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Credits given: `kind`, how many are left, and until when (None: base and rollover until the
    period ends, purchased for good)."""

    kind: GrantKind
    credits: int
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        _check_word("kind", self.kind, GRANT_KINDS)
        check_whole("credits", self.credits, 1, CREDITS_MAX)
        instant_ms("expires_at", self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a plan allows while it is in force. Rates are in credits per second, minute, hour.

    `burst`: how many may pass at once, default one second's worth. `strict_burst`: a larger call
    is refused for good instead of waiting for an idle limit. `max_rollover_credits`: unspent base
    and rollover credits carried over a turn at most, None: they lapse. `max_debt`: deeper debt
    freezes the organization. `warn_at`: percent of the period's allowance, ascending.
    """

    rate_per_second: int
    burst: int | None = None
    rate_per_minute: int | None = None
    rate_per_hour: int | None = None
    strict_burst: bool = False
    overage_limit: int = 0
    max_open_holds: int | None = None
    max_attachment_size_mb: int = 10
    max_debt: int = 10_000
    max_rollover_credits: int | None = None
    warn_at: tuple[int, ...] = (80, 100)
    config_version: int = 1

    def __post_init__(self) -> None:
        check_whole("rate_per_second", self.rate_per_second, 1, RATE_MAX)
        for name in ("burst", "rate_per_minute", "rate_per_hour"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1, RATE_MAX)
        if type(self.strict_burst) is not bool:
            raise BadArgument("strict_burst", self.strict_burst, "True or False")
        check_whole("overage_limit", self.overage_limit, 0, CREDITS_MAX)
        if self.max_open_holds is not None:
            check_whole("max_open_holds", self.max_open_holds, 1, UINT32_MAX)
        check_whole("max_attachment_size_mb", self.max_attachment_size_mb, 0, 65_535)
        check_whole("max_debt", self.max_debt, 0, CREDITS_MAX)
        if self.max_rollover_credits is not None:
            check_whole("max_rollover_credits", self.max_rollover_credits, 0, CREDITS_MAX)
        check_whole("config_version", self.config_version, 1, UINT32_MAX)
        if not isinstance(self.warn_at, list | tuple):
            raise BadArgument("warn_at", self.warn_at, "percentages in a tuple")
        percents = tuple(self.warn_at)
        for percent in percents:
            check_whole("warn_at", percent, 1, 10_000)
        if len(percents) > WARN_AT_MAX or list(percents) != sorted(set(percents)):
            raise BadArgument("warn_at", self.warn_at, f"at most {WARN_AT_MAX} percentages, rising")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingPeriod:
    """A period that begins where the one before ends. `status` and `terms`, if given, are in force
    from its first instant. A cancellation at the period's end is a coming period with status
    cancelled and allowance 0 that ends where it begins."""

    period_no: int
    ends_at: datetime | None
    allowance: int
    status: Status | None = None
    terms: Terms | None = None

    def __post_init__(self) -> None:
        check_whole("period_no", self.period_no, 1, UINT32_MAX)
        instant_ms("ends_at", self.ends_at)
        check_whole("allowance", self.allowance, 0, CREDITS_MAX)
        if self.status is not None:
            _check_word("status", self.status, STATUSES)
        if self.terms is not None and not isinstance(self.terms, Terms):
            raise BadArgument("terms", self.terms, "Terms, or None: as they are")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState(Terms):
    """An account as `load` puts it into Redis: the terms in force, its grants and where it stands.

    `allowance`: the credits of kind base and rollover that this period was given, which warnings
    are percentages of; default: what the grants of these kinds say. `ends_at` None: the period
    does not end. `coming`: the periods after it, in order. `warned_percent`: the last threshold
    that was crossed in this period. `epoch` and `seq`: of this load, and of the last delta that is
    booked.
    Raises BadArgument.
    """

    organization_id: str = field(kw_only=False)
    status: Status = "active"
    frozen_reason: FrozenReason | None = None
    grace_until: datetime | None = None
    grants: Sequence[Grant] = ()
    overage: int = 0
    debt: int = 0
    used: int = 0
    warned_percent: int = 0
    allowance: int | None = None
    period_no: int = 1
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    coming: Sequence[ComingPeriod] = ()
    epoch: int = 1
    seq: int = 0

    def __post_init__(self) -> None:
        Terms.__post_init__(self)
        check_id("organization_id", self.organization_id)
        _check_word("status", self.status, STATUSES)
        if self.frozen_reason is not None:
            _check_word("frozen_reason", self.frozen_reason, FROZEN_REASONS)
        for name in ("grace_until", "starts_at", "ends_at"):
            instant_ms(name, getattr(self, name))
        for name in ("overage", "debt", "used"):
            check_whole(name, getattr(self, name), 0, CREDITS_MAX)
        check_whole("warned_percent", self.warned_percent, 0, 10_000)
        if self.allowance is not None:
            check_whole("allowance", self.allowance, 0, CREDITS_MAX)
        for name in ("period_no", "epoch"):
            check_whole(name, getattr(self, name), 1, UINT32_MAX)
        check_whole("seq", self.seq, 0, 2**48 - 2)
        _check_list("grants", self.grants, Grant)
        if len(self.grants) > GRANTS_MAX or sum(g.credits for g in self.grants) > CREDITS_MAX:
            raise BadArgument(
                "grants", self.grants, f"at most {GRANTS_MAX}, of 2^52 credits in all"
            )
        check_coming(self.coming, self.period_no, self.ends_at)


def check_coming(coming: Sequence[ComingPeriod], period_no: int, ends_at: datetime | None) -> None:
    """That periods follow one another. Raises BadArgument naming `coming`."""
    _check_list("coming", coming, ComingPeriod)
    if len(coming) > COMING_MAX:
        raise BadArgument("coming", coming, f"at most {COMING_MAX} periods")
    begins = ends_at
    for period in coming:
        if period.period_no <= period_no:
            raise BadArgument("coming", coming, "periods with rising numbers")
        period_no = period.period_no
        if begins is None:
            raise BadArgument("coming", coming, "nothing after a period that does not end")
        if period.ends_at is not None and period.ends_at < begins:
            raise BadArgument("coming", coming, "periods in order, none ending before it begins")
        begins = period.ends_at
