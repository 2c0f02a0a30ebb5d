"""Beginnings: whole and short first periods, those that wait for payment, trials, second lives."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from gate.domain.errors import BadArgument
from gate.domain.subscriptions.changing import change_plan
from gate.domain.subscriptions.ending import cancel_at_end, cancel_now
from gate.domain.subscriptions.paying import pay, payment_failed
from gate.domain.subscriptions.starting import start
from gate.domain.subscriptions.states import Refused
from gate.domain.subscriptions.trials import end_trial, start_trial
from gate.domain.subscriptions.views import PaidYear, ScheduledPlan
from tests.billing.world import BERLIN, World, anchored, plan, utc

FREE = plan("Free", 100)
SMALL = plan("Small", 3_100, "31.00", overage=500, overage_price="0.002", rollover=1_000)
BIG = plan("Big", 6_200, "62.00")
YEAR = plan("Year", 3_100, "365.00", cycle="annual")


@pytest.mark.parametrize(
    ("one", "day", "zone", "at", "ends", "credits", "price"),
    [
        # On the anchor's day, whatever the time: a whole period.
        (SMALL, 1, "UTC", "2026-03-01T00:00", "2026-04-01T00:00", 3_100, "31.00"),
        (SMALL, 17, "UTC", "2026-03-17T14:33", "2026-04-17T00:00", 3_100, "31.00"),
        (SMALL, 31, "UTC", "2026-01-31T23:59", "2026-02-28T00:00", 3_100, "31.00"),
        (SMALL, 31, "UTC", "2026-02-28T10:00", "2026-03-31T00:00", 3_100, "31.00"),
        (SMALL, 1, BERLIN, "2026-02-28T23:00", "2026-03-31T22:00", 3_100, "31.00"),
        # In the middle of it: its share, credits rounded up.
        (SMALL, 1, "UTC", "2026-03-31T00:00", "2026-04-01T00:00", 100, "1.00"),
        (SMALL, 1, "UTC", "2026-03-31T23:59:59", "2026-04-01T00:00", 1, "0.00"),
        (SMALL, 1, "UTC", "2026-03-16T12:00", "2026-04-01T00:00", 1_550, "15.50"),
        (SMALL, 29, "UTC", "2028-02-28T00:00", "2028-02-29T00:00", 100, "1.00"),
        # Nobody pays for a free plan, so it gives all (INITIAL_CREDITS).
        (FREE, 1, "UTC", "2026-03-31T00:00", "2026-04-01T00:00", 100, "0.00"),
        # A year whose first month is short is as much shorter.
        (YEAR, 1, "UTC", "2026-03-01T00:00", "2026-04-01T00:00", 3_100, "365.00"),
        (YEAR, 1, "UTC", "2026-03-31T00:00", "2026-04-01T00:00", 100, "335.00"),
    ],
)
def test_start__first_period(
    one: Any, day: int, zone: str, at: str, ends: str, credits: int, price: str
) -> None:
    w = World(utc(at))
    preview = w.begin_on(one, anchored(day, zone)).preview
    assert w.view().ends_at == utc(ends)
    assert w.left("base") == preview.credits == credits
    assert preview.money == Decimal(price)
    assert preview.recorded == ()
    w.go(utc(ends))
    assert w.left("base") == one.monthly_credits
    assert w.invoices[0].total_amount == Decimal(price)


def test_start__first_invoices_of_a_year_are_paid_once() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(YEAR)
    w.go("2028-03-02")
    paid = [one.period.period_no for one in w.invoices if one.total_amount]
    assert paid == [1, 13]
    assert [str(one.total_amount) for one in w.invoices[:13:12]] == ["365.00", "365.00"]
    assert len(w.invoices) == 24
    assert w.subscription is not None
    assert w.subscription.year == PaidYear(25, utc("2028-03-01"))


def test_start__waits_for_payment() -> None:
    w = World(utc("2026-03-01"))
    planned = w.begin_on(SMALL, paid=False)
    assert planned.operations == ()
    assert planned.subscription.status == "past_due"
    assert str(planned.preview).startswith("Small from now on: $31.00 to pay. The first period")
    assert not w.admits()
    w.go("2026-03-03")
    assert w.left("base") == 0
    w.do(pay)
    assert w.admits()
    assert w.entries("credit_purchased") == [3_100]
    w.go("2026-04-01")
    assert w.left("base") == 3_100 + 1_000 - w.left("rollover")
    assert w.invoices[0].total_amount == Decimal("31.00")


def test_start__never_paid_gives_and_costs_nothing() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL, paid=False)
    w.go("2026-05-10")
    assert w.left("base") == 0
    assert all(one.total_amount == 0 for one in w.invoices)
    w.do(pay)
    assert w.entries("credit_purchased") == [3_100]
    w.go("2026-06-01")
    assert [one.total_amount for one in w.invoices] == [0, 0, Decimal("31.00")]


def test_start__a_free_plan_never_waits() -> None:
    w = World(utc("2026-03-01"))
    assert w.begin_on(FREE, paid=False).subscription.status == "active"
    assert w.left("base") == 100


def trial(w: World, one: Any = SMALL, **more: Any) -> Any:
    """A trial of two weeks."""
    more = {"then": one, "operation_id": "first_allowance", **more}
    return start_trial(
        one,
        "UTC",
        organization_id="org_a",
        at=w.at,
        ends_at=w.at + timedelta(days=14),
        **more,
    )


def test_trial__becomes_paid_by_itself_and_gives_no_allowance_twice() -> None:
    w = World(utc("2026-03-01T12:00"))
    w.begin(trial(w, credits=500))
    assert w.spend(501) == "insufficient"  # no overage
    w.spend(200)
    w.go("2026-03-15T12:00")
    assert w.subscription is not None
    assert w.subscription.status == w.gate.account.status == "active"
    assert (w.left("base"), w.left("rollover")) == (3_100, 0)
    assert w.view().terms == SMALL.terms
    assert w.invoices[0].lines == ()
    w.go("2026-04-15")
    assert w.view().period_no == 3
    assert w.invoices[1].total_amount == Decimal("31.00")
    assert w.left("rollover") == 1_000


def test_trial__ends_by_itself() -> None:
    w = World(utc("2026-03-01"))
    w.begin(trial(w, then=None))
    w.go("2026-03-15")
    assert w.subscription is not None
    assert w.subscription.status == "cancelled"
    assert not w.admits()
    assert w.gate.account.posted == 0
    w.go("2026-06-01")
    assert w.view().period_no == 2


def test_trial__falls_back_to_another_plan() -> None:
    w = World(utc("2026-03-01"))
    planned = w.begin(trial(w, then=FREE))
    assert planned.subscription.scheduled == ScheduledPlan(FREE, 2)
    w.go("2026-03-15")
    assert w.subscription is not None
    assert w.subscription.plan == FREE
    assert w.left("base") == 100
    assert w.view().terms == FREE.terms


def test_trial__in_place_of_a_free_plan() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(FREE)
    w.spend(30)
    w.go("2026-03-10T08:00")
    assert w.subscription is not None
    present = w.subscription, w.view()
    w.take_over(trial(w, credits=500, then=FREE, present=present, operation_id="trial"))
    assert (w.left("base"), w.view().period_no) == (500, 2)
    assert w.view().starts_at == w.at
    w.go("2026-03-24T08:00")
    assert w.left("base") == 100
    w.do(change_plan, SMALL)
    with pytest.raises(Refused) as refused:
        trial(w, BIG, present=(w.subscription, w.view()))
    assert refused.value.reason == "not_free"


def test_trial__ended_early_is_paid_from_then_on() -> None:
    w = World(utc("2026-03-01"))
    w.begin(trial(w, credits=500))
    w.go("2026-03-10T09:30")
    preview = w.do(end_trial).preview
    assert (preview.money, preview.credits) == (Decimal("31.00"), 3_100)
    assert (w.left("base"), w.left("rollover")) == (3_100, 0)
    assert w.view().ends_at == utc("2026-04-10")
    w.go("2026-04-10")
    assert [one.total_amount for one in w.invoices] == [0, Decimal("31.00")]


def test_trial__ended_early_waits_for_payment() -> None:
    w = World(utc("2026-03-01"))
    w.begin(trial(w, credits=500))
    w.do(end_trial, paid=False)
    assert not w.admits()
    assert w.left("base") == 0
    w.do(pay)
    assert w.admits()
    assert w.left("base") == 3_100


def test_trial__of_an_annual_plan_begins_the_year_behind_it() -> None:
    w = World(utc("2026-03-01"))
    w.begin(trial(w, YEAR, credits=500))
    w.go("2027-03-16")
    assert [one.period.period_no for one in w.invoices if one.total_amount] == [2]
    assert w.subscription is not None
    assert w.subscription.year == PaidYear(14, utc("2027-03-15"))


def test_trial__of_an_annual_plan_ended_early_begins_the_year_then() -> None:
    w = World(utc("2026-03-01"))
    w.begin(trial(w, YEAR, credits=500))
    w.go("2026-03-05T10:00")
    assert w.do(end_trial).preview.money == Decimal("365.00")
    assert w.subscription is not None
    assert w.subscription.year == PaidYear(2, utc("2026-03-05T10:00"))
    w.go("2027-04-05")
    assert [one.period.period_no for one in w.invoices if one.total_amount] == [2, 14]


def test_trial__another_plan_changes_what_comes_behind_it() -> None:
    w = World(utc("2026-03-01"))
    w.begin(trial(w, credits=500))
    for one in (YEAR, BIG):
        preview = w.do(change_plan, one).preview
        assert (preview.credits, preview.lines) == (0, ())
    assert w.left("base") == 500
    w.go("2026-03-15")
    assert w.left("base") == 6_200
    w.go("2026-04-15")
    assert w.invoices[-1].total_amount == Decimal("62.00")


@pytest.mark.parametrize("days", [0, -1])
def test_trial__must_end_later(days: int) -> None:
    w = World(utc("2026-03-01"))
    with pytest.raises(BadArgument) as refused:
        start_trial(
            SMALL,
            "UTC",
            organization_id="org_a",
            at=w.at,
            ends_at=w.at + timedelta(days=days),
            operation_id="one",
            then=None,
        )
    assert refused.value.field == "ends_at"


def again(w: World, one: Any, **more: Any) -> Any:
    """A second subscription on the same account."""
    return start(
        one,
        anchored(w.at.day),
        organization_id="org_a",
        at=w.at,
        operation_id="again",
        ended=w.view(),
        **more,
    )


def test_second_life__counts_on_and_finds_its_purchased_credits() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.gate.account.add_grant("purchased", 70)
    w.do(cancel_now)
    assert w.gate.account.posted == 70
    w.go("2026-05-20T10:00")
    assert not w.admits()
    planned = w.take_over(again(w, BIG))
    assert w.admits()
    assert (w.view().period_no, w.view().starts_at) == (3, utc("2026-05-20T10:00"))
    assert (w.left("base"), w.left("purchased")) == (6_200, 70)
    assert w.view().ends_at == utc("2026-06-20")
    assert planned.preview.money == Decimal("62.00")
    w.go("2026-06-20")
    assert w.left("base") == 6_200
    # The empty period between the two cost nothing.
    assert [one.total_amount for one in w.invoices[1:]] == [0, Decimal("62.00")]


def test_second_life__in_the_middle_of_a_month() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(cancel_at_end)
    w.go("2026-05-31")
    w.take_over(
        start(
            SMALL,
            anchored(1),
            organization_id="org_a",
            at=w.at,
            operation_id="again",
            ended=w.view(),
        )
    )
    assert w.left("base") == 100
    w.go("2026-06-01")
    assert w.left("base") == 3_100
    assert w.invoices[-1].total_amount == Decimal("1.00")


def test_second_life__waits_for_payment_whatever_grace_there_was() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(payment_failed, grace_until=utc("2026-09-01"))
    w.do(cancel_now)
    w.go("2026-04-20")
    w.take_over(again(w, BIG, paid=False))
    assert w.view().status == "past_due"
    assert not w.admits()
    w.do(pay)
    assert w.admits()
    assert w.left("base") == 6_200


def test_second_life__not_before_the_first_is_over() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(cancel_at_end)
    with pytest.raises(Refused):
        again(w, BIG)
