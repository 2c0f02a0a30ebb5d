"""When the id of a ledger entry was made: `gate.domain.ids.new_id`, read backwards."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Final

_ID: Final = re.compile(r"cld_([0-9A-Za-z_-]{16})")
_SORTABLE: Final = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_BASE64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_BASE64: Final = str.maketrans(_SORTABLE, _BASE64)
_INSTANT_BYTES: Final = 6
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def made_at(entry_id: str) -> datetime | None:
    """The instant, to the millisecond; None for a text that is no id of an entry."""
    match = _ID.fullmatch(entry_id)
    if match is None:
        return None
    packed = b64decode(match[1].translate(_TO_BASE64))
    try:
        return _EPOCH + timedelta(milliseconds=int.from_bytes(packed[:_INSTANT_BYTES], "big"))
    except OverflowError:
        return None
