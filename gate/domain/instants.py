"""Instants as arguments, and as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from gate.domain.errors import BadArgument

_EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
_TOO_LATE = datetime(2190, 1, 1, tzinfo=UTC)
# Not strftime, which asks the locale of the machine.
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def instant(field: str, value: object) -> datetime:
    """A datetime in UTC, cut to whole milliseconds as on the way to Redis. Raises BadArgument: it
    is naive, or not in 1971 to 2189, so that the periods around it are in the calendar's range."""
    if (
        isinstance(value, datetime)
        and value.utcoffset() is not None
        and _EARLIEST <= value < _TOO_LATE
    ):
        utc = value.astimezone(UTC)
        return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
    raise BadArgument(field, value, "a datetime with a timezone, from 1971 and before 2190")


def in_words(at: datetime, timezone: str) -> str:
    """By the clocks of a timezone (IANA name): 1 Mar 2026, and the time if it is not midnight."""
    shown = at.astimezone(ZoneInfo(timezone))
    day = f"{shown.day} {_MONTHS[shown.month - 1]} {shown.year}"
    time = shown.strftime("%H:%M:%S").removesuffix(":00")
    return day if time == "00:00" else f"{day}, {time}"
