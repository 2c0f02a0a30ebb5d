"""Amounts and prices: what is taken in, how it is rounded, how it is written."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX
from gate.domain.money import (
    PRICE_MAX,
    USD_MAX,
    cents_of,
    negated,
    price_in_words,
    priced,
    rounded,
    total,
    unit_price,
    usd,
    usd_in_words,
    usd_text,
)
from tests.property.profile import profile

CENTS = st.integers(-(10**12) + 1, 10**12 - 1)
AMOUNTS = CENTS.map(lambda cents: Decimal(cents).scaleb(-2))
PRICES = st.integers(0, 10**12 - 1).map(lambda millionths: Decimal(millionths).scaleb(-6))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("12.5", "12.50"),
        ("12.500", "12.50"),
        ("9999999999.99", "9999999999.99"),
        (7, "7.00"),
        (Decimal("12.5"), "12.50"),
        (Decimal("1E+3"), "1000.00"),
        (Decimal("-0.00"), "0.00"),
    ],
)
def test_usd__takes_plain_numbers(value: object, text: str) -> None:
    assert str(usd("price", value)) == text


@pytest.mark.parametrize(
    "value",
    [
        12.5,
        float("nan"),
        True,
        None,
        "",
        "12.505",
        "1e3",
        "1_000",
        " 12",
        "12\n",
        "+1",
        ".5",
        "1.",
        "NaN",
        "Infinity",
        "１２",
        "٣",
        "10000000000",
        "99999999999999999999",
        b"12",
        10**11,
        -1,
        "-0.01",
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1E+999999"),
        Decimal("1E-999999"),
        Decimal("0.001"),
        Decimal("10000000000"),
        Fraction(1, 2),
    ],
)
def test_usd__refuses_everything_else(value: object) -> None:
    with pytest.raises(BadArgument) as refused:
        usd("price", value)
    assert refused.value.field == "price"


def test_usd__is_negative_only_where_that_means_something() -> None:
    assert str(usd("amount", "-12.50", signed=True)) == "-12.50"
    assert usd("amount", "-9999999999.99", signed=True) == -USD_MAX
    with pytest.raises(BadArgument):
        usd("amount", "-10000000000", signed=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.0009", "0.000900"),
        ("0.00085", "0.000850"),
        (Decimal("1E-6"), "0.000001"),
        (2, "2.000000"),
    ],
)
def test_unit_price__has_six_decimals(value: object, text: str) -> None:
    assert str(unit_price("price", value)) == text


@pytest.mark.parametrize("value", ["0.0000001", "-0.1", "1000000", 0.0009, "1E-4"])
def test_unit_price__refuses(value: object) -> None:
    with pytest.raises(BadArgument):
        unit_price("price", value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1, 200), "0.01"),
        (Fraction(-1, 200), "-0.01"),
        (Fraction(49, 10_000), "0.00"),
        (Fraction(-49, 10_000), "0.00"),
        (Fraction(5, 2), "2.50"),
        (Fraction(2, 3), "0.67"),
        (Fraction(0), "0.00"),
    ],
)
def test_rounded__half_up_by_magnitude(value: Fraction, text: str) -> None:
    assert str(rounded(value)) == text


@pytest.mark.parametrize(
    ("credits", "price", "text"),
    [
        (0, "5", "0.00"),
        (1, "0.0049", "0.00"),
        (1, "0.005", "0.01"),
        (12_345, "0.0009", "11.11"),
        (1_000, "0.00085", "0.85"),
        (CREDITS_MAX, "999999.999999", "4503599627365992400372.63"),
    ],
)
def test_priced__to_the_cent(credits: int, price: str, text: str) -> None:
    assert str(priced(credits, Decimal(price))) == text


def test_words__as_people_and_machines_read_them() -> None:
    assert usd_in_words(Decimal("1234567.50")) == "$1,234,567.50"
    assert usd_in_words(Decimal("-0.05")) == "−$0.05"
    assert usd_text(Decimal("-1234.5")) == "-1234.50"
    assert price_in_words(Decimal("0.0009")) == "$0.0009"
    assert price_in_words(Decimal("0.00085")) == "$0.00085"
    assert price_in_words(Decimal("1200")) == "$1,200.0000"
    assert negated(Decimal("0.00")).is_signed() is False


@pytest.mark.parametrize("amount", [Decimal("0.001"), Decimal("NaN"), 1, 0.5])
def test_cents__refuses_parts_of_a_cent(amount: object) -> None:
    with pytest.raises(BadArgument):
        cents_of(amount)  # type: ignore[arg-type]


@profile(60)
@given(st.integers(0, CREDITS_MAX), PRICES)
def test_priced__is_half_up_of_micro_dollars(credits: int, price: Decimal) -> None:
    micro = credits * int(price * 10**6)
    assert cents_of(priced(credits, price)) == (micro + 5_000) // 10_000


@profile(60)
@given(st.lists(AMOUNTS, max_size=20))
def test_total__is_the_sum_of_cents(amounts: list[Decimal]) -> None:
    assert int(total(amounts) * 100) == sum(int(amount * 100) for amount in amounts)
    assert total([*amounts, *map(negated, amounts)]) == 0


@profile(60)
@given(AMOUNTS, PRICES)
def test_money__does_not_care_for_the_callers_context(amount: Decimal, price: Decimal) -> None:
    expected = priced(7, price), total([amount, amount]), negated(amount), usd_in_words(amount)
    with localcontext() as context:
        context.prec, context.rounding = 3, ROUND_DOWN
        context.traps[Inexact] = True
        found = priced(7, price), total([amount, amount]), negated(amount), usd_in_words(amount)
    assert found == expected


@profile(60)
@given(AMOUNTS)
def test_text__comes_back_as_it_was(amount: Decimal) -> None:
    assert usd("amount", usd_text(amount), signed=True) == amount


def test_limits__are_those_of_the_tables() -> None:
    assert usd("price", USD_MAX) == USD_MAX
    assert unit_price("price", PRICE_MAX) == PRICE_MAX
