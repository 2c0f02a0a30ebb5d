"""What the legs of a delta tell beside their sums. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from gate.domain.limits import NEVER_MS
from gate.domain.operations import CreditChange, OperationContent

if TYPE_CHECKING:
    from gate.hot.journal import Delta, Leg

SETTLING: Final = frozenset(("committed", "spent"))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def settled_by(delta: Delta) -> int:
    """Credits that a settlement took, as the change of posted: 0 or less."""
    return sum(leg.amount for leg in delta.legs if leg.entry == "email_sent")


def is_expiry(leg: Leg, delta: Delta) -> bool:
    """Whether a leg says that a grant's own instant has come."""
    return leg.entry == "period_reset" and leg.amount < 0 and 0 < leg.expires_at_ms <= delta.at_ms


def own_legs(delta: Delta) -> list[Leg]:
    """The legs of what was asked for: not those of time, which come first."""
    if delta.kind in SETTLING:
        return [leg for leg in delta.legs if leg.entry == "email_sent"]
    return [
        leg
        for leg in delta.legs
        if leg.moves_posted
        and leg.entry != "rollover_applied"
        and not (leg.entry == "period_reset" and delta.kind == "applied")
    ]


def content_of_legs(delta: Delta) -> OperationContent:
    """What an operation did whose row PostgreSQL has lost, as far as its legs tell."""
    legs = own_legs(delta)
    amount = sum(leg.amount for leg in legs)
    if amount == 0:
        return OperationContent()
    given = next((leg for leg in legs if leg.amount > 0 and leg.source != "debt"), None)
    expires_at = None
    if given is not None and given.expires_at_ms != NEVER_MS:
        expires_at = _EPOCH + timedelta(milliseconds=given.expires_at_ms)
    source = "any" if amount < 0 else given.source if given is not None else "purchased"
    change = CreditChange(
        entry=legs[0].entry,  # type: ignore[arg-type]
        source=source,  # type: ignore[arg-type]
        credits=amount,
        expires_at=expires_at if amount > 0 else None,
        rest="debt",
    )
    return OperationContent(changes=(change,))


def period_of_legs(delta: Delta) -> int | None:
    """Base credits are meant for one period."""
    return next((leg.period_no for leg in own_legs(delta) if leg.source == "base"), None)
