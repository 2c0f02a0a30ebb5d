"""Endings: when, what lapses, what is given back, what is kept; and staying after all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from gate.domain.subscriptions.changing import change_plan
from gate.domain.subscriptions.ending import cancel_at_end, cancel_now, reactivate
from gate.domain.subscriptions.paying import end_grace, payment_failed
from gate.domain.subscriptions.starting import start
from gate.domain.subscriptions.states import Refused
from gate.domain.subscriptions.views import ScheduledEnd
from tests.billing.world import World, anchored, plan, utc

SMALL = plan("Small", 3_100, "31.00", overage=500, overage_price="0.002", rollover=1_000)
BIG = plan("Big", 6_200, "93.00")
YEAR = plan("Year", 3_100, "365.00", cycle="annual")
NO_CREDITS = plan("Platform", 0, "31.00", overage=500, overage_price="0.002")


def test_cancel_at_end__needs_nobody_there() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.gate.account.add_grant("purchased", 70)
    w.go("2026-03-10")
    preview = w.do(cancel_at_end).preview
    assert preview.takes_effect_at == utc("2026-04-01")
    assert str(preview).startswith("Cancelled on 1 Apr 2026; until then")
    assert w.admits()
    w.spend(3_000)
    w.gate.now_us = int(utc("2026-05-20").timestamp()) * 10**6
    w.settle()
    assert not w.admits()
    assert w.subscription is not None
    assert w.subscription.status == w.view().status == "cancelled"
    assert (w.left("base"), w.left("rollover"), w.left("purchased")) == (0, 100, 70)
    assert w.view().period_no == 2
    assert str(w.invoices[0].total_amount) == "31.00"


def test_cancel_at_end__is_no_more_than_scheduled_until_then() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(cancel_at_end)
    w.go(timedelta(days=30))
    w.do(reactivate)
    w.go("2026-05-01")
    assert (w.view().status, w.view().period_no) == ("active", 3)
    assert w.left("base") == 3_100


def test_reactivate__not_when_it_is_over() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(cancel_at_end)
    w.go("2026-04-01")
    with pytest.raises(Refused) as refused:
        w.do(reactivate)
    assert refused.value.allowed == ("start", "start_unpaid")


def test_cancel_at_end__of_a_year_is_at_its_end() -> None:
    w = World(utc("2026-01-01"))
    w.begin_on(YEAR)
    w.go("2026-02-10")
    planned = w.do(cancel_at_end)
    assert planned.subscription.scheduled == ScheduledEnd(13)
    assert planned.preview.takes_effect_at == utc("2027-01-01")
    w.go("2026-12-31")
    assert w.admits()
    w.go("2027-01-01")
    assert not w.admits()
    assert sum(one.total_amount for one in w.invoices) == Decimal("365.00")


def test_cancel_at_end__of_a_year_that_nobody_paid_is_at_the_months_end() -> None:
    w = World(utc("2026-01-01"))
    w.begin_on(YEAR)
    w.do(payment_failed, grace_until=utc("2026-01-15"))
    w.do(cancel_at_end)
    w.go("2026-02-01")
    assert w.view().status == "cancelled"


@pytest.mark.parametrize(
    ("one", "began", "at", "spent", "back"),
    [
        # The lesser of time and credits that are left.
        (SMALL, "2026-03-01", "2026-03-01T00:00", 0, "31.00"),
        (SMALL, "2026-03-01", "2026-03-01T00:00", 3_100, "0.00"),
        (SMALL, "2026-03-01", "2026-03-02T00:00", 1_550, "15.50"),
        (SMALL, "2026-03-01", "2026-03-02T00:00", 3_600, "0.00"),  # into overage
        (SMALL, "2026-03-01", "2026-03-31T00:00", 0, "1.00"),
        (SMALL, "2026-03-01", "2026-03-31T23:59:59.999", 0, "0.00"),
        (NO_CREDITS, "2026-03-01", "2026-03-16T12:00", 100, "15.50"),
        # Of a year, the credits of all later months are left.
        (YEAR, "2026-01-01", "2026-01-01T00:00", 0, "365.00"),
        (YEAR, "2026-01-01", "2026-01-01T00:00", 3_100, "334.58"),
        (YEAR, "2026-01-01", "2026-03-16T12:00", 0, "290.50"),
        (YEAR, "2026-01-01", "2026-12-31T00:00", 0, "1.00"),
    ],
)
def test_cancel_now__gives_back_what_is_left_of_both(
    one: Any, began: str, at: str, spent: int, back: str
) -> None:
    w = World(utc(began))
    w.begin_on(one)
    w.go(at)
    w.spend(spent)
    w.gate.account.add_grant("purchased", 70)
    preview = w.do(cancel_now).preview
    assert preview.money == -Decimal(back)
    assert [line.kind for line in preview.lines] == ["credit_note"] * (back != "0.00")
    assert not w.admits()
    assert (w.left("base"), w.left("rollover"), w.left("purchased")) == (0, 0, 70)
    paid = sum(invoice.total_amount for invoice in w.invoices)
    overage = max(0, spent - one.monthly_credits)
    assert paid == one.base_price_usd + Decimal("0.002") * overage - Decimal(back)


def test_cancel_now__keeps_the_money_if_wanted() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    preview = w.do(cancel_now, give_back=False).preview
    assert preview.lines == ()
    assert preview.credits == -3_100
    assert "Nothing is given back." in str(preview)
    assert str(w.invoices[0].total_amount) == "31.00"


def test_cancel_now__after_an_upgrade_gives_back_of_the_new_price() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.go("2026-03-16T12:00")
    w.do(change_plan, BIG)
    assert w.do(cancel_now).preview.money == -Decimal("46.50")
    assert str(w.invoices[0].total_amount) == "15.50"


def test_cancel_now__after_the_grace_counts_what_was_taken_back_as_left() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.spend(1_000)
    w.do(payment_failed, grace_until=w.at)
    w.do(end_grace)
    assert w.left("base") == 0
    w.do(cancel_now)
    assert str(w.invoices[0].total_amount) == "10.00"


def test_cancel_now__of_what_was_never_paid_costs_nothing() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL, paid=False)
    w.go("2026-03-05")
    assert w.do(cancel_now).preview.lines == ()
    assert w.invoices[0].total_amount == 0


def test_cancel_now__and_again_gets_no_credits_twice() -> None:
    """Nothing that was paid back comes back by a rollover."""
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    for number in range(3):
        w.do(cancel_now)
        assert w.gate.account.posted == 0
        w.go(timedelta(hours=1))
        w.take_over(
            start(
                SMALL,
                anchored(w.at.day),
                organization_id="org_a",
                at=w.at,
                operation_id=f"again_{number}",
                ended=w.view(),
            )
        )
        assert (w.left("base"), w.left("rollover")) == (3_100, 0)
    assert sum(one.total_amount for one in w.invoices) == 0
