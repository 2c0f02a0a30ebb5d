"""What was found of an id, told in the order in which it happened. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gate.domain.limits import ms_instant
from gate.ledger.chain import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gate.hot.journal import Delta
    from gate.hot.settled_id import SettledId
    from gate.hot.trace import Sighting
    from gate.ledger.entry import Entry
    from gate.ledger.lookup import OperationRow, QuarantinedRow, SendRow
    from gate.telemetry.explain import Facts, TraceOf

REVERSAL: Final = "rev_"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SETTLING: Final = ("committed", "spent")


class Step(NamedTuple):
    """Something that happened; `at` None: how things stand now."""

    at: datetime | None
    said: str


class Story(NamedTuple):
    """`headline`: what it is and what became of it."""

    headline: str
    steps: tuple[Step, ...]


def tell(facts: Facts) -> Story:
    """The story of what was found."""
    past = sorted(_past(facts), key=lambda step: step.at or _EPOCH)
    return Story(_headline(facts), (*past, *_present(facts)))


# -- the headline


def _headline(facts: Facts) -> str:
    return f"{facts.id} of {facts.organization_id}: {_what(facts)}."


def _what(facts: Facts) -> str:
    entries = facts.found.entries if facts.found is not None else ()
    for one in facts.live:
        if one.id == facts.id and one.trace.hold is not None:
            part = one.trace.hold.part
            settled = f", {part} parts of it settled" if part else ""
            return f"an open hold of {one.trace.hold.held:,} credits{settled}"
    settled_parts = [one for one in entries if one.settlement_id == facts.id]
    if settled_parts:
        return _booked(settled_parts, entries)
    for sighting in facts.unbooked:
        if sighting.delta.id == facts.id and sighting.delta.kind in _SETTLING:
            spent = -sum(leg.amount for leg in sighting.delta.legs if leg.entry == "email_sent")
            return f"{sighting.delta.kind}, {spent:,} credits, not booked yet"
    operations = facts.found.operations if facts.found is not None else ()
    for operation in operations:
        if operation.id == facts.id:
            return f"an operation ({operation.kind}), {operation.status}"
    for send in facts.found.sends if facts.found is not None else ():
        if send.id == facts.id:
            return f"a message, {send.status}, {send.credits_consumed:,} credits"
    for one in facts.live:
        if one.id == facts.id and one.trace.settled is not None:
            return f"a hold, {_how(one.trace.settled)}"
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
    said = f"{parts[0].delta_kind}{late}, {spent - back:,} credits booked"
    if repeats:
        times = "once" if repeats == 1 else f"{repeats} times"
        said += f" ({spent:,} charged, {back:,} given back: it was repeated {times})"
    return said


# -- what happened


def _past(facts: Facts) -> Iterator[Step]:
    found = facts.found
    if found is not None:
        for operation in found.operations:
            yield from _operation(operation)
        for send in found.sends:
            yield from _send(send)
        known = {one.entry_no for one in found.entries}
        for entry in found.entries:
            yield _entry(entry)
        for entry in found.by_reference or ():
            if entry.entry_no not in known:
                yield _entry(entry)
        for quarantined in found.quarantined:
            yield _quarantined(quarantined)
    for sighting in facts.unbooked:
        yield from _sighting(sighting, facts)


def _entry(entry: Entry) -> Step:
    what = _settling(entry) if entry.settlement_id is not None else _operating(entry)
    late_s = (entry.booked_at - entry.created_at).total_seconds()
    said = (
        f"{what}: {_credits(entry.delta, entry.split)}, balance {_number(entry.balance_after)}; "
        f"entry {entry.entry_no:,}, booked {max(0.0, late_s):.1f} s later"
    )
    if entry.repeated:
        said += "; a repeat: it had been booked before, an operation gives it back"
    return Step(entry.created_at, said)


def _settling(entry: Entry) -> str:
    part = f"part {entry.part} " if entry.part else ""
    late = " late, its hold was gone" if entry.late else ""
    return f"{entry.settlement_id} {part}{entry.delta_kind}{late}"


def _operating(entry: Entry) -> str:
    operation = entry.operation_id or ""
    if operation.startswith(REVERSAL):
        done = "given back" if entry.delta > 0 else "taken back"
        return f"{entry.reference_id} {done} by {operation}"
    by = f" by operation {operation}" if operation else ""
    return f"{entry.entry_type}{by}"


def _operation(operation: OperationRow) -> Iterator[Step]:
    by = f" by {operation.actor}" if operation.actor else ""
    why = "".join(f", {text}" for text in (operation.reason, operation.reference) if text)
    period = "" if operation.period_no is None else f" for period {operation.period_no}"
    yield Step(
        operation.created_at,
        f"operation {operation.id} ({operation.kind}) recorded{by}{period}{why}"
        f"{_changes(operation.content)}",
    )
    if operation.applied_at is not None:
        yield Step(operation.applied_at, f"operation {operation.id} applied to the account")
    if operation.booked_at is not None:
        seq = f", delta {operation.booked_epoch}/{operation.booked_seq}"
        yield Step(
            operation.booked_at,
            f"operation {operation.id} booked" + (seq if operation.booked_seq is not None else ""),
        )


def _changes(content: Any) -> str:
    if not isinstance(content, dict):
        return ""
    said = [
        f"{_signed(one.get('credits', 0))} {one.get('source', '')} ({one.get('entry', '')})"
        for one in content.get("changes", ())
        if isinstance(one, dict)
    ]
    said += [f"{name} {content[name]}" for name in ("status", "grace_until") if name in content]
    return f": {', '.join(said)}" if said else ""


def _send(send: SendRow) -> Iterator[Step]:
    under = f" under {send.hold_id}" if send.hold_id and send.hold_id != send.id else ""
    who = f" to {send.recipient_email}" if send.recipient_email else ""
    yield Step(send.created_at, f"message {send.id}{who}{under}: first heard of")
    if send.sent_at is not None:
        paid = "" if send.ledger_entry_no is None else f", paid by entry {send.ledger_entry_no:,}"
        yield Step(send.sent_at, f"message {send.id} sent, {send.credits_consumed:,} credits{paid}")
    if send.skipped_at is not None:
        why = f": {send.skip_reason}" if send.skip_reason else ""
        yield Step(send.skipped_at, f"message {send.id} skipped{why}")


def _quarantined(row: QuarantinedRow) -> Step:
    then = (
        "waits for a person"
        if row.replayed_at is None
        else f"replayed at {row.replayed_at:%Y-%m-%d %H:%M:%S}"
    )
    return Step(
        row.found_at,
        f"journal entry {row.entry_id} of partition {row.partition} could not be booked "
        f"({row.reason}); {then}",
    )


def _sighting(sighting: Sighting, facts: Facts) -> Iterator[Step]:
    delta = sighting.delta
    at = _EPOCH + timedelta(milliseconds=delta.at_ms)
    where = f"delta {delta.epoch}/{delta.seq} in the journal"
    # Without PostgreSQL nobody tells what is booked.
    where += ", not booked yet" if facts.found is not None else ""
    late = " late, its hold was gone" if delta.late else ""
    part = f" part {delta.part}" if delta.part else ""
    moved = _moved(delta)
    said = f"{delta.id or delta.kind}{part} {delta.kind if delta.id else ''}".rstrip() + late
    credits = f": {_credits(sum(moved.values()), moved)}, balance {_number(delta.posted)}"
    yield Step(at, f"{said}{credits if moved else ''}; {where}")
    for send in sighting.sends:
        status = send.status or {"reserved": "queued", "released": "failed"}.get(delta.kind, "")
        yield Step(at, f"message {send.send_id} to {send.recipient} {status or delta.kind}")
    for id in delta.expired_ids:
        if facts.found is None or id in facts.found.ids:
            yield Step(at, f"{id} had expired")


def _moved(delta: Delta) -> dict[str, int]:
    moved: dict[str, int] = {}
    for leg in delta.legs:
        if leg.moves_posted:
            moved[leg.source] = moved.get(leg.source, 0) + leg.amount
    return moved


# -- how things stand


def _present(facts: Facts) -> Iterator[Step]:
    for one in facts.live:
        yield from _live(one, facts)
    for send in facts.found.sends if facts.found is not None else ():
        why = f": {send.error_message}" if send.error_message else ""
        yield Step(None, f"message {send.id} is {send.status}{why}")
    for operation in facts.found.operations if facts.found is not None else ():
        if operation.status in ("pending", "applied"):
            yield Step(None, f"operation {operation.id} is {operation.status}: not booked yet")
        elif operation.status != "booked":
            yield Step(None, f"operation {operation.id} is {operation.status}, and changed nothing")
    for note in facts.notes:
        yield Step(None, note)


def _live(one: TraceOf, facts: Facts) -> Iterator[Step]:
    hold, settled, mark = one.trace
    if hold is not None:
        ends = ms_instant(hold.expires_at_ms)
        left_s = 0.0
        if ends is not None and facts.now is not None:
            left_s = (ends - facts.now).total_seconds()
        when = f"expires in {left_s:,.0f} s" if left_s > 0 else f"overdue for {-left_s:,.0f} s"
        of = f" of {hold.granted:,}" if hold.granted != hold.held else ""
        reference = f", reference {hold.reference}" if hold.reference else ""
        yield Step(None, f"{one.id} is open: {hold.held:,}{of} credits held, {when}{reference}")
    if settled is not None:
        since, until = ms_instant(settled.settled_from_ms), ms_instant(settled.known_until_ms)
        yield Step(
            None,
            f"Redis knows until {until:%H:%M} that {one.id} was settled after {since:%H:%M}: "
            f"{_how(settled)}",
        )
        if settled.how == "committed" and facts.found is not None and not _accounted(one.id, facts):
            yield Step(
                None,
                f"the delta of {one.id} is neither booked nor behind the cursor: ask again in a "
                f"second; if it stays so, `gate drift {facts.organization_id}`",
            )
    if mark is not None:
        taken = f", took back {mark.taken:,} credits" if mark.taken else ""
        yield Step(None, f"Redis has applied operation {one.id} with delta {mark.seq}{taken}")


def _how(settled: SettledId) -> str:
    if settled.how == "committed":
        late = ", late" if settled.late else ""
        return f"committed{late}, {settled.spent:,} spent, {settled.returned:,} returned"
    if settled.how == "unreserved":
        return "released before it was reserved, so that a late reserve opens nothing"
    return f"{settled.how}, {settled.returned:,} credits returned"


def _accounted(id: str, facts: Facts) -> bool:
    entries = facts.found.entries if facts.found is not None else ()
    return any(one.settlement_id == id for one in entries) or any(
        one.delta.id == id for one in facts.unbooked
    )


def _credits(delta: int, split: Mapping[str, int]) -> str:
    """`−3 credits (2 rollover, 1 base)`."""
    sources = [(source, split[source]) for source in SOURCES if split.get(source)]
    if not sources:
        return f"{_signed(delta)} credits"
    if len(sources) == 1:
        return f"{_signed(delta)} credits of {sources[0][0]}"
    same_sign = all(amount < 0 for _, amount in sources) or all(amount > 0 for _, amount in sources)
    shown = ", ".join(
        f"{abs(amount):,} {source}" if same_sign else f"{_signed(amount)} {source}"
        for source, amount in sources
    )
    return f"{_signed(delta)} credits ({shown})"


def _signed(number: Any) -> str:
    return f"{number:+,}".replace("-", "−") if number else "0"


def _number(number: int) -> str:
    return f"{number:,}".replace("-", "−")
