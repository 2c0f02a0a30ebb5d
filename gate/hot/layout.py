"""The packed form of accounts, terms and coming periods, as lib/account.lua reads and writes it.

Packing is for `load` and `apply`; what follows of the rest (posted, ceiling, next change, ...) is
left 0 here and worked out by the script.
"""

from __future__ import annotations

from collections.abc import Sequence

from gate.domain.accounts import (
    FROZEN_REASONS,
    GRANT_KINDS,
    STATUSES,
    AccountState,
    ComingPeriod,
    Terms,
)
from gate.domain.limits import NEVER_MS, instant_ms
from gate.hot.packing import Packing

LAYOUT = 1

HEAD = Packing("<BI6BBI2I4I6I6I4I4I7I4I4I4I4I7I7I7I4I7I6dI7B")
HEAD_FIELDS = (
    "layout next_change admits limits max_attachment max_open_holds next_expiry due "
    "rate_second burst warn_next epoch period_no config_version generation backlog_second "
    "seen_us held open_holds ceiling seq posted used grants"
).split()
GRANT = Packing("<I7BI6")
REST = Packing("<BBI2I7I7I7I6I6I6I7I7dB")
COMING = Packing("<I4I6I7BB")
TERMS = Packing("<I4I7I4I4I4I4BI4I2I7dB")
LONGER = Packing("<I4I7I4I7")
_PERCENT = Packing("<I2")


def _pack_warn_at(warn_at: Sequence[int]) -> bytes:
    return b"".join(_PERCENT.pack(percent) for percent in warn_at)


def _burst(terms: Terms) -> int:
    return terms.rate_per_second if terms.burst is None else terms.burst


def _max_rollover(terms: Terms) -> int:
    return -1 if terms.max_rollover_credits is None else terms.max_rollover_credits


def pack_terms(terms: Terms) -> bytes:
    """Terms as `apply` takes them."""
    return TERMS.pack(
        terms.config_version,
        terms.overage_limit,
        terms.rate_per_second,
        _burst(terms),
        terms.rate_per_minute or 0,
        terms.rate_per_hour or 0,
        int(terms.strict_burst),
        terms.max_open_holds or 0,
        terms.max_attachment_size_mb,
        terms.max_debt,
        _max_rollover(terms),
        len(terms.warn_at),
    ) + _pack_warn_at(terms.warn_at)


def pack_coming(coming: Sequence[ComingPeriod]) -> bytes:
    """Coming periods as `apply` takes them: a count, then each."""
    packed = [bytes([len(coming)])]
    for period in coming:
        packed.append(
            COMING.pack(
                period.period_no,
                instant_ms("ends_at", period.ends_at),
                period.allowance,
                status_code(period.status),
                int(period.terms is not None),
            )
        )
        if period.terms is not None:
            packed.append(pack_terms(period.terms))
    return b"".join(packed)


def status_code(status: str | None) -> int:
    """1 active to 6 frozen; 0: as it is."""
    return 0 if status is None else [*STATUSES].index(status) + 1  # type: ignore[arg-type]


def reason_code(reason: str | None) -> int:
    """1 debt, 2 repair; 0: none."""
    return 0 if reason is None else [*FROZEN_REASONS].index(reason) + 1  # type: ignore[arg-type]


def kind_code(kind: str) -> int:
    """1 rollover, 2 base, 3 purchased."""
    return [*GRANT_KINDS].index(kind) + 1  # type: ignore[arg-type]


def pack_account(state: AccountState) -> bytes:
    """An account as `load` takes it."""
    allowance = state.allowance
    if allowance is None:
        allowance = sum(grant.credits for grant in state.grants if grant.kind != "purchased")
    longer = bool(state.rate_per_minute or state.rate_per_hour)
    head = {
        "layout": LAYOUT,
        "limits": int(state.strict_burst) + 2 * longer,
        "max_attachment": state.max_attachment_size_mb,
        "max_open_holds": state.max_open_holds or 0,
        "next_expiry": NEVER_MS,
        "due": NEVER_MS,
        "rate_second": state.rate_per_second,
        "burst": _burst(state),
        "epoch": state.epoch,
        "period_no": state.period_no,
        "config_version": state.config_version,
        "seq": state.seq,
        "used": state.used,
        "grants": len(state.grants),
    }
    packed = HEAD.pack(*(head.get(name, 0) for name in HEAD_FIELDS))
    grants = [
        GRANT.pack(grant.credits, kind_code(grant.kind), instant_ms("expires_at", grant.expires_at))
        for grant in state.grants
    ]
    rest = REST.pack(
        status_code(state.status),
        reason_code(state.frozen_reason),
        state.warned_percent,
        state.overage,
        state.overage_limit,
        state.debt,
        0 if state.starts_at is None else instant_ms("starts_at", state.starts_at),
        instant_ms("ends_at", state.ends_at),
        0 if state.grace_until is None else instant_ms("grace_until", state.grace_until),
        allowance,
        state.max_debt,
        _max_rollover(state),
        len(state.warn_at),
    )
    tail = _pack_warn_at(state.warn_at) + pack_coming(state.coming)
    if longer:
        tail += LONGER.pack(state.rate_per_minute or 0, 0, state.rate_per_hour or 0, 0)
    return packed + b"".join(grants) + rest + tail
