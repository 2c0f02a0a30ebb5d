"""The state machine: every arrow is walked, every other pair of status and name is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gate.domain.errors import BadArgument, GateError
from gate.domain.subscriptions.changing import change_plan
from gate.domain.subscriptions.ending import cancel_at_end, cancel_now, reactivate
from gate.domain.subscriptions.pausing import pause, resume
from gate.domain.subscriptions.paying import end_grace, pay, payment_failed, unfreeze
from gate.domain.subscriptions.planned import Planned
from gate.domain.subscriptions.states import (
    SUBSCRIPTION_STATUSES,
    TRANSITIONS,
    Refused,
    allowed,
    next_status,
)
from gate.domain.subscriptions.trials import end_trial, start_trial
from tests.billing.world import World, plan, utc

SMALL = plan("Small", 1_000, "29.00")
BIG = plan("Big", 5_000, "79.00")
MONTH = timedelta(days=31)


def world(status: str | None) -> World:
    """An organization whose subscription has a status."""
    w = World(utc("2026-03-01T00:00"))
    if status == "trialing":
        w.begin(
            start_trial(
                SMALL,
                "UTC",
                organization_id="org_a",
                at=w.at,
                ends_at=w.at + timedelta(days=14),
                operation_id="first_allowance",
                then=SMALL,
            )
        )
    elif status is not None:
        w.begin_on(SMALL)
    if status == "past_due":
        w.do(payment_failed, grace_until=w.at)
    elif status == "paused":
        w.do(pause)
    elif status == "cancelled":
        w.do(cancel_now)
    assert status is None or (w.subscription is not None and w.subscription.status == status)
    return w


USE_CASES: dict[str, tuple[Callable[..., Planned], tuple[Any, ...]]] = {
    "end_trial": (end_trial, ()),
    "change_plan": (change_plan, (BIG,)),
    "pay": (pay, ()),
    "end_grace": (end_grace, ()),
    "pause": (pause, ()),
    "resume": (resume, ()),
    "cancel_at_end": (cancel_at_end, ()),
    "cancel_now": (cancel_now, ()),
}


@pytest.mark.parametrize("status", SUBSCRIPTION_STATUSES)
@pytest.mark.parametrize("name", USE_CASES)
def test_use_case__goes_where_the_table_says_or_is_refused(name: str, status: Any) -> None:
    w, (use_case, arguments) = world(status), USE_CASES[name]
    if name in allowed(status):
        w.do(use_case, *arguments)
        assert w.subscription is not None
        assert w.subscription.status == next_status(name, status)  # type: ignore[arg-type]
        return
    before = w.subscription
    with pytest.raises(Refused) as refused:
        w.do(use_case, *arguments)
    assert refused.value.reason == "status"
    assert refused.value.allowed == allowed(status)
    assert w.subscription is before
    for possible in allowed(status):
        assert possible in str(refused.value)


@pytest.mark.parametrize("status", ["trialing", "past_due", "paused", "cancelled"])
def test_payment_failed__only_of_an_active_one(status: Any) -> None:
    w = world(status)
    with pytest.raises(Refused):
        w.do(payment_failed, grace_until=w.at)


@pytest.mark.parametrize("status", ["active", "trialing", "past_due"])
def test_reactivate__withdraws_what_was_scheduled(status: Any) -> None:
    w = world(status)
    with pytest.raises(Refused) as refused:
        w.do(reactivate)
    assert refused.value.reason == "not_scheduled"
    w.do(cancel_at_end)
    with pytest.raises(Refused) as refused:
        w.do(cancel_at_end)
    assert refused.value.reason == "scheduled"
    w.do(reactivate)
    assert w.subscription is not None
    assert w.subscription.scheduled is None
    w.go(MONTH)
    assert w.subscription.status == ("active" if status == "trialing" else status)


def test_refused__is_a_failure_with_its_words() -> None:
    refused = Refused("pay", "paused", "status", "the subscription is paused")
    assert isinstance(refused, GateError)
    assert refused.code == "gate.transition_refused"
    assert str(refused) == (
        "pay is refused: the subscription is paused (possible now: resume, cancel_now, unfreeze)"
    )
    nothing = Refused("pause", None, "status", "there is no subscription")
    assert nothing.allowed == ("start", "start_unpaid", "start_trial")


def test_table__is_whole() -> None:
    names = [one.name for one in TRANSITIONS]
    assert len(names) == len(set(names))
    for status in SUBSCRIPTION_STATUSES:
        assert allowed(status), status
        reached = {one.to for one in TRANSITIONS}
        assert status in reached
    for one in TRANSITIONS:
        assert one.by == "operation" or not (one.fields or one.entries)


@pytest.mark.parametrize("status", ["active", "trialing", "past_due", "paused"])
def test_unfreeze__gives_the_account_its_status_again(status: Any) -> None:
    w = world(status)
    with pytest.raises(Refused) as refused:
        w.do(unfreeze)
    assert refused.value.reason == "frozen"
    w.gate.account.status, w.gate.account.debt = "frozen", SMALL.terms.max_debt + 1
    with pytest.raises(Refused) as refused:
        w.do(unfreeze)
    assert refused.value.reason == "debt"
    w.gate.account.debt = SMALL.terms.max_debt
    w.do(unfreeze)
    assert w.gate.account.status == status


def test_frozen__stays_so_whatever_else_is_done() -> None:
    w = world("past_due")
    w.gate.account.status = "frozen"
    w.do(pay)
    assert w.gate.account.status == "frozen"
    assert w.subscription is not None
    assert w.subscription.status == "active"
    w.do(pause)
    w.do(resume)
    assert not w.admits()
    w.do(unfreeze)
    assert w.admits()


@pytest.mark.parametrize("name", ["change_plan", "pause", "cancel_at_end", "cancel_now"])
@pytest.mark.parametrize("days", [-1, 31, 40])
def test_use_case__is_judged_within_the_running_period(name: str, days: int) -> None:
    w, (use_case, arguments) = world("active"), USE_CASES[name]
    with pytest.raises(BadArgument) as refused:
        w.do(use_case, *arguments, at=w.at + timedelta(days=days))
    assert refused.value.field == "at"


@pytest.mark.parametrize("name", USE_CASES)
def test_preview__says_it_in_words(name: str) -> None:
    w = world(next(one.from_statuses[0] for one in TRANSITIONS if one.name == name))
    use_case, arguments = USE_CASES[name]
    preview = w.do(use_case, *arguments).preview
    assert str(preview).endswith(".")
    assert "None" not in str(preview)
    assert "_" not in str(preview)
