"""What deltas say of single messages, which `email_send` follows. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from gate.domain.sends import read_sends
from reconciler.batch import HoldEnd, SendNews
from reconciler.image import DAY_MS

if TYPE_CHECKING:
    from gate.hot.journal import Delta
    from reconciler.batch import Batch
    from reconciler.image import Image

#: How the reason of a quarantined entry begins that is booked all the same.
UNREADABLE_SENDS: Final = "sends:"
#: A hold lives 7 days at most; a day for what comes late.
HOLD_MAX_MS: Final = 8 * DAY_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEND_STATUS: Final = {
    "reserved": "queued",
    "committed": "sent",
    "spent": "sent",
    "released": "failed",
}


def tell_sends(batch: Batch, image: Image, delta: Delta, paid: int | None) -> str:
    """What a delta says of messages; `paid`: the entry that it booked, if it charged anything.

    Answers why its sends cannot be read, empty if they can."""
    at = _EPOCH + timedelta(milliseconds=delta.at_ms)
    for hold_id in delta.expired_ids:
        batch.hold_ends.append(
            HoldEnd(image.organization_id, hold_id, "failed", "the hold expired", at, None)
        )
    try:
        sends = read_sends(delta.sends)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        return f"{UNREADABLE_SENDS} {error}"
    for send in sends:
        status = send.status or _SEND_STATUS.get(delta.kind, "skipped")
        batch.news.append(
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
        image.sends_until_ms = delta.at_ms + HOLD_MAX_MS
    return ""


def end_hold(batch: Batch, image: Image, delta: Delta, paid: int | None) -> None:
    """A hold that had carried sends may be settled without naming them again."""
    if not delta.is_part:
        at = _EPOCH + timedelta(milliseconds=delta.at_ms)
        batch.hold_ends.append(HoldEnd(image.organization_id, delta.id, "sent", None, at, paid))
