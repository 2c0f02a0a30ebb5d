"""What becomes of messages by the news of them: rows of `email_send`. Pure.

The last news of a message wins, but `queued` overwrites nothing, and `sent` no bounce: news that it
left may come after the news that it came back. What was charged once stays charged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.batch import HoldEnd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from reconciler.batch import SendNews

#: The order in which usage_day counts them.
STATUSES: Final = ("queued", "sent", "skipped", "failed", "bounced")


@dataclass(slots=True)
class SendRow:
    """A row of `email_send`, without what never changes in it. `credits_consumed` of a queued one
    is what it would cost."""

    organization_id: str
    id: str
    created_at: datetime
    status: str = ""
    counted_in_credits: bool = False
    credits_consumed: int = 0
    provider_id: str | None = None
    skip_reason: str | None = None
    error_message: str | None = None
    hold_id: str | None = None
    ledger_entry_no: int | None = None
    sent_at: datetime | None = None
    skipped_at: datetime | None = None


class Fresh(NamedTuple):
    """A row that is to be made, with what never changes in it."""

    row: SendRow
    subscription_id: str | None
    recipient: str
    subject: str | None


@dataclass(slots=True)
class SendRows:
    """What news make of rows. `changed`: rows that were found, by (organization_id, id); `counts`:
    how many messages came into each of STATUSES, by (organization_id, day)."""

    fresh: list[Fresh] = field(default_factory=list)
    changed: dict[tuple[str, str], SendRow] = field(default_factory=dict)
    counts: dict[tuple[str, date], list[int]] = field(default_factory=dict)
    _found: dict[tuple[str, str], SendRow] = field(default_factory=dict)
    _made: dict[tuple[str, str], SendRow] = field(default_factory=dict)
    _held: dict[tuple[str, str], list[SendRow]] = field(default_factory=dict)

    def add_found(self, row: SendRow) -> None:
        """A row that is there; of two with one id the later one counts."""
        key = row.organization_id, row.id
        before = self._found.get(key)
        if before is None or before.created_at < row.created_at:
            self._found[key] = row
            self._hold(row)

    def take_in(self, news: Iterable[SendNews], hold_ends: Iterable[HoldEnd]) -> None:
        """Everything that happened, by its instant; at the same one a hold ends last."""
        told: list[SendNews | HoldEnd] = [*news, *hold_ends]
        told.sort(key=lambda one: one.at)
        for one in told:
            if isinstance(one, HoldEnd):
                self._end_hold(one)
            else:
                self._tell(one)

    def _tell(self, news: SendNews) -> None:
        row = self._row(news)
        send = news.send
        if news.status == "queued":
            if not row.status:
                self._come_into(row, "queued", news.at)
                row.credits_consumed = send.credits
                self._hold(row)
            return
        self._come_into(row, news.status, news.at, send.error, send.skip_reason)
        row.provider_id = send.provider_id or row.provider_id
        if not row.counted_in_credits:
            row.hold_id = news.hold_id or row.hold_id
            self._charge(row, send.credits, news.entry_no)

    def _end_hold(self, end: HoldEnd) -> None:
        for row in self._held.get((end.organization_id, end.hold_id), ()):
            if row.status == "queued" and row.hold_id == end.hold_id:
                self._change(row)
                self._come_into(row, end.status, end.at, end.error)
                self._charge(row, row.credits_consumed, end.entry_no)

    def _row(self, news: SendNews) -> SendRow:
        key = news.organization_id, news.send.send_id
        row = self._made.get(key)
        if row is not None:
            return row
        row = self._found.get(key)
        if row is not None:
            if news.status != "queued":
                self._change(row)
            return row
        row = SendRow(*key, news.at, hold_id=news.hold_id or None)
        self._made[key] = row
        self.fresh.append(Fresh(row, news.subscription_id, news.send.recipient, news.send.subject))
        return row

    def _change(self, row: SendRow) -> None:
        key = row.organization_id, row.id
        if key not in self._made:
            self.changed[key] = row

    def _come_into(
        self,
        row: SendRow,
        status: str,
        at: datetime,
        error: str | None = None,
        skip_reason: str | None = None,
    ) -> None:
        is_new = row.status != status
        if status == "sent":
            is_new, row.sent_at = row.sent_at is None, row.sent_at or at
        elif status == "skipped":
            is_new, row.skipped_at = row.skipped_at is None, row.skipped_at or at
        if is_new:
            counts = self.counts.setdefault((row.organization_id, at.date()), [0] * len(STATUSES))
            counts[STATUSES.index(status)] += 1
        if status == "sent" and row.status == "bounced":
            return
        if row.status != status:
            row.status, row.error_message, row.skip_reason = status, None, None
        row.error_message = error or row.error_message
        row.skip_reason = skip_reason or row.skip_reason

    def _charge(self, row: SendRow, credits: int, entry_no: int | None) -> None:
        row.counted_in_credits = entry_no is not None
        row.credits_consumed = credits if row.counted_in_credits else 0
        row.ledger_entry_no = entry_no

    def _hold(self, row: SendRow) -> None:
        if row.status == "queued" and row.hold_id:
            self._held.setdefault((row.organization_id, row.hold_id), []).append(row)
