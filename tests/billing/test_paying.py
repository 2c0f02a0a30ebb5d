"""Payments: grace, what is taken back when it ends, and what comes again when it is paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from gate.domain.errors import BadArgument
from gate.domain.subscriptions.paying import end_grace, pay, payment_failed
from gate.domain.subscriptions.states import Refused
from gate.domain.subscriptions.views import TakenBack
from tests.billing.world import World, plan, utc

SMALL = plan("Small", 3_100, "31.00", rollover=1_000)


def past_due(grace_until: datetime) -> World:
    """A thousand credits into its first period, unpaid."""
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    w.spend(1_000)
    w.do(payment_failed, grace_until=grace_until)
    return w


def test_grace__admits_until_it_ends() -> None:
    w = past_due(utc("2026-03-08"))
    w.go(utc("2026-03-08") - timedelta(milliseconds=1))
    assert w.spend(1) == "committed"
    w.go("2026-03-08")
    assert w.spend(1) == "inactive"


def test_pay__within_the_grace_changes_the_status_alone() -> None:
    w = past_due(utc("2026-03-08"))
    (operation,) = w.do(pay).operations
    assert operation.content.changes == ()
    assert operation.period_no is None
    w.go("2026-04-20")
    assert w.admits()
    assert (w.left("base"), w.left("rollover")) == (3_100, 1_000)


def test_pay__of_an_active_one_confirms() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    planned = w.do(pay)
    assert planned.operations == ()
    assert planned.subscription_changes(planned.subscription) == {}


@pytest.mark.parametrize("grace", ["2026-03-01", "2026-03-08", "2026-04-05"])
def test_grace__may_run_over_the_end_of_the_period(grace: str) -> None:
    w = past_due(utc(grace))
    w.go(grace)
    left = w.left("base")
    preview = w.do(end_grace).preview
    assert preview.credits == -left
    assert w.left("base") == 0
    assert w.subscription is not None
    assert w.subscription.taken_back == TakenBack(w.view().period_no, left)
    assert w.entries("plan_change") == [-left]


def test_end_grace__takes_back_once_and_not_before() -> None:
    w = past_due(utc("2026-03-08"))
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            w.do(end_grace)
        assert refused.value.reason == "grace"
        if w.at < utc("2026-03-08"):
            w.go("2026-03-08")
            w.do(end_grace)


def test_end_grace__later_periods_bring_nothing_until_it_is_paid() -> None:
    w = past_due(utc("2026-03-08"))
    w.go("2026-03-08")
    w.do(end_grace)
    w.go("2026-06-10")
    assert w.gate.account.posted == 0
    assert w.view().period_no == 4
    preview = w.do(pay).preview
    assert preview.credits == w.left("base") == 3_100
    w.go("2026-07-01")
    assert (w.left("base"), w.left("rollover")) == (3_100, 1_000)
    assert [str(one.base_amount) for one in w.invoices] == ["31.00"] * 4


def test_pay__in_the_same_period_gives_again_what_was_taken() -> None:
    w = past_due(utc("2026-03-08"))
    w.go("2026-03-08")
    w.do(end_grace)
    preview = w.do(pay).preview
    assert preview.credits == w.left("base") == 2_100
    assert w.entries("plan_change") == [-2_100, 2_100]
    assert preview.money == Decimal(0)
    w.go("2026-04-01")
    assert w.left("base") == 3_100


def test_pay__again_and_again_gives_nothing_more() -> None:
    w = past_due(utc("2026-03-01"))
    for _ in range(3):
        w.do(end_grace)
        for _ in range(2):
            w.do(pay)
        assert w.left("base") == 2_100
        w.do(payment_failed, grace_until=w.at)


def test_grace__never_lies_in_the_past() -> None:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    with pytest.raises(BadArgument) as refused:
        w.do(payment_failed, grace_until=w.at - timedelta(seconds=1))
    assert refused.value.field == "grace_until"
