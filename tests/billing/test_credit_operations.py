"""Credits that come and go by themselves: what they are booked as, and their lines."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gate.domain.credit_operations import (
    Request,
    adjustment,
    credits_back,
    money_back,
    purchase,
    void,
)
from gate.domain.errors import BadArgument
from gate.domain.operations import Operation
from gate.domain.subscriptions.planned import Planned, Preview
from tests.billing.world import World, plan, utc

SMALL = plan("Small", 100, "29.00")
REQUEST = Request(organization_id="org_a", operation_id="opn_a", reason="asked for")


def world() -> World:
    w = World(utc("2026-03-01"))
    w.begin_on(SMALL)
    return w


def put(w: World, *operations: Operation) -> int:
    """Applies them; by how much posted changed."""
    before, subscription = w.gate.account.posted, w.subscription
    assert subscription is not None
    for one in operations:
        w._apply(one)
    assert Planned(operations=(), subscription=subscription, preview=Preview(sentences=()))
    return w.gate.account.posted - before


def named(name: str) -> Request:
    return replace(REQUEST, operation_id=name)


def test_purchase__top_up_and_pack() -> None:
    w = world()
    top_up, line = purchase(named("a"), 50, Decimal("5.00"), at=w.at)
    pack, note = purchase(named("b"), 70, at=w.at, expires_at=utc("2026-03-05"))
    assert put(w, top_up, pack) == 120
    assert (line.kind, line.description, str(line.amount)) == ("pack", "top-up, 50 credits", "5.00")
    assert note.description == "pack, 70 credits"
    assert w.entries("credit_purchased") == [100, 50, 70]
    w.go("2026-03-05")
    assert w.left("purchased") == 50
    w.go("2026-04-01")
    assert (w.left("base"), w.left("purchased")) == (100, 50)


def test_adjustment__both_ways_and_never_below_nothing() -> None:
    w = world()
    assert put(w, adjustment(named("a"), 30)) == 30
    assert put(w, adjustment(named("b"), -1_000)) == -130
    assert put(w, adjustment(named("c"), -10, rest="debt")) == -10
    assert w.gate.account.debt == 10
    assert sum(w.entries("manual_adjustment")) == -110


def test_refund__of_credits_and_of_money() -> None:
    w = world()
    operation, _ = purchase(named("a"), 50, Decimal("5.00"), at=w.at)
    put(w, operation)
    w.spend(120)
    assert put(w, credits_back(named("b"), 3)) == 3
    back, line = money_back(named("c"), 50, Decimal("5.00"))
    assert put(w, back) == -50
    assert (w.left("purchased"), w.gate.account.debt) == (0, 17)
    assert (line.kind, str(line.amount)) == ("credit_note", "-5.00")
    assert w.entries("refund") == [3, -33, -17]


@pytest.mark.parametrize("spent", [0, 20, 150])
@pytest.mark.parametrize(
    "first",
    [
        purchase(REQUEST, 50, at=utc("2026-03-01"))[0],
        adjustment(REQUEST, 50),
        adjustment(REQUEST, -30),
        adjustment(REQUEST, -1_000),
        credits_back(REQUEST, 7),
    ],
)
def test_void__undoes_what_was_booked(first: Operation, spent: int) -> None:
    w = world()
    booked = put(w, first)
    w.spend(spent)
    before = w.gate.account.posted
    undone = void(named("void"), first, booked)
    assert undone.reference == first.id
    assert put(w, undone) == -booked
    assert w.gate.account.posted == before - booked
    entry = first.content.changes[0].entry
    assert undone.content.changes[0].entry == ("refund" if entry == "credit_purchased" else entry)


def test_void__only_once_booked_and_only_what_can_be() -> None:
    operation = adjustment(REQUEST, 50)
    for booked in (0, -50, 51):
        with pytest.raises(BadArgument):
            void(REQUEST, operation, booked)
    with pytest.raises(BadArgument):
        void(replace(REQUEST, organization_id="org_b"), operation, 50)
    with pytest.raises(BadArgument):
        void(REQUEST, void(REQUEST, operation, 50), -50)


@pytest.mark.parametrize("credits", [0, -1, 1.0, True, 2**52 + 1])
def test_credits__are_whole_and_positive(credits: Any) -> None:
    at = utc("2026-03-01")
    with pytest.raises(BadArgument):
        purchase(REQUEST, credits, at=at)
    with pytest.raises(BadArgument):
        credits_back(REQUEST, credits)
    with pytest.raises(BadArgument):
        money_back(REQUEST, credits, Decimal("1.00"))


def test_purchase__must_expire_later_and_cost_cents() -> None:
    at = utc("2026-03-01")
    with pytest.raises(BadArgument):
        purchase(REQUEST, 1, at=at, expires_at=at)
    for price in (Decimal("0.001"), Decimal("-1"), 0.5):
        with pytest.raises(BadArgument):
            purchase(REQUEST, 1, price, at=at)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields", [{"reason": ""}, {"reason": " "}, {"operation_id": "a b"}, {"reference": "\0"}]
)
def test_request__says_why(fields: dict[str, str]) -> None:
    with pytest.raises(BadArgument):
        replace(REQUEST, **fields)
