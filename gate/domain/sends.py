"""One message to one recipient, as it travels in the journal to `email_send`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX, SENDS_BYTES_MAX, check_id, check_whole

SendStatus = Literal["queued", "sent", "skipped", "failed", "bounced"]
SkipReason = Literal[
    "over_limit", "unsubscribed", "duplicate", "invalid_address", "suppressed", "dry_run"
]
_SURROGATE = re.compile("[\ud800-\udfff]")
_STATUSES = get_args(SendStatus)
_SKIP_REASONS = get_args(SkipReason)


def _is_text(value: object) -> bool:
    """Text that PostgreSQL can keep: no NUL, no lone surrogates."""
    return type(value) is str and "\0" not in value and not _SURROGATE.search(value)


class Send(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A row of `email_send`, or news of one: `send_id` is its identity, the caller's or made by
    `new_id("esn")`. `status` None: what the verb says (queued at reserve, sent at commit or spend,
    failed at release, skipped at record). `credits`: what it costs of the hold. Raises BadArgument.
    """

    send_id: str
    recipient: str
    status: SendStatus | None = None
    skip_reason: SkipReason | None = None
    credits: int = 1
    subject: str | None = None
    error: str | None = None
    provider_id: str | None = None

    def __post_init__(self) -> None:
        check_id("send_id", self.send_id)
        if not _is_text(self.recipient) or not 1 <= len(self.recipient) <= 320:
            raise BadArgument("recipient", self.recipient, "an address of 1 to 320 characters")
        for name in ("subject", "error", "provider_id"):
            value = getattr(self, name)
            if value is not None and not _is_text(value):
                raise BadArgument(name, value, "text without NUL")
        if self.status is not None and self.status not in _STATUSES:
            raise BadArgument("status", self.status, f"one of {', '.join(_STATUSES)}")
        if self.skip_reason is not None and self.skip_reason not in _SKIP_REASONS:
            raise BadArgument("skip_reason", self.skip_reason, f"one of {', '.join(_SKIP_REASONS)}")
        check_whole("credits", self.credits, 0, CREDITS_MAX)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Send])


def pack_sends(sends: Sequence[Send] | None) -> bytes:
    """A JSON array; empty for none. Raises BadArgument beyond 1 MiB or for other values."""
    if sends is None:
        return b""
    if not isinstance(sends, list | tuple) or not all(type(send) is Send for send in sends):
        raise BadArgument("sends", sends, "a list of Send")
    if not sends:
        return b""
    packed = _encoder.encode(sends)
    if len(packed) > SENDS_BYTES_MAX:
        raise BadArgument("sends", f"{len(sends)} sends", "at most 1 MiB of JSON; split the call")
    return packed


def read_sends(packed: bytes) -> list[Send]:
    """The sends that `pack_sends` packed. Raises msgspec.DecodeError."""
    return _decoder.decode(packed) if packed else []
