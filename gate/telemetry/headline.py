"""What an id is and what became of it, in one sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.telemetry.words import amount, how_settled

if TYPE_CHECKING:
    from gate.ledger.entry import Entry
    from gate.telemetry.explain import Facts

#: How the ids of operations begin that give a repeat back.
REVERSAL: Final = "rev_"
SETTLING: Final = ("committed", "spent")


def headline(facts: Facts) -> str:
    """The most telling of what was found."""
    return f"{facts.id} of {facts.organization_id}: {_what(facts)}."


def _what(facts: Facts) -> str:
    entries = facts.found.entries if facts.found is not None else ()
    for one in facts.live:
        if one.id == facts.id and one.trace.hold is not None:
            part = one.trace.hold.part
            settled = f", settled up to part {part}" if part else ""
            return f"an open hold of {amount(one.trace.hold.held)}{settled}"
    settled_parts = [one for one in entries if one.settlement_id == facts.id]
    if settled_parts:
        return _booked(settled_parts, entries)
    for sighting in facts.unbooked:
        if sighting.delta.id == facts.id and sighting.delta.kind in SETTLING:
            spent = -sum(leg.amount for leg in sighting.delta.legs if leg.entry == "email_sent")
            return f"{sighting.delta.kind}, {amount(spent)}, not booked yet"
    operations = facts.found.operations if facts.found is not None else ()
    for operation in operations:
        if operation.id == facts.id:
            return f"an operation ({operation.kind}), {operation.status}"
    for send in facts.found.sends if facts.found is not None else ():
        if send.id == facts.id:
            return f"a message, {send.status}, {amount(send.credits_consumed)}"
    for one in facts.live:
        if one.id == facts.id and one.trace.settled is not None:
            return f"a hold, {how_settled(one.trace.settled)}"
    if any(one.operation_id == facts.id for one in entries):
        return "an operation, booked"
    if facts.found is not None and facts.found.by_reference:
        return f"a reference of {len(facts.found.by_reference)} ledger entries"
    if facts.found is not None and facts.found.quarantined:
        return "named by a journal entry that could not be booked"
    return "known"


def _booked(parts: list[Entry], entries: tuple[Entry, ...]) -> str:
    spent = -sum(one.delta for one in parts)
    back = sum(one.delta for one in entries if (one.operation_id or "").startswith(REVERSAL))
    late = ", late" if any(one.late for one in parts) else ""
    repeats = sum(one.repeated for one in parts)
    said = f"{parts[0].delta_kind}{late}, {amount(spent - back)} booked"
    if repeats:
        times = "once" if repeats == 1 else f"{repeats} times"
        said += f" ({spent:,} charged, {back:,} given back: it was repeated {times})"
    return said
