"""What was found of an id, told in the order in which it happened. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gate.domain.errors import BadArgument
from gate.domain.limits import ms_instant
from gate.domain.operations import content_of
from gate.telemetry.headline import REVERSAL, headline
from gate.telemetry.words import amount, how_settled, moved, number_of, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate.hot.journal import Delta
    from gate.hot.trace import Sighting
    from gate.ledger.entry import Entry
    from gate.ledger.lookup import OperationRow, QuarantinedRow, SendRow
    from gate.telemetry.explain import Facts, TraceOf

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
    past = sorted(_past(facts), key=_when)
    return Story(headline(facts), (*past, *_present(facts)))


def _when(step: Step) -> datetime:
    """An infinite instant comes from PostgreSQL without a timezone."""
    at = step.at or _EPOCH
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


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
        f"{what}: {moved(entry.delta, entry.split)}, balance {number_of(entry.balance_after)}; "
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
    """What an operation is to change, as far as that can be read."""
    try:
        change = content_of(content)
    except BadArgument:
        return ""
    said = [f"{signed(one.credits)} {one.source} ({one.entry})" for one in change.changes]
    if change.status is not None:
        said.append(f"status {change.status}")
    if change.terms is not None:
        said.append(f"terms of configuration {change.terms.config_version}")
    if change.coming is not None:
        said.append(f"{len(change.coming)} coming periods")
    return f": {', '.join(said)}" if said else ""


def _send(send: SendRow) -> Iterator[Step]:
    under = f" under {send.hold_id}" if send.hold_id and send.hold_id != send.id else ""
    who = f" to {send.recipient_email}" if send.recipient_email else ""
    yield Step(send.created_at, f"message {send.id}{who}{under}: first heard of")
    if send.sent_at is not None:
        paid = "" if send.ledger_entry_no is None else f", paid by entry {send.ledger_entry_no:,}"
        yield Step(send.sent_at, f"message {send.id} sent, {amount(send.credits_consumed)}{paid}")
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
    legs = _legs(delta)
    said = f"{delta.id or delta.kind}{part} {delta.kind if delta.id else ''}".rstrip() + late
    credits = f": {moved(sum(legs.values()), legs)}, balance {number_of(delta.posted)}"
    yield Step(at, f"{said}{credits if legs else ''}; {where}")
    for send in sighting.sends:
        status = send.status or {"reserved": "queued", "released": "failed"}.get(delta.kind, "")
        yield Step(at, f"message {send.send_id} to {send.recipient} {status or delta.kind}")
    for id in delta.expired_ids:
        if facts.found is None or id in facts.found.ids:
            yield Step(at, f"{id} had expired")


def _legs(delta: Delta) -> dict[str, int]:
    legs: dict[str, int] = {}
    for leg in delta.legs:
        if leg.moves_posted:
            legs[leg.source] = legs.get(leg.source, 0) + leg.amount
    return legs


# -- how things stand


def _present(facts: Facts) -> Iterator[Step]:
    for one in facts.live:
        yield from _live(one, facts)
    for send in facts.found.sends if facts.found is not None else ():
        if send.status not in ("sent", "skipped"):  # these have an instant, and are told with it
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
            f"{how_settled(settled)}",
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


def _accounted(id: str, facts: Facts) -> bool:
    entries = facts.found.entries if facts.found is not None else ()
    return any(one.settlement_id == id for one in entries) or any(
        one.delta.id == id for one in facts.unbooked
    )
