"""Makes rows of what a delta did to its image: entries of the ledger, usage, events. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gate.domain.ids import new_ids
from gate.ledger.chain import chain_digest
from reconciler.batch import Event, Usage
from reconciler.legs import SETTLING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gate.hot.journal import Delta, Leg
    from reconciler.batch import Batch, ClosedPeriod
    from reconciler.image import Image

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Entries:
    """The rows of one batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._ids = new_ids("cld")

    def enter(
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
        if settles and delta.kind in SETTLING and not any(e == "email_sent" for e, _ in groups):
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
            settlement = entry_type == "email_sent" and delta.kind in SETTLING
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
        self._batch.entries.append(
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
        usage = self._batch.usage.setdefault((organization_id, at.date()), Usage())
        usage.credits += credits
        usage.overage += overage

    def close(self, closed: Iterable[ClosedPeriod]) -> None:
        """Periods that turned: an invoice to draft, and the news of it, for each."""
        for period in closed:
            self._batch.closed.append(period)
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
        self._batch.events.append(
            Event(
                f"billing.{subject}",
                f"{subject}.{name}",
                {"organization_id": organization_id, **payload},
            )
        )
