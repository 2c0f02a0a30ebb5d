"""Another plan: when, for how many credits, for how much money; no way to credits for nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from gate.domain.operations import OperationContent
from gate.domain.subscriptions.changing import change_plan, takes_effect
from gate.domain.subscriptions.ending import cancel_at_end
from gate.domain.subscriptions.periods import reaches_account
from gate.domain.subscriptions.scheduling import calendar_operation, is_to_be_placed
from gate.domain.subscriptions.states import Refused
from gate.domain.subscriptions.views import PaidYear, ScheduledPlan
from tests.billing.world import BERLIN, World, anchored, plan, utc

FREE = plan("Free", 100)
SMALL = plan("Small", 3_100, "31.00", overage=500, overage_price="0.002", rollover=1_000)
BIG = plan("Big", 6_200, "93.00", overage=1_000, overage_price="0.001", rollover=2_000)
SMALL_YEAR = plan("Small yearly", 3_100, "365.00", cycle="annual")
BIG_YEAR = plan("Big yearly", 6_200, "730.00", cycle="annual")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("present", "wanted", "when"),
    [
        (FREE, SMALL, "now"),
        (SMALL, BIG, "now"),
        (BIG, SMALL, "period_end"),
        (SMALL, FREE, "period_end"),
        (SMALL, plan("Cheaper", 3_100, "30.99"), "period_end"),
        (SMALL, plan("More for less", 9_000, "30.99"), "period_end"),
        (SMALL, plan("Dearer and less", 3_099, "99.00"), "period_end"),
        (SMALL, plan("Same", 3_100, "31.00"), "now"),
        (SMALL, SMALL_YEAR, "period_end"),  # 30.42 a month
        (SMALL, BIG_YEAR, "now"),
        (SMALL_YEAR, BIG_YEAR, "now"),
        (BIG_YEAR, SMALL_YEAR, "period_end"),
        (SMALL_YEAR, BIG, "period_end"),
    ],
)
def test_takes_effect__at_once_where_nothing_gets_less(
    present: Any, wanted: Any, when: str
) -> None:
    assert takes_effect(present, wanted) == when


@pytest.mark.parametrize(
    ("day", "zone", "began", "at", "credits", "money"),
    [
        (1, "UTC", "2026-03-01", "2026-03-01T00:00", 3_100, "62.00"),
        (1, "UTC", "2026-03-01", "2026-03-01T00:00:00.999", 3_100, "62.00"),
        (1, "UTC", "2026-03-01", "2026-03-01T00:00:01", 3_100, "62.00"),  # 3,099.999 rounded up
        (1, "UTC", "2026-03-01", "2026-03-16T12:00", 1_550, "31.00"),
        (1, "UTC", "2026-03-01", "2026-03-31T00:00", 100, "2.00"),
        (1, "UTC", "2026-03-01", "2026-03-31T23:59:59", 1, "0.00"),
        (1, "UTC", "2026-03-01", "2026-03-31T23:59:59.999", 1, "0.00"),
        (31, "UTC", "2026-01-31", "2026-02-14T00:00", 1_550, "31.00"),  # to 28 February
        (31, "UTC", "2026-02-28", "2026-03-30T00:00", 100, "2.00"),
        (29, "UTC", "2028-01-29", "2028-02-28T00:00", 100, "2.00"),  # a leap year
        (1, BERLIN, "2026-02-28T23:00", "2026-03-31T21:00", 5, "0.09"),  # 743 hours; 0.13 − 0.04
        (1, BERLIN, "2026-09-30T22:00", "2026-10-16T10:30", 1_550, "31.00"),  # 745 hours
    ],
)
def test_upgrade__the_difference_pro_rata_to_the_second(
    day: int, zone: str, began: str, at: str, credits: int, money: str
) -> None:
    w = World(utc(began))
    w.begin_on(SMALL, anchored(day, zone))
    w.go(at)
    preview = w.do(change_plan, BIG).preview
    assert (preview.credits, preview.money) == (credits, Decimal(money))
    assert w.left("base") == 3_100 + credits
    assert w.view().terms == BIG.terms
    assert w.entries("plan_change") == [credits]
    w.go(w.view().ends_at or "")
    assert w.left("base") == 6_200
    assert w.invoices[0].total_amount == Decimal("31.00") + Decimal(money)
    w.go(w.view().ends_at or "")
    assert w.invoices[1].total_amount == Decimal("93.00")


def test_upgrade__says_what_it_costs() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.go("2026-03-16T12:00")
    preview = w.do(change_plan, BIG).preview
    assert str(preview) == (
        "Big instead of Small from now on: 1,550 credits more until 1 Apr 2026, $31.00 to pay."
        " Then 6,200 credits a month for $93.00 a month."
    )
    assert [(line.kind, line.description, str(line.amount)) for line in preview.lines] == [
        ("proration", "Small, unused", "-15.50"),
        ("proration", "Big, for the rest", "46.50"),
    ]


def test_upgrade__after_a_short_first_period_counts_whole_months() -> None:
    w = World(utc("2026-03-22"))
    w.begin_on(SMALL, anchored(1))
    assert w.left("base") == 1_000
    w.go("2026-03-31")
    preview = w.do(change_plan, BIG).preview
    assert (preview.credits, preview.money) == (100, Decimal("2.00"))


def test_upgrade__from_free_in_the_last_second_gives_one_credit() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(FREE)
    w.go(utc("2026-04-01") - SECOND)
    preview = w.do(change_plan, SMALL).preview
    assert (preview.credits, preview.money) == (1, 0)
    w.go(SECOND)
    assert w.left("base") == 3_100


def test_upgrade__past_overage_is_priced_as_it_was_used() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.spend(3_100 + 333)
    w.go("2026-03-16T12:00")
    w.do(change_plan, BIG)
    w.spend(1_550 + 500)
    w.go("2026-04-01")
    invoice = w.invoices[0]
    lines = [(one.kind, one.credits, str(one.amount)) for one in invoice.lines]
    assert lines[0] == ("base", 0, "31.00")
    assert ("overage", 333, "0.67") in lines
    assert ("overage", 500, "0.50") in lines
    assert str(invoice.overage_amount) == "1.17"
    assert invoice.period.overage == 833
    assert invoice.total_amount == Decimal("31.00") + Decimal("31.00") + Decimal("1.17")


def test_downgrade__waits_for_the_turn_and_needs_nobody_there() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(BIG)
    w.go("2026-03-10")
    preview = w.do(change_plan, SMALL).preview
    assert (preview.credits, preview.lines) == (0, ())
    assert preview.takes_effect_at == utc("2026-04-01")
    assert w.left("base") == 6_200
    assert w.view().terms == BIG.terms
    w.spend(3_000)
    w.gate.now_us = int(utc("2026-04-01").timestamp()) * 10**6
    w.settle()
    assert w.view().terms == SMALL.terms
    assert (w.left("base"), w.left("rollover")) == (3_100, 2_000)  # the cap of what closed
    assert w.subscription is not None
    assert (w.subscription.plan, w.subscription.scheduled) == (SMALL, None)
    w.go("2026-05-01")
    assert w.left("rollover") == 1_000
    assert [str(one.total_amount) for one in w.invoices] == ["93.00", "31.00"]


def test_downgrade__not_at_once_and_upgrade_later_if_wanted() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(BIG)
    with pytest.raises(Refused) as refused:
        w.do(change_plan, SMALL, when="now")
    assert refused.value.reason == "period_end_only"
    biggest = plan("Biggest", 10_000, "200.00")
    preview = w.do(change_plan, biggest, when="period_end").preview
    assert (preview.credits, preview.lines) == (0, ())
    w.go("2026-04-01")
    assert w.left("base") == 10_000


def test_upgrade_then_downgrade__gives_its_credits_once() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.go("2026-03-11")
    for one in (BIG, SMALL, BIG, SMALL, BIG, SMALL):
        w.do(change_plan, one)
        w.go(timedelta(days=1))
    assert w.entries("plan_change") == [2_100]
    w.go("2026-04-01")
    assert w.left("base") == 3_100
    assert w.invoices[0].total_amount == Decimal("31.00") + Decimal("42.00")
    w.go("2026-05-01")
    assert w.invoices[1].total_amount == Decimal("31.00")


def test_change__the_present_plan_withdraws_or_is_refused() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(BIG)
    with pytest.raises(Refused) as refused:
        w.do(change_plan, BIG)
    assert refused.value.reason == "same_plan"
    w.do(change_plan, SMALL)
    assert "Small does not take its place" in str(w.do(change_plan, BIG).preview)
    w.go("2026-04-01")
    assert w.left("base") == 6_200


def test_change__takes_the_place_of_what_was_scheduled() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(cancel_at_end)
    assert "The cancellation is withdrawn." in w.do(change_plan, FREE).preview.sentences
    assert "The change to Free is dropped." in w.do(change_plan, BIG).preview.sentences
    assert "The change to Small is dropped." not in w.do(change_plan, SMALL).preview.sentences
    assert "The change to Small is dropped." in w.do(cancel_at_end).preview.sentences
    w.go("2026-04-01")
    assert w.view().status == "cancelled"


def test_change__a_new_version_of_the_plan_is_a_change_like_any_other() -> None:
    dearer = plan("Small", 3_100, "35.00")
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(change_plan, dearer, when="period_end")
    w.go("2026-05-01")
    assert [str(one.total_amount) for one in w.invoices] == ["31.00", "35.00"]


# -- a year: money for the rest of it, credits for the rest of the month


@pytest.mark.parametrize(
    ("at", "credits", "money"),
    [
        ("2026-01-01T00:00", 3_100, "365.00"),
        ("2026-01-16T12:00", 1_550, "349.50"),
        ("2026-03-01T00:00", 3_100, "306.00"),
        ("2026-12-31T00:00", 100, "1.00"),
        ("2026-12-31T23:59:59", 1, "0.00"),
    ],
)
def test_annual_upgrade__money_over_the_year(at: str, credits: int, money: str) -> None:
    w = World(utc("2026-01-01"))
    w.begin_on(SMALL_YEAR)
    w.go(at)
    preview = w.do(change_plan, BIG_YEAR).preview
    assert (preview.credits, preview.money) == (credits, Decimal(money))
    w.go("2027-01-02")
    assert sum(one.total_amount for one in w.invoices) == Decimal("365.00") + Decimal(money)
    w.go("2027-02-02")
    assert w.invoices[12].total_amount == Decimal("730.00")


def test_annual__from_monthly_at_once_begins_a_year_with_the_running_period() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.go("2026-05-01")
    preview = w.do(change_plan, BIG_YEAR).preview
    assert preview.money == Decimal("730.00") - Decimal("31.00")
    assert w.subscription is not None
    assert w.subscription.year == PaidYear(3, utc("2026-05-01"))
    w.go("2027-05-02")
    assert [one.period.period_no for one in w.invoices if one.total_amount] == [1, 2, 3]
    assert str(w.invoices[2].total_amount) == "730.00"
    w.go("2027-06-02")
    assert str(w.invoices[14].total_amount) == "730.00"


def test_annual__from_monthly_in_a_short_first_month() -> None:
    w = World(utc("2026-03-31"))
    w.begin_on(SMALL, anchored(1))
    preview = w.do(change_plan, BIG_YEAR).preview
    # A day of Small back, 335 of 365 days of the year; its month's difference for a day.
    assert preview.money == Decimal("670.00") - Decimal("1.00")
    assert preview.credits == 100


def test_annual__from_monthly_later_begins_it_at_the_turn() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.do(change_plan, SMALL_YEAR)
    w.go("2027-05-02")
    assert [one.period.period_no for one in w.invoices if one.total_amount] == [1, 2, 14]
    assert str(w.invoices[1].total_amount) == "365.00"


def test_annual_downgrade__waits_for_the_end_of_the_year() -> None:
    w = World(utc("2026-01-01"))
    w.begin_on(BIG_YEAR)
    w.go("2026-02-10")
    planned = w.do(change_plan, SMALL)
    assert planned.preview.takes_effect_at == utc("2027-01-01")
    assert planned.subscription.scheduled == ScheduledPlan(SMALL, 13)
    # Eleven periods ahead: more than an account can know, so it is told later.
    assert not reaches_account(planned.subscription, 2)
    assert not is_to_be_placed(planned.subscription, 2, 4)
    assert is_to_be_placed(planned.subscription, 4, 5)
    w.go("2026-05-01")
    assert w.subscription is not None
    (placed,) = calendar_operation("change_plan", "placed", w.subscription, w.view())
    content: OperationContent = placed.content
    assert content.coming is not None
    assert [one.allowance for one in content.coming] == [6_200] * 7 + [3_100]
    assert [one.terms for one in content.coming] == [None] * 7 + [SMALL.terms]
    w.go("2027-01-01")
    assert w.left("base") == 3_100
    assert w.subscription.plan == SMALL
    w.go("2027-02-01")
    paid = [(one.period.period_no, str(one.total_amount)) for one in w.invoices if one.lines]
    assert paid == [(1, "730.00"), (13, "31.00")]


def test_change__ends_at_of_the_payment_provider_moves_the_calendar() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    assert w.subscription is not None
    (moved,) = calendar_operation(
        "change_plan", "moved", w.subscription, w.view(), ends_at=utc("2026-03-29T07:00")
    )
    assert moved.content.ends_at == utc("2026-03-29T07:00")
    assert moved.content.coming is not None
    assert moved.content.coming[0].ends_at == utc("2026-04-01")
