"""Shares of credits and money for a part of a period, by the second. Pure arithmetic.

A second that has begun counts as left, for credits and for money alike: whoever changes in the
first second gets and pays the whole, in the last one the share of one second. Credits are rounded
up, so that no customer gets less than was paid for, and less than one credit more. Money is rounded
half up to cents (`gate.domain.money`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from gate.domain.errors import BadArgument
from gate.domain.instants import instant
from gate.domain.limits import CREDITS_MAX, check_whole
from gate.domain.money import rounded

_SECONDS_MAX = 366 * 86_400 * 10
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The time that an allowance or a price is for: until `ends_at`, `seconds` (1 to ten years)
    in all.

    The seconds are the length that counts as whole. A period that begins late has less than that,
    one that was paused is longer by the clock. Raises BadArgument.
    """

    ends_at: datetime
    seconds: int

    def __post_init__(self) -> None:
        instant("ends_at", self.ends_at)
        check_whole("seconds", self.seconds, 1, _SECONDS_MAX)

    @classmethod
    def between(cls, starts_at: datetime, ends_at: datetime | None) -> Span:
        """All the time from one instant to another, a second that has begun counted whole. Raises
        BadArgument: no end, or not after the start."""
        if ends_at is None or starts_at >= ends_at:
            raise BadArgument("ends_at", ends_at, "an instant after the start")
        return cls(ends_at, _seconds(ends_at - starts_at))

    def left(self, at: datetime) -> int:
        """Seconds left at an instant: all before the start, 0 from the end on."""
        return min(self.seconds, max(0, _seconds(self.ends_at - at)))

    def share_left(self, at: datetime) -> Fraction:
        """What is left of the whole, 0 to 1."""
        return Fraction(self.left(at), self.seconds)


def credits_given(credits: int, share: Fraction) -> int:
    """The share (0 to 1) of credits that are given, rounded up. Raises BadArgument."""
    check_whole("credits", credits, 0, CREDITS_MAX)
    _check_share(share)
    return -(-credits * share // 1)


def money_share(amount: Decimal, share: Fraction) -> Decimal:
    """The share (0 to 1) of an amount, rounded half up to cents. Raises BadArgument."""
    _check_share(share)
    return rounded(Fraction(amount) * share)


def _check_share(share: Fraction) -> None:
    if not isinstance(share, Fraction) or not 0 <= share <= 1:
        raise BadArgument("share", share, "a Fraction from 0 to 1")


def _seconds(duration: timedelta) -> int:
    return -(-duration // _SECOND)
