"""Books deltas into a batch: what fits follows its legs, what does not is done again as facts.

Pure: images and what the ledger knows come in, a batch comes out. The rules are those that the
model proves (docs/reconciler.md, tests/model).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.domain.limits import instant_ms
from reconciler import rules
from reconciler.batch import (
    Batch,
    Booked,
    ClosedPeriod,
    Gap,
    KnownOperation,
    Quarantined,
    Report,
)
from reconciler.entries import Entries
from reconciler.fitting import fit
from reconciler.follow import Followed, closed_period, follow
from reconciler.image import DAY_MS, moved_by
from reconciler.legs import (
    SETTLING,
    content_of_legs,
    is_expiry,
    own_legs,
    period_of_legs,
    settled_by,
)
from reconciler.messages import end_hold, tell_sends
from reconciler.repeats import Repeats, reversal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gate.hot.journal import Delta, Leg
    from gate.hot.journal_stream import StreamEntry
    from reconciler.batch import Fact, Known, Read
    from reconciler.image import Image

#: Settled ids are remembered for up to 20 minutes, and a hold lives 7 days at most: so long after a
#: load a settlement may be the repeat of one that only the ledger knows.
LOOK_UP_MS: Final = 20 * 60_000 + 7 * DAY_MS


class Booking:
    """One batch in the making. `images` are changed."""

    def __init__(self, images: dict[str, Image], known: Known) -> None:
        self.batch = Batch(images=images)
        self._images = images
        self._known = known
        self._repeats = Repeats(known)
        self._entries = Entries(self.batch)

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
        paid = image.entry_no if image.entry_no > entry_no and delta.kind in SETTLING else None
        if delta.sends or delta.expired_ids:
            self._tell_sends(image, delta, read, paid)
        if not delta.sends and delta.kind == "committed" and image.sends_until_ms >= delta.at_ms:
            end_hold(self.batch, image, delta, paid)

    def replay(self, read: Read) -> None:
        """Takes in an entry that was kept in quarantine."""
        delta = read.delta
        if delta is None:
            return
        image = self._images[delta.organization_id]
        image.changed, entry_no = True, image.entry_no
        if not self._is_within_gap(delta):
            image.mark("replay")
        self._book_facts(image, delta, self._operation(delta))
        if delta.sends:
            paid = image.entry_no if image.entry_no > entry_no else None
            self._tell_sends(image, delta, read, paid)

    def _is_within_gap(self, delta: Delta) -> bool:
        return any(
            gap.organization_id == delta.organization_id
            and gap.epoch == delta.epoch
            and gap.first <= delta.seq <= gap.last
            for gap in self._known.gaps
        )

    def _take_back_gap(self, image: Image, delta: Delta) -> None:
        """A delta comes after the gap that stood for it: of the gap's amount, its own part."""
        amount = sum(leg.amount for leg in own_legs(delta))
        if amount:
            reason = "takes back what a gap booked"
            back = delta._replace(kind="gap", id="", part=0, late=False, reason=reason)
            self._entries.enter(image, back, rules.adjust(image, -amount))

    # -- a delta that fits

    def _book_followed(
        self, image: Image, delta: Delta, followed: Followed, entry: StreamEntry
    ) -> None:
        fact = self._repeats.fact_of(delta)
        repeated = wrong = False
        if fact is not None:
            at_risk = delta.kind == "applied" or delta.unknown or delta.late
            if at_risk or delta.at_ms <= image.look_up_until_ms:
                repeated = self._repeats.is_known(delta, fact)
            wrong = self._repeats.reverses_nothing(delta)
        self._entries.close(followed.turns)
        self._entries.enter(image, delta, followed.legs, repeated=repeated or wrong)
        if delta.kind == "loaded":
            self._loaded(image, delta)
        elif delta.kind == "applied":
            self._operation_booked(delta, "booked")
        if fact is not None:
            self._repeats.note(delta, fact)
            reversal = reversal_of(delta, fact, entry) if repeated or wrong else None
            if reversal is not None:
                self.batch.reversals.append(reversal)

    def _loaded(self, image: Image, delta: Delta) -> None:
        if image.entry_no:
            image.look_up_until_ms = delta.at_ms + LOOK_UP_MS
        if image.repair_state == "reloading":
            image.repair_state, image.repair_reason = "ok", None
        image.loaded_ms, image.reshaped = delta.at_ms, True
        if image.is_odd():
            fit(image)

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
        self._known.gaps.append(Gap(image.organization_id, image.epoch, first, last))
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
        self._entries.enter(image, gap, legs)
        self._entries.close(closed)

    def _book_facts(self, image: Image, delta: Delta, operation: KnownOperation | None) -> None:
        """Only what happened counts, only what is not in the ledger, and to its own grants."""
        fact = self._repeats.fact_of(delta)
        is_new = fact is not None and self._repeats.is_new(delta, fact)
        if self._known.gaps and self._is_within_gap(delta):
            if not is_new:
                return
            self._take_back_gap(image, delta)
        legs: list[Leg] = []
        closed: list[ClosedPeriod] = []
        is_read_again = (delta.epoch, delta.seq) <= (image.epoch, image.seq)
        for leg in delta.legs:
            reached = leg.period_no + (leg.entry == "turn")
            while image.period_no < reached and _is_over(image, delta):
                legs += _turn(image, closed)
            # Of what is read again, the next load lets expire what is still there.
            if not is_read_again and is_expiry(leg, delta):
                legs += rules.expire(image, (leg.source, leg.expires_at_ms // DAY_MS))
        if fact is not None and is_new and delta.kind in SETTLING:
            legs += rules.settle(image, -settled_by(delta))
            self._repeats.note(delta, fact)
        elif fact is not None and delta.kind == "applied":
            legs += self._apply_fact(image, delta, operation, fact, is_new=is_new)
        settles = is_new and delta.kind in SETTLING
        self._entries.enter(image, delta, legs, settles=settles)
        self._entries.close(closed)

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
        content = operation.operation.content if operation else content_of_legs(delta)
        period_no = operation.operation.period_no if operation else period_of_legs(delta)
        if period_no is not None and period_no != image.period_no:
            self._operation_booked(delta, "stale")
            return []
        legs = rules.change(image, content)
        self._operation_booked(delta, "booked")
        self._repeats.note(delta, fact)
        return legs

    def _operation(self, delta: Delta) -> KnownOperation | None:
        if delta.kind != "applied":
            return None
        return self._known.operations.get((delta.organization_id, delta.id))

    def _operation_booked(self, delta: Delta, status: str | None) -> None:
        self.batch.booked.append(
            Booked(delta.organization_id, delta.id, status, delta.epoch, delta.seq)  # type: ignore[arg-type]
        )

    # -- what comes of it

    def _tell_sends(self, image: Image, delta: Delta, read: Read, paid: int | None) -> None:
        if unreadable := tell_sends(self.batch, image, delta, paid):
            self._quarantine(read.partition, read.entry, image.organization_id, unreadable)

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
