"""Invoices: lines in order, totals that are their sums, the same ones however the sums come in."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.domain.errors import BadArgument
from gate.domain.invoices import (
    DERIVED,
    LINE_KINDS,
    ClosedPeriod,
    Invoice,
    Line,
    UsedCredits,
    disagreements,
    invoice_of,
)
from gate.domain.money import cents_of
from tests.billing.world import plan
from tests.property.profile import profile

SMALL = plan("Small", 10_000, "29.00", overage_price="0.0009")
BIG = plan("Big", 50_000, "79.00", overage_price="0.00085")
FREE = plan("Free", 100)
PLANS = {one.config_version: one for one in (SMALL, BIG, FREE)}


def used(period_no: int, credits: int, overage: int = 0, one: Any = SMALL) -> UsedCredits:
    return UsedCredits(
        period_no=period_no, config_version=one.config_version, credits=credits, overage=overage
    )


def closed(period_no: int = 3, one: Any = SMALL, **more: Any) -> ClosedPeriod:
    return ClosedPeriod(period_no=period_no, config_version=one.config_version, **more)


def shown(invoice: Invoice) -> list[tuple[str, str, int, str]]:
    return [(one.kind, one.description, one.credits, str(one.amount)) for one in invoice.lines]


def test_invoice__all_kinds_of_lines_in_order() -> None:
    recorded = [
        Line(kind="pack", description="pack, 500 credits", amount=Decimal("5.00"), credits=500),
        Line(kind="proration", description="Small, unused", amount=Decimal("-14.50")),
        Line(kind="credit_note", description="refund", amount=Decimal("-3.00")),
        Line(kind="proration", description="Big, for the rest", amount=Decimal("39.50")),
        Line(kind="adjustment", description="goodwill", amount=Decimal("-1.00")),
    ]
    sums = [
        used(3, 40_000, 700, BIG),
        used(2, 12, 5),
        used(3, 11_234, 1_234),
        used(1, 7),
    ]
    invoice = invoice_of(closed(allowance=30_000), sums, PLANS, recorded)
    assert shown(invoice) == [
        ("base", "Small", 30_000, "29.00"),
        ("proration", "Small, unused", 0, "-14.50"),
        ("proration", "Big, for the rest", 0, "39.50"),
        ("overage", "Small, overage", 1_234, "1.11"),
        ("overage", "Big, overage", 700, "0.60"),
        ("late", "late, period 1, from credits", 7, "0.00"),
        ("late", "late, period 2", 5, "0.00"),
        ("late", "late, period 2, from credits", 7, "0.00"),
        ("pack", "pack, 500 credits", 500, "5.00"),
        ("credit_note", "refund", 0, "-3.00"),
        ("adjustment", "goodwill", 0, "-1.00"),
    ]
    assert str(invoice.base_amount) == "29.00"
    assert str(invoice.overage_amount) == "1.71"
    assert str(invoice.total_amount) == "56.71"
    assert {line.kind for line in invoice.lines} == set(LINE_KINDS)


@pytest.mark.parametrize(
    ("share", "amount"),
    [
        (Fraction(1), "29.00"),
        (Fraction(1, 3), "9.67"),
        (Fraction(1, 8), "3.63"),
        (Fraction(0), None),
    ],
)
def test_base__its_share_rounded(share: Fraction, amount: str | None) -> None:
    lines = invoice_of(closed(base_share=share), [], PLANS).lines
    assert [str(line.amount) for line in lines] == ([] if amount is None else [amount])


@pytest.mark.parametrize(
    ("one", "credits", "amount"),
    [
        (SMALL, 1, "0.00"),
        (SMALL, 5, "0.00"),
        (SMALL, 6, "0.01"),
        (SMALL, 50, "0.05"),
        (SMALL, 10_000, "9.00"),
        (BIG, 1_000, "0.85"),
        (BIG, 1_001, "0.85"),
        (FREE, 3, "0.00"),
    ],
)
def test_overage__credits_times_price_to_the_cent(one: Any, credits: int, amount: str) -> None:
    invoice = invoice_of(closed(one=one, base_share=Fraction(0)), [used(3, 9, credits, one)], PLANS)
    (line,) = invoice.lines
    assert (str(line.amount), line.unit_price) == (amount, one.overage_price_per_email)


def test_invoice__of_nothing_is_nothing() -> None:
    invoice = invoice_of(closed(base_share=Fraction(0)), [used(3, 50)], PLANS)
    assert invoice.lines == ()
    assert str(invoice.total_amount) == "0.00"


def test_invoice__may_owe_the_customer() -> None:
    back = Line(kind="credit_note", description="Small, unused", amount=Decimal("-200.00"))
    assert str(invoice_of(closed(), [], PLANS, [back]).total_amount) == "-171.00"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((closed(), [used(4, 1)], PLANS), "used"),
        ((closed(), [used(3, 1, 1)], {}), "plans"),
        ((closed(base_share=Fraction(0)), [used(2, 1, 1)], {}), "plans"),
        *(
            (
                (closed(), [], PLANS, [Line(kind=kind, description="", amount=Decimal(0))]),
                "recorded",
            )
            for kind in DERIVED
        ),
    ],
)
def test_invoice__refuses(arguments: Any, field: str) -> None:
    with pytest.raises(BadArgument) as refused:
        invoice_of(*arguments)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": Decimal("0.001")},
        {"amount": 0.5},
        {"kind": "tax"},
        {"credits": -1},
        {"credits": 1.0},
        {"credits": 10, "unit_price": Decimal("0.5"), "amount": Decimal("5.01")},
    ],
)
def test_line__is_checked(fields: dict[str, Any]) -> None:
    good = {"kind": "base", "description": "Small", "amount": Decimal("1.00")}
    with pytest.raises(BadArgument):
        Line(**{**good, **fields})


def test_disagreements__name_both_sides() -> None:
    period = closed(used=1_100, overage=100)
    assert disagreements(period, [used(3, 1_000, 60), used(3, 100, 40, BIG), used(2, 9, 9)]) == []
    assert disagreements(period, [used(3, 1_000, 60)]) == [
        "used: 1,100 at the turn, 1,000 in the ledger",
        "overage: 100 at the turn, 60 in the ledger",
    ]


SUMS = st.builds(
    used,
    st.integers(1, 3),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.sampled_from([SMALL, BIG, FREE]),
)
RECORDED = st.builds(
    Line,
    kind=st.sampled_from([kind for kind in LINE_KINDS if kind not in DERIVED]),
    description=st.just("x"),
    amount=st.integers(-(10**6), 10**6).map(lambda cents: Decimal(cents).scaleb(-2)),
)


@profile(60)
@given(
    st.lists(SUMS, max_size=8),
    st.lists(RECORDED, max_size=5),
    st.fractions(0, 1, max_denominator=10**7),
    st.randoms(use_true_random=False),
)
def test_invoice__is_the_oracles_and_does_not_depend_on_order(
    sums: list[UsedCredits], recorded: list[Line], share: Fraction, random: Any
) -> None:
    period = closed(base_share=share)
    invoice = invoice_of(period, sums, PLANS, recorded)
    # The oracle: micro-dollars by period and version, half up to cents, all added.
    overage: dict[tuple[int, int], int] = {}
    for one in sums:
        key = one.period_no, one.config_version
        overage[key] = overage.get(key, 0) + one.overage
    expected = (2_900 * share.numerator * 2 + share.denominator) // (2 * share.denominator)
    for (_, version), credits in overage.items():
        micro = credits * int(PLANS[version].overage_price_per_email * 10**6)
        expected += (micro + 5_000) // 10_000
    expected += sum(int(line.amount * 100) for line in recorded)
    assert cents_of(invoice.total_amount) == expected
    assert sum(cents_of(line.amount) for line in invoice.lines) == expected
    for name, kinds in (("base_amount", ["base"]), ("overage_amount", ["overage", "late"])):
        own = sum(cents_of(line.amount) for line in invoice.lines if line.kind in kinds)
        assert cents_of(getattr(invoice, name)) == own
    shuffled = random.sample(sums, len(sums))
    split = [half for one in shuffled for half in halves(one)]
    assert invoice_of(period, split, PLANS, recorded) == invoice


def halves(one: UsedCredits) -> list[UsedCredits]:
    """The same credits in two sums, as two batches would have booked them."""
    part = UsedCredits(
        period_no=one.period_no,
        config_version=one.config_version,
        credits=one.credits // 3,
        overage=one.overage // 2,
    )
    rest = UsedCredits(
        period_no=one.period_no,
        config_version=one.config_version,
        credits=one.credits - part.credits,
        overage=one.overage - part.overage,
    )
    return [rest, part]
