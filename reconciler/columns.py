"""Values as the statements of booking take them: columns instead of rows, within their types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from gate.domain.limits import NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_MS: Final = timedelta(milliseconds=1)
_BIGINT_MAX: Final = 2**63 - 1
#: The last millisecond that a datetime tells.
_LAST_MS: Final = 253_402_300_799_999


def columns(rows: Iterable[Sequence[object]]) -> list[tuple[object, ...]]:
    """Rows of equal length as columns; at least one row."""
    return list(zip(*rows, strict=True))


def bounded(values: Sequence[int], most: int = _BIGINT_MAX) -> Sequence[int]:
    """The values, those beyond ± `most` brought there: sums of what deltas say have no bound, and
    must not hold up the booking of others."""
    if not values or -most <= min(values) <= max(values) <= most:
        return values
    return [max(-most, min(most, value)) for value in values]


def instant_of(ms: int) -> datetime | None:
    """The instant of an image's milliseconds since 1970; None for 0, which stands for none."""
    return EPOCH + min(ms, _LAST_MS) * _MS if ms else None


def expiry_of(ms: int) -> datetime | None:
    """The instant at which a grant expires; None for one without an instant of its own."""
    return None if ms == NEVER_MS else EPOCH + ms * _MS


def ms_of(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - EPOCH) // _MS
