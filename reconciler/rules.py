"""What facts do to an image, by the rules of the account (lua/README.md, section 3).

While an account is reloaded, the legs of its deltas name grants that the ledger may not have; what
happened is then done again here, to the ledger's own. Each function returns the legs that it made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.domain.limits import NEVER_MS, instant_ms
from gate.hot.journal import Leg

if TYPE_CHECKING:
    from gate.domain.operations import CreditChange, OperationContent
    from reconciler.image import GrantKey, Image

_ORDER = {"rollover": 1, "base": 2, "purchased": 3}
_LAPSING = ("base", "rollover")


def settle(image: Image, credits: int) -> list[Leg]:
    """Burn credits; warn, and freeze where the debt is too deep."""
    legs = _burn(image, "email_sent", credits)
    basis = image.allowance
    for percent in image.terms.warn_at if basis > 0 else ():
        if percent > image.warned_percent and image.used >= -(-basis * percent // 100):
            image.warned_percent = percent
            legs.append(image.leg("warning", "none", percent))
    if credits and image.debt > image.terms.max_debt and image.status != "frozen":
        image.status, image.frozen_reason, image.reshaped = "frozen", "debt", True
    return legs


def adjust(image: Image, amount: int) -> list[Leg]:
    """Book an amount that no delta tells: more is purchased credits, less is burned."""
    if amount > 0:
        return give(image, "manual_adjustment", "purchased", amount, NEVER_MS)
    return _burn(image, "manual_adjustment", -amount)


def give(image: Image, entry: str, source: str, credits: int, expires_at_ms: int) -> list[Leg]:
    """Credits that come in pay debt first."""
    legs = []
    paid = min(image.debt, credits)
    if paid:
        legs.append(_moved(image, image.leg(entry, "debt", paid)))
    if credits > paid:
        legs.append(_moved(image, image.leg(entry, source, credits - paid, expires_at_ms)))
    return legs


def expire(image: Image, key: GrantKey) -> list[Leg]:
    """A grant's own instant has come."""
    left, expires_at_ms = image.grants.get(key, (0, 0))
    if left <= 0:
        return []
    return [_moved(image, image.leg("period_reset", key[0], -left, expires_at_ms))]


def turn(image: Image) -> list[Leg]:
    """The running period ends and the next one begins. There must be one."""
    period, coming = image.coming[0], image.coming[1:]
    legs = [image.leg("turn", "none", image.used)]
    if image.overage > 0:
        legs.append(_moved(image, image.leg("period_reset", "overage", image.overage)))
    lapsed = 0
    for source in _LAPSING:
        for key in _burn_order(image):
            left, expires_at_ms = image.grants[key]
            if key[0] == source and left > 0:
                lapsed += left
                legs.append(_moved(image, image.leg("period_reset", source, -left, expires_at_ms)))
    carried = min(lapsed, image.terms.max_rollover_credits or 0)
    if carried:
        legs.append(_moved(image, image.leg("rollover_applied", "rollover", carried, NEVER_MS)))
    image.period_no, image.used, image.warned_percent = period.period_no, 0, 0
    image.allowance = carried + period.allowance
    image.starts_at, image.ends_at, image.coming = image.ends_at, period.ends_at, coming
    image.terms = period.terms or image.terms
    if period.status is not None:
        image.status, image.frozen_reason = period.status, None
    image.reshaped = True
    if period.allowance:
        legs += give(image, "period_reset", "base", period.allowance, NEVER_MS)
    return legs


def change(image: Image, content: OperationContent) -> list[Leg]:
    """Everything that an operation changes."""
    legs = [leg for one in content.changes for leg in _change_credits(image, one)]
    _set(image, content)
    return legs


def _set(image: Image, content: OperationContent) -> None:
    """What an operation changes besides credits."""
    image.terms = content.terms or image.terms
    if content.status is not None:
        image.status, image.frozen_reason = content.status, content.frozen_reason
    image.grace_until = content.grace_until or image.grace_until
    if content.ends_at is not None or content.endless:
        image.ends_at = content.ends_at
    if content.coming is not None:
        image.coming = content.coming
    image.reshaped = True


def _change_credits(image: Image, one: CreditChange) -> list[Leg]:
    if one.credits > 0:
        if one.source != "purchased":
            image.allowance += one.credits
        expires_at_ms = instant_ms("expires_at", one.expires_at)
        return give(image, one.entry, one.source, one.credits, expires_at_ms)
    legs, owed = [], -one.credits
    for key in _burn_order(image):
        left, expires_at_ms = image.grants[key]
        part = min(owed, left)
        if part > 0 and one.source in ("any", key[0]):
            owed -= part
            legs.append(_moved(image, image.leg(one.entry, key[0], -part, expires_at_ms)))
            if key[0] in _LAPSING:
                image.allowance = max(0, image.allowance - part)
    if owed and one.rest == "debt":
        legs.append(_moved(image, image.leg(one.entry, "debt", -owed)))
    return legs


def _burn(image: Image, entry: str, credits: int) -> list[Leg]:
    """From the grants in their order, then overage up to its limit, the rest is debt."""
    legs, owed = [], credits
    for key in _burn_order(image):
        left, expires_at_ms = image.grants[key]
        part = min(owed, left)
        if part > 0:
            owed -= part
            legs.append(_moved(image, image.leg(entry, key[0], -part, expires_at_ms)))
    overage = min(owed, max(0, image.terms.overage_limit - image.overage))
    if overage > 0:
        legs.append(_moved(image, image.leg(entry, "overage", -overage)))
    if owed > overage:
        legs.append(_moved(image, image.leg(entry, "debt", overage - owed)))
    return legs


def _moved(image: Image, leg: Leg) -> Leg:
    image.move(leg)
    return leg


def _burn_order(image: Image) -> list[GrantKey]:
    ends_at_ms = instant_ms("ends_at", image.ends_at)

    def order(key: GrantKey) -> tuple[int, int, int]:
        expires_at_ms = image.grants[key][1]
        with_period = expires_at_ms == NEVER_MS and key[0] in _LAPSING
        return (ends_at_ms if with_period else expires_at_ms, _ORDER[key[0]], expires_at_ms)

    return sorted(image.grants, key=order)
