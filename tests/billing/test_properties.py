"""Random stories: nobody gets credits or money for nothing, whatever is done in whatever order.

The oracle counts in whole milliseconds, seconds and micro-cents, from the story itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gate.domain.money import cents_of
from gate.domain.subscriptions.changing import change_plan, takes_effect
from gate.domain.subscriptions.ending import cancel_at_end, cancel_now, reactivate
from gate.domain.subscriptions.pausing import pause, resume
from gate.domain.subscriptions.paying import end_grace, pay, payment_failed
from gate.domain.subscriptions.starting import start
from gate.domain.subscriptions.states import Refused, allowed
from tests.billing.world import BERLIN, World, anchored, plan
from tests.property.profile import profile

MS = timedelta(milliseconds=1)
HOUR = 3_600_000
BEGINS = st.integers(0, 6 * 366 * 24 * HOUR).map(
    lambda ms: datetime(2023, 1, 1, tzinfo=UTC) + ms * MS
)
ANCHORS = st.builds(
    anchored, st.integers(1, 31), st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe"])
)
GAPS = st.one_of(st.integers(0, 40 * 24 * HOUR), st.integers(0, 2_000), st.just(10 * 24 * HOUR))
LADDER = [
    plan(f"Plan {step}", credits, f"{cents // 100}.{cents % 100:02d}")
    for step, (credits, cents) in enumerate([(0, 0), (97, 999), (1_000, 2_900), (50_001, 7_933)])
]


def ceiling_seconds(duration: timedelta) -> int:
    return (duration // MS + 999) // 1_000


@profile(60)
@given(
    BEGINS,
    ANCHORS,
    st.integers(0, 3),
    st.lists(st.tuples(GAPS, st.integers(0, 3)), min_size=1, max_size=8),
)
def test_plan_changes__are_the_oracles(
    begins: datetime, anchor: Any, first: int, changes: list[tuple[int, int]]
) -> None:
    """Each change at once gives the difference pro rata to the second; downgrades give and cost
    nothing, and what comes at the turn is the last plan's."""
    w = World(begins)
    w.begin_on(LADDER[first], anchor)
    present = wanted = LADDER[first]
    span = w.subscription.whole  # type: ignore[union-attr]
    first_no, given_exactly, given_in_all, number = 1, Fraction(0), 0, 0
    for gap, step in changes:
        w.go(gap * MS)
        account = w.view()
        if account.period_no != first_no:
            first_no, present, span = account.period_no, wanted, None
            given_exactly, given_in_all, number = Fraction(0), 0, 0
            assert w.left("base") == present.monthly_credits
        plan_ = LADDER[step]
        if plan_ in (present, wanted) and plan_ == present == wanted:
            continue
        before, money = w.left("base"), len(w.lines)
        preview = w.do(change_plan, plan_).preview
        assert account.ends_at is not None
        whole = span.seconds if span else ceiling_seconds(account.ends_at - account.starts_at)
        left = min(whole, ceiling_seconds(account.ends_at - w.at))
        if plan_ != present and takes_effect(present, plan_) == "now":
            more = plan_.monthly_credits - present.monthly_credits
            assert preview.credits == (more * left + whole - 1) // whole
            prices = [cents_of(one.base_price_usd) for one in (present, plan_)]
            back, cost = ((2 * price * left + whole) // (2 * whole) for price in prices)
            assert cents_of(preview.money) == cost - back
            assert abs(cost - back - Fraction((prices[1] - prices[0]) * left, whole)) <= 1
            given_exactly += Fraction(more * left, whole)
            number += 1
            present = plan_
        else:
            assert (preview.credits, len(w.lines)) == (0, money)
        wanted = plan_
        given_in_all += preview.credits
        assert w.left("base") == before + preview.credits
        # However it is cut: less than one credit more for each step than in one step.
        assert given_exactly <= given_in_all < given_exactly + max(1, number)
    w.go(w.view().ends_at or w.at)
    assert w.left("base") == wanted.monthly_credits


# A credit costs a cent, on all of them, by the month and by the year.
RATES = [
    (100, "monthly"),
    (1_000, "monthly"),
    (5_000, "monthly"),
    (1_000, "annual"),
    (9_000, "annual"),
]
EQUAL = [
    plan(
        f"Equal {number}",
        credits,
        str(Decimal(credits * (12 if cycle == "annual" else 1)) / 100),
        cycle=cycle,
        rollover=rollover,
    )
    for number, ((credits, cycle), rollover) in enumerate(
        zip(RATES, [None, 500, 10**6, None, 0], strict=True)
    )
]
PLAIN: dict[str, Any] = {
    "pay": pay,
    "end_grace": end_grace,
    "pause": pause,
    "resume": resume,
    "cancel_at_end": cancel_at_end,
    "reactivate": reactivate,
    "cancel_now": cancel_now,
}
ACTS = {*PLAIN, "change_plan", "payment_failed", "start", "start_unpaid"}
LONG_GAPS = st.one_of(
    st.integers(0, 10 * 24 * HOUR),
    st.integers(0, 70 * 24 * HOUR),
    st.just(31 * 24 * HOUR),
)
PLANS = st.sampled_from(EQUAL)
#: In cents: at the end of February 59 of 365 days are over, and 2 of 12 months.
MONTHS_DIFFER = max(one.monthly_credits for one in EQUAL) * 12 * 6 // 1_000


def act(w: World, name: str, data: st.DataObject, number: int) -> None:
    """A use case that the table allows in the subscription's status."""
    if name == "change_plan":
        w.do(change_plan, data.draw(PLANS))
    elif name == "payment_failed":
        w.do(payment_failed, grace_until=w.at + data.draw(LONG_GAPS) * MS)
    elif name in ("start", "start_unpaid"):
        w.take_over(
            start(
                data.draw(PLANS),
                anchored(data.draw(st.sampled_from([w.at.day, 1]))),
                organization_id="org_a",
                at=w.at,
                operation_id=f"start_{number}",
                paid=name == "start",
                ended=w.view(),
            )
        )
    else:
        w.do(PLAIN[name])


def paid_cents(w: World) -> int:
    """What was invoiced, what is recorded, and what is due for the running period."""
    closed = sum(cents_of(one.total_amount) for one in w.invoices)
    pending = sum(cents_of(one.amount) for one in w.lines)
    return closed + pending + w.due_cents()


@profile(60)
@given(BEGINS, ANCHORS, PLANS, st.integers(1, 20), st.data())
def test_story__nothing_is_spent_that_was_not_paid(
    begins: datetime, anchor: Any, first: Any, steps: int, data: st.DataObject
) -> None:
    """On plans where a credit costs a cent, credits are never more than cents, but for one credit
    and one cent of rounding for each step. (A year's money goes by days and its credits by months,
    which is not the same.)"""
    w = World(begins)
    w.begin_on(first, anchor)
    yearly = int(first.is_annual)
    for number in range(1, steps + 1):
        assert w.subscription is not None
        what = data.draw(st.sampled_from(["go", "spend", "act", "act"]))
        if what == "go":
            w.go(data.draw(LONG_GAPS) * MS)
        elif what == "spend":
            left = w.left("base") + w.left("rollover")
            w.spend(data.draw(st.sampled_from([left, left, left // 2, left // 10])))
        else:
            possible = [name for name in allowed(w.subscription.status) if name in ACTS]
            reason = ""
            before = w.subscription
            try:
                act(w, data.draw(st.sampled_from(possible)), data, number)
            except Refused as refused:
                reason = refused.reason
            assert reason != "status"
            anew = w.subscription.plan != before.plan or before.status == "cancelled"
            yearly += w.subscription.plan.is_annual and anew
        a = w.gate.account
        assert a.status == w.subscription.status
        assert a.debt == a.overage == 0
        slack = 2 * (number + 1) + yearly * MONTHS_DIFFER
        spent = -sum(w.entries("email_sent"))
        assert spent <= paid_cents(w) + slack
        if a.status != "past_due":
            # Nor could all that is left be spent without being paid for.
            assert spent + w.left("base") <= paid_cents(w) + slack
    if w.subscription is not None and w.subscription.status in ("active", "past_due"):
        w.go(timedelta(days=400))
        assert w.view().status == "cancelled" or w.at < (w.view().ends_at or w.at)
