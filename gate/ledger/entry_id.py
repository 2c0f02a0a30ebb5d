"""When the id of a ledger entry was made: `gate.domain.ids.new_id`, read backwards."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_ID: Final = re.compile(r"cld_([0-9A-Za-z_-]{8})[0-9A-Za-z_-]{8}")
#: Its characters in the order of ASCII, each six bits.
_DIGITS: Final = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def made_at(entry_id: str) -> datetime | None:
    """The instant, to the millisecond; None for a text that is no id of an entry."""
    match = _ID.fullmatch(entry_id)
    if match is None:
        return None
    ms = 0
    for digit in match[1]:
        ms = ms << 6 | _VALUES[digit]
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return None
