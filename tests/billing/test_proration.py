"""Shares by the second, against whole numbers of seconds and micro-cents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.calendar import Anchor, period_boundary
from gate.domain.errors import BadArgument
from gate.domain.money import cents_of
from gate.domain.proration import (
    Span,
    credits_given,
    money_share,
)
from tests.billing.world import BERLIN, utc
from tests.property.profile import profile

MS = timedelta(milliseconds=1)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 10 * 365 * 86_400_000).map(lambda ms: EPOCH + ms * MS)
LENGTHS = st.integers(1, 400 * 86_400_000)
MARCH = Span.between(utc("2026-03-01"), utc("2026-04-01"))


@pytest.mark.parametrize(
    ("at", "left"),
    [
        ("2026-02-01T00:00", 31 * 86_400),
        ("2026-03-01T00:00", 31 * 86_400),
        ("2026-03-01T00:00:00.001", 31 * 86_400),
        ("2026-03-01T00:00:00.999", 31 * 86_400),
        ("2026-03-01T00:00:01", 31 * 86_400 - 1),
        ("2026-03-31T23:59:59", 1),
        ("2026-03-31T23:59:59.999", 1),
        ("2026-04-01T00:00", 0),
        ("2026-05-01T00:00", 0),
    ],
)
def test_left__a_second_that_has_begun_counts(at: str, left: int) -> None:
    assert MARCH.left(utc(at)) == left


@pytest.mark.parametrize(
    ("day", "timezone", "starts", "hours"),
    [
        (1, "UTC", "2026-02-01", 28 * 24),
        (1, "UTC", "2028-02-01", 29 * 24),
        (31, "UTC", "2026-01-31", 28 * 24),
        (31, "UTC", "2026-02-28", 31 * 24),
        (1, BERLIN, "2026-02-28T23:00", 31 * 24 - 1),
        (1, BERLIN, "2026-09-30T22:00", 31 * 24 + 1),
        (1, "America/New_York", "2026-03-01T05:00", 31 * 24 - 1),
    ],
)
def test_span__is_as_long_as_the_month_is_there(
    day: int, timezone: str, starts: str, hours: int
) -> None:
    starts_at = utc(starts)
    span = Span.between(starts_at, period_boundary(Anchor(day, timezone), starts_at, 1))
    assert span.seconds == hours * 3_600
    half = starts_at + timedelta(hours=hours) / 2
    assert span.share_left(half) == Fraction(1, 2)
    assert money_share(Decimal("29.00"), span.share_left(half)) == Decimal("14.50")


@pytest.mark.parametrize(
    ("credits", "share", "expected"),
    [
        (0, Fraction(1, 3), 0),
        (10, Fraction(1, 3), 4),
        (10, Fraction(0), 0),
        (10, Fraction(1), 10),
        (1, Fraction(1, 2_678_400), 1),
        (9, Fraction(1, 3), 3),
    ],
)
def test_credits__in_the_customers_favour(credits: int, share: Fraction, expected: int) -> None:
    assert credits_given(credits, share) == expected


@pytest.mark.parametrize("share", [Fraction(-1, 2), Fraction(3, 2), 0.5, 1])
def test_shares__are_fractions_from_0_to_1(share: object) -> None:
    with pytest.raises(BadArgument):
        money_share(Decimal(1), share)  # type: ignore[arg-type]
    with pytest.raises(BadArgument):
        credits_given(1, share)  # type: ignore[arg-type]


@pytest.mark.parametrize("ends_at", [None, utc("2026-03-01"), utc("2026-02-01")])
def test_span__must_have_an_end_behind_its_start(ends_at: datetime | None) -> None:
    with pytest.raises(BadArgument):
        Span.between(utc("2026-03-01"), ends_at)


def ceiling_seconds(milliseconds: int) -> int:
    """The oracle's: whole seconds, one that has begun counted."""
    return (milliseconds + 999) // 1_000


@profile(80)
@given(INSTANTS, LENGTHS, st.data())
def test_left__is_what_whole_milliseconds_say(
    starts_at: datetime, length: int, data: st.DataObject
) -> None:
    gone = data.draw(st.integers(-1_000, length + 1_000))
    span = Span.between(starts_at, starts_at + length * MS)
    expected = min(span.seconds, max(0, ceiling_seconds(length - gone)))
    assert span.seconds == ceiling_seconds(length)
    assert span.left(starts_at + gone * MS) == expected


@profile(80)
@given(st.integers(0, 10**12), st.integers(1, 10**8), st.data())
def test_share__of_credits_and_cents_in_whole_numbers(
    amount: int, seconds: int, data: st.DataObject
) -> None:
    left = data.draw(st.integers(0, seconds))
    share = Fraction(left, seconds)
    assert credits_given(amount, share) == (amount * left + seconds - 1) // seconds
    # Half up, in micro-cents times seconds.
    cents = (2 * amount * left + seconds) // (2 * seconds)
    assert cents_of(money_share(Decimal(amount).scaleb(-2), share)) == cents


@profile(80)
@given(st.integers(0, 10**12 - 1), st.lists(st.integers(1, 10**7), min_size=2, max_size=8))
def test_share__of_a_split_period_adds_up(cents: int, pieces: list[int]) -> None:
    """Each piece is off by half a cent at most, so two are by one. No number of pieces gives fewer
    credits than the whole, or one more for each."""
    amount, whole = Decimal(cents).scaleb(-2), sum(pieces)
    shares = [Fraction(piece, whole) for piece in pieces]
    parts = [cents_of(money_share(amount, share)) for share in shares]
    assert 2 * abs(sum(parts) - cents) <= len(parts)
    halves = [money_share(amount, one) for one in (shares[0], 1 - shares[0])]
    assert abs(sum(map(cents_of, halves)) - cents) <= 1
    credits = sum(credits_given(cents, share) for share in shares)
    assert cents <= credits < cents + len(pieces)
