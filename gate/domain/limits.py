"""The bounds of arguments, and the checks that name the field when one is broken.

The same numbers stand in `lua/`; `tests/contract` compares them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gate.domain.errors import BadArgument

CREDITS_MAX = 2**52
COST_MAX = 1_000_000_000
TTL_MS_MIN = 1_000
TTL_MS_MAX = 604_800_000
RATE_MAX = 1_000_000_000
TEXT_BYTES_MAX = 255
SENDS_BYTES_MAX = 1_048_576
NEVER_MS = 2**48 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")
_ID_ALLOWED = "1 to 128 of A-Z a-z 0-9 . _ : @ / + = -"


def check_id(field: str, value: object) -> str:
    """An organization, hold, spend or operation id. Raises BadArgument."""
    if type(value) is str and _ID.fullmatch(value):
        return value
    raise BadArgument(field, value, _ID_ALLOWED)


def check_whole(field: str, value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`; True and 1.0 are none. Raises BadArgument."""
    if type(value) is int and low <= value <= high:
        return value
    raise BadArgument(field, value, f"a whole number from {low:,} to {high:,}")


def check_text(field: str, value: object) -> str:
    """At most 255 bytes of UTF-8, no NUL; None is empty. Raises BadArgument."""
    if value is None:
        return ""
    if type(value) is str and "\0" not in value and _encodes(value) <= TEXT_BYTES_MAX:
        return value
    raise BadArgument(field, value, "text of at most 255 bytes in UTF-8, without NUL")


def _encodes(value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        return TEXT_BYTES_MAX + 1


def instant_ms(field: str, value: object) -> int:
    """Milliseconds since 1970 of an aware datetime; None is never. Raises BadArgument."""
    if value is None:
        return NEVER_MS
    if isinstance(value, datetime) and value.tzinfo is not None:
        ms = (value - _EPOCH) // timedelta(milliseconds=1)
        if 0 <= ms < NEVER_MS:
            return ms
    raise BadArgument(field, value, "None or a datetime with a timezone, from 1970 on")


def ms_instant(ms: int) -> datetime | None:
    """The instant that `ms` since 1970 says, in UTC; None for never."""
    return None if ms == NEVER_MS else _EPOCH + timedelta(milliseconds=ms)
