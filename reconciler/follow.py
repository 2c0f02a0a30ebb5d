"""Whether a delta is the successor of an image, and what it then does to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler import rules
from reconciler.batch import ClosedPeriod
from reconciler.image import DAY_MS, moved_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gate.domain.operations import OperationContent
    from gate.hot.journal import Delta, Leg
    from reconciler.image import GrantKey, Image


class Followed(NamedTuple):
    """The legs that an image took over, and the periods that turned in them."""

    legs: Sequence[Leg]
    turns: Sequence[ClosedPeriod]


def follow(image: Image, delta: Delta, content: OperationContent | None) -> Followed | str:
    """Takes a delta over if it fits: the next in (epoch, seq), its posted the previous one and its
    legs, no grant below 0, a turn that lapses exactly what is booked. Else the image stays as it
    is, and the answer is why: a word for `drift_report.kind`."""
    if delta.kind == "loaded":
        fits = delta.epoch > image.epoch and delta.seq == image.seq + 1 and not delta.legs
        if not fits or delta.posted != image.posted:
            return "load"
        image.epoch, image.seq = delta.epoch, delta.seq
        return Followed((), ())
    if delta.epoch != image.epoch or delta.seq != image.seq + 1 or image.repair_state != "ok":
        is_gap = delta.epoch == image.epoch and delta.seq > image.seq + 1
        return "gap" if is_gap else "sequence"
    if delta.posted != image.posted + moved_by(delta.legs):
        return "posted"
    if not delta.froze and delta.kind != "applied" and _are_simple(image, delta):
        for leg in delta.legs:
            image.move(leg)
        image.seq = delta.seq
        return Followed(delta.legs, ())
    followed = None if content is None else _follow_operation(image, delta, content)
    if followed is None:
        followed = _follow_legs(image, delta.legs)
    if followed is None:
        return "turn"
    after, turns = followed
    if not after.is_possible() or _outlived(after, delta):
        return "grants"
    if delta.froze:
        after.status, after.frozen_reason, after.reshaped = "frozen", "debt", True
    after.seq = delta.seq
    _become(image, after)
    return Followed(delta.legs, turns)


def _is_simple(image: Image, leg: Leg, at_ms: int) -> bool:
    """Whether a leg settles what is there, so that nothing but counters changes. (No settlement
    takes twice from one grant.)"""
    if leg.entry != "email_sent" or leg.amount > 0:
        return False
    if leg.source == "overage" or leg.source == "debt":
        return True
    left, expires_at_ms = image.grants.get((leg.source, leg.expires_at_ms // DAY_MS), (0, 0))
    return left + leg.amount >= 0 and expires_at_ms > at_ms


def _are_simple(image: Image, delta: Delta) -> bool:
    """Whether all legs settle what is there, so that nothing but counters changes."""
    for leg in delta.legs:  # noqa: SIM110 - a generator costs as much as the rest
        if not _is_simple(image, leg, delta.at_ms):
            return False
    return True


def _follow_operation(
    image: Image, delta: Delta, content: OperationContent
) -> tuple[Image, list[ClosedPeriod]] | None:
    """What time did to the account stands first among the legs; the rest must be what the operation
    does by the rules, which also tell what it changes besides credits. None where it is not: then
    its grants are not the ledger's, or its row was changed."""
    for behind_time in range(len(delta.legs) + 1):
        followed = _follow_legs(image, delta.legs[:behind_time])
        if followed is not None:
            after, turns = followed
            if rules.change(after, content) == list(delta.legs[behind_time:]):
                return after, turns
    return None


def _follow_legs(image: Image, legs: Sequence[Leg]) -> tuple[Image, list[ClosedPeriod]] | None:
    """A copy of the image that did what the legs say, and the periods that turned; None if one did
    not turn as it would have here."""
    after = image.copy()
    turns: list[ClosedPeriod] = []
    position = 0
    while position < len(legs):
        leg = legs[position]
        if leg.entry == "turn":
            if not after.coming or leg.period_no != after.period_no:
                return None
            before = after.copy()
            expected = rules.turn(after)
            found = legs[position : position + len(expected)]
            if sorted(expected) != sorted(found):
                return None
            turns.append(closed_period(before, after.period_no))
            position += len(expected)
            continue
        if leg.entry == "warning":
            after.warned_percent = leg.amount
        elif leg.moves_posted:
            after.move(leg)
        position += 1
    return after, turns


def _outlived(after: Image, delta: Delta) -> bool:
    """Whether a grant is left whose own instant has passed; but an operation that comes late may
    give one, which the next delta lets expire."""
    given: set[GrantKey] = set()
    if delta.kind == "applied":
        given = {(leg.source, leg.expires_at_ms // DAY_MS) for leg in delta.legs if leg.amount > 0}
    return any(
        left > 0 and expires_at_ms <= delta.at_ms and key not in given
        for key, (left, expires_at_ms) in after.grants.items()
    )


def _become(image: Image, after: Image) -> None:
    for name in image.__slots__:
        setattr(image, name, getattr(after, name))


def closed_period(before: Image, next_period_no: int) -> ClosedPeriod:
    """The period that ends, of an image as it was before the turn."""
    return ClosedPeriod(
        before.organization_id,
        before.subscription_id,
        before.period_no,
        before.terms.config_version,
        before.starts_at,
        before.ends_at,
        before.allowance,
        before.used,
        before.overage,
        next_period_no,
    )
