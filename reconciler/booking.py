"""Books deltas into a batch: what fits follows its legs, what does not is done again as facts.

Pure: images and what the ledger knows come in, a batch comes out. The rules are those that the
model proves (docs/reconciler.md, tests/model).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from gate.domain.ids import new_ids
from gate.domain.limits import NEVER_MS, instant_ms
from gate.domain.operations import CreditChange, Operation, OperationContent
from gate.domain.sends import read_sends
from gate.hot.journal_stream import digest
from gate.ledger.chain import chain_digest
from reconciler import rules
from reconciler.batch import (
    Batch,
    Booked,
    ClosedPeriod,
    Event,
    HoldEnd,
    KnownOperation,
    Quarantined,
    Report,
    SendNews,
    Usage,
    operation_fact,
    settlement_fact,
)
from reconciler.follow import Followed, closed_period, follow
from reconciler.image import DAY_MS, moved_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate.hot.journal import Delta, Leg
    from gate.hot.journal_stream import StreamEntry
    from reconciler.batch import Fact, Known, Read
    from reconciler.image import Image

#: Settled ids are remembered for up to 20 minutes, and a hold lives 7 days at most: so long after a
#: load a settlement may be the repeat of one that only the ledger knows.
LOOK_UP_MS: Final = 20 * 60_000 + 7 * DAY_MS
REVERSAL: Final = "rev_"
#: How the reason of a quarantined entry begins that is booked all the same.
UNREADABLE_SENDS: Final = "sends:"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SETTLING = frozenset(("committed", "spent"))
_SEND_STATUS = {
    "reserved": "queued",
    "committed": "sent",
    "spent": "sent",
    "released": "failed",
}


class Booking:
    """One batch in the making. `images` are changed."""

    def __init__(self, images: dict[str, Image], known: Known) -> None:
        self.batch = Batch(images=images)
        self._ids = new_ids("cld")
        self._images = images
        self._known = known

    def book(self, read: Read) -> None:
        """Takes in the next entry of a partition's journal."""
        partition, entry, delta, _ = read
        if delta is None:
            self._quarantine(partition, entry, None, read.error)
            return
        image = self._images.get(delta.organization_id)
        if image is None:
            reason = "PostgreSQL does not know the organization's account"
            self._quarantine(partition, entry, delta.organization_id, reason)
            return
        self.batch.deltas += 1
        image.changed = True
        was, entry_no = (image.epoch, image.seq, image.posted), image.entry_no
        operation = self._operation(delta)
        followed = follow(image, delta, operation.operation.content if operation else None)
        if isinstance(followed, Followed):
            self._book_followed(image, delta, followed, entry)
        else:
            self._diverge(image, delta, followed)
            self._book_facts(image, delta, operation)
            image.epoch = max(image.epoch, delta.epoch)
            image.seq = max(image.seq, delta.seq)
            _, seq, posted = was
            # What is read again changes nothing, unless the journal's past is another one.
            if image.is_in_step and image.posted != (delta.posted if delta.seq > seq else posted):
                image.mark("diverged")
        image.held, image.last_delta_ms = delta.held, max(image.last_delta_ms, delta.at_ms)
        paid = image.entry_no if image.entry_no > entry_no and delta.kind in _SETTLING else None
        if delta.sends or delta.expired_ids:
            self._send_news(image, delta, read, paid)
        if not delta.sends and delta.kind == "committed" and image.sends_until_ms >= delta.at_ms:
            self._end_hold(image, delta, paid)

    def replay(self, read: Read, *, within_gap: bool) -> None:
        """Takes in an entry that was kept in quarantine. `within_gap`: its amount is booked."""
        delta = read.delta
        if delta is None:
            return
        image = self._images[delta.organization_id]
        image.changed, entry_no = True, image.entry_no
        if not within_gap:
            self._book_facts(image, delta, self._operation(delta))
            image.mark("replay")
        else:
            fact = self._fact(delta)
            if fact is None or self._is_new(delta, fact):
                self._book_within_gap(image, delta)
            if fact is not None:
                self._note(delta, fact)
        if delta.sends:
            paid = image.entry_no if image.entry_no > entry_no else None
            self._send_news(image, delta, read, paid)

    def _book_within_gap(self, image: Image, delta: Delta) -> None:
        """The entries that the gap stood for, and the gap's amount taken back."""
        amount = moved_by(delta.legs)
        image.posted += amount
        self._enter(image, delta, delta.legs)
        if amount:
            image.posted -= amount
            back = delta._replace(
                kind="gap",
                id="",
                part=0,
                late=False,
                reason="replayed: takes back what a gap booked",
            )
            leg = image.leg("manual_adjustment", "none", -amount)
            self._enter(image, back, [leg])
        if delta.kind == "applied":
            self._operation_booked(delta, "booked")

    # -- a delta that fits

    def _book_followed(
        self, image: Image, delta: Delta, followed: Followed, entry: StreamEntry
    ) -> None:
        fact = self._fact(delta)
        repeated = wrong = False
        if fact is not None:
            at_risk = delta.kind == "applied" or delta.unknown or delta.late
            if at_risk or delta.at_ms <= image.look_up_until_ms:
                repeated = (image.organization_id, fact) in self._known.standing
            wrong = self._reverses_nothing(delta)
        self._close(followed.turns)
        self._enter(image, delta, followed.legs, repeated=repeated or wrong)
        if delta.kind == "loaded":
            self._loaded(image, delta)
        elif delta.kind == "applied":
            self._operation_booked(delta, "booked")
        if fact is not None:
            self._note(delta, fact)
            if repeated or wrong:
                self._reverse(image, delta, fact, entry)

    def _loaded(self, image: Image, delta: Delta) -> None:
        if image.entry_no:
            image.look_up_until_ms = delta.at_ms + LOOK_UP_MS
        if image.repair_state == "reloading":
            image.repair_state, image.repair_reason = "ok", None
        image.loaded_ms, image.reshaped = delta.at_ms, True

    # -- a delta that does not

    def _diverge(self, image: Image, delta: Delta, why: str) -> None:
        """Note that the account is to be reloaded; book the amount of a gap, which is real."""
        organization_id = image.organization_id
        if image.is_in_step and why == "gap":
            self._book_gap(image, delta)
        elif image.repair_state == "ok":
            expected = image.posted + moved_by(delta.legs)
            self._report(image, delta, why, delta.posted - expected, "reload")
            image.mark(why)
        if organization_id not in self._known.looked_up:
            self.batch.to_look_up.add(organization_id)

    def _book_gap(self, image: Image, delta: Delta) -> None:
        """What is between the last booked delta and this one is lost: its periods turned, and its
        amount is what is missing."""
        first, last = image.seq + 1, delta.seq - 1
        booked = {"epoch": image.epoch, "seq": image.seq, "posted": image.posted}
        own_turns = [leg.period_no for leg in delta.legs if leg.entry == "turn"]
        legs: list[Leg] = []
        closed: list[ClosedPeriod] = []
        while _is_over(image, delta) and image.period_no not in own_turns:
            legs += _turn(image, closed)
        missing = delta.posted - moved_by(delta.legs) - image.posted
        if missing:
            legs += rules.adjust(image, missing)
        self._report(image, delta, "gap", missing, "adjust, reload", booked)
        image.mark("gap")
        reason = f"gap: deltas {image.epoch}/{first} to {image.epoch}/{last} are lost"
        gap = delta._replace(
            kind="gap",
            id="",
            seq=last,
            part=0,
            reference="",
            reason=reason,
            late=False,
            unknown=False,
        )
        self._enter(image, gap, legs)
        self._close(closed)

    def _book_facts(self, image: Image, delta: Delta, operation: KnownOperation | None) -> None:
        """Only what happened counts, only what is not in the ledger, and to its own grants."""
        legs: list[Leg] = []
        closed: list[ClosedPeriod] = []
        for leg in delta.legs:
            reached = leg.period_no + (leg.entry == "turn")
            while image.period_no < reached and _is_over(image, delta):
                legs += _turn(image, closed)
            if _is_expiry(leg, delta):
                legs += rules.expire(image, (leg.source, leg.expires_at_ms // DAY_MS))
        fact = self._fact(delta)
        is_new = fact is not None and self._is_new(delta, fact)
        if fact is not None and is_new and delta.kind in _SETTLING:
            legs += rules.settle(image, -_settled(delta))
            self._note(delta, fact)
        elif fact is not None and delta.kind == "applied":
            legs += self._apply_fact(image, delta, operation, fact, is_new=is_new)
        settles = is_new and delta.kind in _SETTLING
        self._enter(image, delta, legs, settles=settles)
        self._close(closed)

    def _is_new(self, delta: Delta, fact: Fact) -> bool:
        repeat = (delta.organization_id, fact) in self._known.standing
        return not repeat and not self._reverses_nothing(delta)

    def _apply_fact(
        self,
        image: Image,
        delta: Delta,
        operation: KnownOperation | None,
        fact: Fact,
        *,
        is_new: bool,
    ) -> list[Leg]:
        """The operation on the ledger's own grants; none of it where its period is another."""
        if not is_new:
            self._operation_booked(delta, None)
            return []
        content = operation.operation.content if operation else _content_of_legs(delta)
        period_no = operation.operation.period_no if operation else _period_of_legs(delta)
        if period_no is not None and period_no != image.period_no:
            self._operation_booked(delta, "stale")
            return []
        legs = rules.change(image, content)
        self._operation_booked(delta, "booked")
        self._note(delta, fact)
        return legs

    # -- facts, repeats and reversals

    def _operation(self, delta: Delta) -> KnownOperation | None:
        if delta.kind != "applied":
            return None
        return self._known.operations.get((delta.organization_id, delta.id))

    def _fact(self, delta: Delta) -> Fact | None:
        if delta.kind in _SETTLING:
            return settlement_fact(delta.id, delta.part)
        return operation_fact(delta.id) if delta.kind == "applied" else None

    def _note(self, delta: Delta, fact: Fact) -> None:
        """A fact is in the ledger from now on, and what it reverses stands once less."""
        organization_id, known = delta.organization_id, self._known
        if delta.id.startswith(REVERSAL) and delta.kind == "applied":
            known.reverses[organization_id, fact] = delta.reference
        step, at = 1, fact
        while at:
            if at != fact and (organization_id, at) not in known.standing:
                break
            known.standing[organization_id, at] += step
            at, step = known.reverses.get((organization_id, at), ""), -step

    def _reverses_nothing(self, delta: Delta) -> bool:
        """Whether a reversal would take away a fact that stands but once (or bring one back that
        stands already): what it was meant for is not in the ledger."""
        if delta.kind != "applied" or not delta.id.startswith(REVERSAL):
            return False
        organization_id, known = delta.organization_id, self._known
        fact, takes = delta.reference, True
        while before := known.reverses.get((organization_id, fact)):
            fact, takes = before, not takes
        stands = known.standing.get((organization_id, fact), 0)
        return stands < 2 if takes else stands > 0

    def _reverse(self, image: Image, delta: Delta, fact: Fact, entry: StreamEntry) -> None:
        """Give back (or take back) a repeat by an operation that is named after the very entry."""
        amount = sum(leg.amount for leg in _own_legs(delta))
        if amount == 0:
            return
        change = CreditChange(
            entry="refund",
            source="purchased" if amount < 0 else "any",
            credits=-amount,
            rest="debt",
        )
        self.batch.reversals.append(
            Operation(
                organization_id=image.organization_id,
                id=f"{REVERSAL}{delta.epoch}_{delta.seq}_{digest(entry).hex()[:16]}",
                kind="reversal",
                content=OperationContent(changes=(change,)),
                reference=fact,
                reason=f"{fact} was booked before",
            )
        )

    def _operation_booked(self, delta: Delta, status: str | None) -> None:
        self.batch.booked.append(
            Booked(delta.organization_id, delta.id, status, delta.epoch, delta.seq)  # type: ignore[arg-type]
        )

    # -- what comes of it

    def _close(self, closed: Sequence[ClosedPeriod]) -> None:
        for period in closed:
            self.batch.closed.append(period)
            self._event(
                "period.renewed",
                f"{period.organization_id}.{period.next_period_no}",
                period.organization_id,
                {
                    "period_no": period.next_period_no,
                    "used": period.used,
                    "overage": period.overage,
                },
            )

    def _enter(
        self,
        image: Image,
        delta: Delta,
        legs: Sequence[Leg],
        *,
        repeated: bool = False,
        settles: bool = True,
    ) -> None:
        """One entry per entry type and period among the legs, in order. They are in the image's
        posted already, which is walked once more here for balance_after."""
        groups: dict[tuple[str, int], list[Leg]] = {}
        if len(legs) == 1 and legs[0].entry == "email_sent" and not delta.froze:
            self._enter_settlement(image, delta, legs[0], repeated=repeated)
            return
        for leg in legs:
            if leg.moves_posted:
                groups.setdefault((leg.entry, leg.period_no), []).append(leg)
            elif leg.entry == "warning":
                self._warn(image, leg.period_no, leg.amount)
        if settles and delta.kind in _SETTLING and not any(e == "email_sent" for e, _ in groups):
            # A settlement for nothing is known too.
            groups["email_sent", image.period_no] = [image.leg("email_sent", "none", 0)]
        if delta.froze:
            self._event(
                "organization.frozen",
                f"{image.organization_id}.{delta.epoch}.{delta.seq}",
                image.organization_id,
                {"reason": "debt", "debt": image.debt},
            )
        if not groups:
            return
        at = _EPOCH + timedelta(milliseconds=delta.at_ms)
        balance = image.posted - sum(leg.amount for group in groups.values() for leg in group)
        for (entry_type, period_no), group in groups.items():
            amount = 0
            split: dict[str, int] = {}
            for leg in group:
                amount += leg.amount
                if leg.source != "none":
                    split[leg.source] = split.get(leg.source, 0) + leg.amount
            balance += amount
            settlement = entry_type == "email_sent" and delta.kind in _SETTLING
            self._append(
                image, delta, at, entry_type, amount, balance, period_no, group[0].config_version,
                split, settlement=settlement, repeated=repeated,
            )  # fmt: skip
            if entry_type == "email_sent":
                self._use(image.organization_id, at, -amount, -split.get("overage", 0))

    def _enter_settlement(self, image: Image, delta: Delta, leg: Leg, *, repeated: bool) -> None:
        """What most deltas are: credits of one grant."""
        at = _EPOCH + timedelta(milliseconds=delta.at_ms)
        amount, split = leg.amount, {leg.source: leg.amount}
        self._append(
            image, delta, at, "email_sent", amount, image.posted, leg.period_no, leg.config_version,
            split, settlement=True, repeated=repeated,
        )  # fmt: skip
        overage = -amount if leg.source == "overage" else 0
        self._use(image.organization_id, at, -amount, overage)

    def _append(
        self,
        image: Image,
        delta: Delta,
        at: datetime,
        entry_type: str,
        amount: int,
        balance: int,
        period_no: int,
        config_version: int,
        split: Mapping[str, int],
        *,
        settlement: bool,
        repeated: bool,
    ) -> None:
        image.entry_no += 1
        settlement_id = delta.id if settlement else None
        part = delta.part if settlement else None
        operation_id = delta.id if delta.kind == "applied" else None
        late = delta.late and settlement
        entry_id = next(self._ids)
        image.chain = chain = chain_digest(
            image.chain,
            entry_id,
            image.organization_id,
            image.entry_no,
            entry_type,
            amount,
            balance,
            delta.epoch,
            delta.seq,
            delta.kind,
            settlement_id,
            part,
            operation_id,
            image.subscription_id,
            period_no,
            config_version,
            delta.at_ms,
            delta.reference,
            delta.reason,
            split,
            late,
            repeated,
        )
        self.batch.entries.append(
            (
                entry_id,
                image.organization_id,
                image.subscription_id,
                entry_type,
                amount,
                balance,
                delta.reason or None,
                delta.reference or None,
                at,
                image.entry_no,
                delta.epoch,
                delta.seq,
                delta.kind,
                settlement_id,
                part,
                operation_id,
                period_no,
                config_version,
                split,
                late,
                repeated,
                chain,
            )
        )

    def _use(self, organization_id: str, at: datetime, credits: int, overage: int) -> None:
        usage = self.batch.usage.setdefault((organization_id, at.date()), Usage())
        usage.credits += credits
        usage.overage += overage

    def _warn(self, image: Image, period_no: int, percent: int) -> None:
        subject = "quota.exhausted" if percent >= 100 else "quota.warning"
        self._event(
            subject,
            f"{image.organization_id}.{period_no}.{percent}",
            image.organization_id,
            {
                "period_no": period_no,
                "percent": percent,
                "used": image.used,
                "allowance": image.allowance,
            },
        )

    def _event(
        self, subject: str, name: str, organization_id: str, payload: Mapping[str, object]
    ) -> None:
        self.batch.events.append(
            Event(
                f"billing.{subject}",
                f"{subject}.{name}",
                {"organization_id": organization_id, **payload},
            )
        )

    def _send_news(self, image: Image, delta: Delta, read: Read, paid: int | None) -> None:
        """`paid`: the entry that the delta booked, if it charged anything."""
        at = _EPOCH + timedelta(milliseconds=delta.at_ms)
        for hold_id in delta.expired_ids:
            self.batch.hold_ends.append(
                HoldEnd(image.organization_id, hold_id, "failed", "the hold expired", at, None)
            )
        try:
            sends = read_sends(delta.sends)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            reason = f"{UNREADABLE_SENDS} {error}"
            self._quarantine(read.partition, read.entry, image.organization_id, reason)
            return
        for send in sends:
            status = send.status or _SEND_STATUS.get(delta.kind, "skipped")
            self.batch.news.append(
                SendNews(
                    image.organization_id,
                    image.subscription_id,
                    send,
                    status,
                    delta.id,
                    at,
                    paid if status == "sent" else None,
                )
            )
        if delta.kind == "reserved" and sends:
            image.sends_until_ms = delta.at_ms + LOOK_UP_MS

    def _end_hold(self, image: Image, delta: Delta, paid: int | None) -> None:
        """A hold that had carried sends may be settled without naming them again."""
        if not delta.is_part:
            at = _EPOCH + timedelta(milliseconds=delta.at_ms)
            self.batch.hold_ends.append(
                HoldEnd(image.organization_id, delta.id, "sent", None, at, paid)
            )

    def _quarantine(
        self, partition: int, entry: StreamEntry, organization_id: str | None, reason: str
    ) -> None:
        self.batch.quarantined.append(
            Quarantined(partition, entry.entry_id, entry.fields, organization_id, reason)
        )

    def _report(
        self,
        image: Image,
        delta: Delta,
        kind: str,
        credits: int | None,
        action: str,
        booked: Mapping[str, object] | None = None,
    ) -> None:
        live = {"epoch": delta.epoch, "seq": delta.seq, "posted": delta.posted, "kind": delta.kind}
        if booked is None:
            booked = {"epoch": image.epoch, "seq": image.seq, "posted": image.posted}
        self.batch.reports.append(
            Report(
                image.organization_id, kind, delta.epoch, delta.seq, live, booked, credits, action
            )
        )


def _turn(image: Image, closed: list[ClosedPeriod]) -> list[Leg]:
    before = image.copy()
    legs = rules.turn(image)
    closed.append(closed_period(before, image.period_no))
    return legs


def _is_over(image: Image, delta: Delta) -> bool:
    """Whether the running period had ended when the delta was made, and the next one is known."""
    return bool(image.coming) and instant_ms("ends_at", image.ends_at) <= delta.at_ms


def _settled(delta: Delta) -> int:
    return sum(leg.amount for leg in delta.legs if leg.entry == "email_sent")


def _is_expiry(leg: Leg, delta: Delta) -> bool:
    return leg.entry == "period_reset" and leg.amount < 0 and 0 < leg.expires_at_ms <= delta.at_ms


def _own_legs(delta: Delta) -> list[Leg]:
    """The legs of what was asked for: not those of time, which come first."""
    if delta.kind in _SETTLING:
        return [leg for leg in delta.legs if leg.entry == "email_sent"]
    return [
        leg
        for leg in delta.legs
        if leg.moves_posted
        and leg.entry != "rollover_applied"
        and not (leg.entry == "period_reset" and delta.kind == "applied")
    ]


def _content_of_legs(delta: Delta) -> OperationContent:
    """What an operation did whose row PostgreSQL has lost, as far as its legs tell."""
    legs = _own_legs(delta)
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


def _period_of_legs(delta: Delta) -> int | None:
    """Base credits are meant for one period."""
    return next((leg.period_no for leg in _own_legs(delta) if leg.source == "base"), None)
